// ModelTransport: messages with latency, and bulk copies that share the bandwidth of the ports they
// cross, max-min fairly (Bertsekas and Gallager, Data Networks, 6.5.2). Twin of
// real/ucx_transport.h.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "ports/transport.h"
#include "runtime/loop.h"

namespace weft {

// Where an endpoint sits and what it can send and receive. Rates are bytes/s, one way, of all the
// dies of one rank together.
struct EndpointPlace {
  bool host = false;   // a cache node: host memory
  int system = 0;      // which of the deployment's systems
  int domain = 0;      // scale-up domain within it
  int first_node = 0;  // hosts it spans
  int last_node = 0;
  int ranks = 1;
  double scale_up = 0;
  double scale_out = 0;
  double host_link = 0;  // instance: its link to host memory; host: what its memory serves
  double shard_share =
      1;  // of those rates that one copy between instances can use (KV shards/dies)
  Duration scale_up_latency;
  Duration scale_out_latency;
  Duration host_latency;
  bool kv_over_scale_out = false;  // KV between instances leaves the scale-up fabric alone
  bool host_on_fabric = false;  // host memory of any node is reached without the scale-out network
};

struct ModelTransportConfig {
  std::vector<EndpointPlace> places;  // by node id
  Duration message_latency;           // one way, software included
  Duration detection;                 // until peers learn that a node is down, or back
};

class ModelTransport final : public Transport {
 public:
  ModelTransport(Loop& loop, const ModelTransportConfig& config);
  ~ModelTransport() override;

  void attach(NodeId node, Mailbox mailbox) override;
  void detach(NodeId node) override;
  void send(const Message& message) override;
  void submit(const Copy& copy, CopyDone done) override;

  // A fault: the node's ports run at this share of their bandwidth (1: healthy).
  void set_link_share(NodeId node, double share);

  [[nodiscard]] int64_t copies() const { return copies_; }
  [[nodiscard]] double bytes_copied() const { return bytes_copied_; }
  void check_integrity() const;

 private:
  static constexpr size_t kMaxPorts = 4;
  enum PortKind : size_t { kUpOut, kUpIn, kOutOut, kOutIn, kHostOut, kHostIn, kPortKinds };
  struct Port {
    double capacity = 0;
    double share = 1;
    double wanted = 0;  // sum of what its flows could use if alone
    std::vector<uint32_t> flows;
    uint64_t mark = 0;  // of the last recomputation that reached it
    double left = 0;    // scratch of the recomputation
    int64_t unfixed = 0;
    bool full = false;
    [[nodiscard]] double room() const { return capacity * share; }
  };
  struct Flow {
    explicit Flow(ModelTransport& transport, uint32_t index);
    void fire();
    ModelTransport& owner;
    uint32_t index;
    bool active = false;
    std::array<uint32_t, kMaxPorts> ports{};
    size_t port_count = 0;
    NodeId from;
    NodeId to;
    double cap = 0;  // bytes/s if alone
    double rate = 0;
    double left = 0;  // bytes at `since`
    Instant since;
    Duration latency;  // after the last byte left
    bool arrived = false;
    uint64_t mark = 0;
    bool fixed = false;
    CopyDone done;
    Timer timer;
  };
  struct Mail {
    Instant at;
    Message message;
    std::vector<BlockHash> blocks;
  };
  struct Peer {
    Mailbox mailbox;
    bool attached = false;
    bool known = false;      // was attached before
    bool reachable = false;  // its (re)start has been announced
    int64_t starts = 0;
  };
  struct Notice {
    Instant at;
    NodeId node;
    PeerEvent event;
    int64_t start;  // which of the node's lives it speaks of
  };

  [[nodiscard]] uint32_t port(const Endpoint& end, PortKind kind) const;
  void route(const Copy& copy, Flow& flow);
  void join(Flow& flow);
  void leave(Flow& flow);
  void settle(Flow& flow);
  void set_rate(Flow& flow, double rate);
  void recompute(std::span<const uint32_t> from_ports);
  void collect(std::span<const uint32_t> from_ports);
  void flow_done(Flow& flow);
  void deliver_mail();
  void deliver_notices();
  void tell_newcomer(NodeId node);
  void put_mail(const Message& message);

  Loop& loop_;
  ModelTransportConfig config_;
  std::vector<size_t> first_port_;  // by node
  std::vector<Port> ports_;
  std::vector<std::unique_ptr<Flow>> flows_;
  std::vector<uint32_t> free_flows_;
  std::vector<Peer> peers_;
  std::deque<Mail> mail_;
  std::vector<std::vector<BlockHash>> spare_blocks_;
  std::deque<Notice> notices_;
  std::vector<uint32_t> component_;  // flows of a recomputation
  std::vector<uint32_t> component_ports_;
  uint64_t mark_ = 0;
  int64_t copies_ = 0;
  double bytes_copied_ = 0;
  Timer mail_timer_;
  Timer notice_timer_;
};

}  // namespace weft
