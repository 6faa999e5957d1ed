// For tests alone: nodes on a modelled network that note what they hear and when.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "sim/model_transport.h"
#include "sim/virtual_clock.h"

namespace weft {

struct Heard {
  int64_t at_ns = 0;
  uint64_t request = 0;
  auto operator<=>(const Heard&) const = default;
};

struct HeardPeer {
  int64_t at_ns = 0;
  uint32_t node = 0;
  PeerEvent event = PeerEvent::kDown;
  auto operator<=>(const HeardPeer&) const = default;
};

struct EndedCopy {
  int64_t at_ns = 0;
  uint64_t tag = 0;
  bool ok = false;
  auto operator<=>(const EndedCopy&) const = default;
};

class NetworkNode {
 public:
  NetworkNode(Loop& loop, Transport& transport, uint32_t id)
      : loop_(loop), transport_(transport), id_(id) {
    transport_.attach(id_, {Callback<const Message&>::to<&NetworkNode::receive>(this),
                            Callback<NodeId, PeerEvent>::to<&NetworkNode::peer>(this)});
  }
  ~NetworkNode() { transport_.detach(id_); }
  NetworkNode(const NetworkNode&) = delete;
  NetworkNode& operator=(const NetworkNode&) = delete;

  void send(uint32_t to, uint64_t request, std::span<const BlockHash> hashes = {}) {
    Message message;
    message.kind = MessageKind::kSave;
    message.from = id_;
    message.to = NodeId(to);
    message.request.id = RequestId(request);
    message.blocks = hashes;
    transport_.send(message);
  }

  std::vector<Heard> heard;
  std::vector<std::vector<BlockHash>> blocks;
  std::vector<HeardPeer> peers;

 private:
  void receive(const Message& message) {
    heard.push_back({loop_.now().ns(), message.request.id.value()});
    blocks.emplace_back(message.blocks.begin(), message.blocks.end());
  }
  void peer(NodeId node, PeerEvent event) {
    peers.push_back({loop_.now().ns(), node.value(), event});
  }

  Loop& loop_;
  Transport& transport_;
  NodeId id_;
};

// A network of its own clock, all nodes up.
class Network {
 public:
  explicit Network(ModelTransportConfig config)
      : config_(std::move(config)), loop(clock_), transport(loop, config_) {
    for (size_t i = 0; i < config_.places.size(); ++i) start(static_cast<uint32_t>(i));
  }

  void start(uint32_t id) {
    nodes.resize(config_.places.size());
    nodes[id] = std::make_unique<NetworkNode>(loop, transport, id);
  }
  void stop(uint32_t id) { nodes[id].reset(); }
  void copy(uint32_t from, uint32_t to, int64_t bytes, uint64_t tag = 0, uint32_t from_rank = 0) {
    transport.submit(
        {{NodeId(from), from_rank}, {NodeId(to), 0}, Bytes(bytes)},
        CopyDone(lifetime_, Callback<uint64_t, bool>::to<&Network::copied>(this), tag));
  }
  // Lets everything up to `at` happen.
  void run_until(Duration at) {
    if (Instant{} + at <= loop.now()) return;
    alarm_.arm(Instant{} + at);
    while (alarm_.armed()) {
      loop.run_one_turn();
      transport.check_integrity();
    }
  }
  void run() {
    while (loop.run_one_turn()) transport.check_integrity();
  }

 private:
  void copied(uint64_t tag, bool ok) { ended.push_back({loop.now().ns(), tag, ok}); }
  void ring() {}

  VirtualClock clock_;
  ModelTransportConfig config_;
  Lifetime lifetime_;

 public:
  Loop loop;
  ModelTransport transport;
  std::vector<std::unique_ptr<NetworkNode>> nodes;
  std::vector<EndedCopy> ended;

 private:
  Timer alarm_{loop, Callback<>::to<&Network::ring>(this)};
};

}  // namespace weft
