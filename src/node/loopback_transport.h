// For the tests of nodes: a transport within one process that takes a little while. Included by
// tests only.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "ports/transport.h"
#include "runtime/loop.h"

namespace weft {

// Messages between two nodes keep their order, though each takes its own time. What is on its way
// to or from a dead node is lost; the others hear of deaths and returns after `detection`.
class LoopbackTransport final : public Transport {
 public:
  LoopbackTransport(Loop& loop, size_t nodes, Duration detection, uint64_t seed)
      : loop_(loop),
        detection_(detection),
        random_(seed),
        peers_(nodes),
        timer_(loop, Callback<>::to<&LoopbackTransport::fire>(this)) {}

  void attach(NodeId node, Mailbox mailbox) override {
    Peer& peer = peers_[node.value()];
    CHECK(!peer.attached, "a node is attached once");
    peer.mailbox = mailbox;
    peer.attached = true;
    ++peer.starts;
    if (peer.starts == 1) {
      peer.reachable = true;
      return;
    }
    put(loop_.now() + detection_, {.node = node, .event = PeerEvent::kUp, .starts = peer.starts});
  }

  void detach(NodeId node) override {
    Peer& peer = peers_[node.value()];
    peer.attached = peer.reachable = false;
    std::erase_if(queue_, [node](const auto& entry) {
      const Item& item = entry.second;
      return item.kind == Item::kMail && (item.message.from == node || item.message.to == node);
    });
    for (auto& [at, item] : queue_) {
      if (item.kind == Item::kCopy && (item.from == node || item.to == node)) item.ok = false;
    }
    put(loop_.now() + detection_, {.node = node, .event = PeerEvent::kDown});
  }

  void send(const Message& message) override {
    if (!peers_[message.to.value()].reachable) return;
    Item item{.kind = Item::kMail, .message = message};
    item.blocks.assign(message.blocks.begin(), message.blocks.end());
    Instant& last = last_mail_[{message.from, message.to}];
    last = std::max(last, loop_.now() + nanoseconds(100 + draw(300)));
    put(last, std::move(item));
    ++messages_[message.kind];
  }

  void submit(const Copy& copy, CopyDone done) override {
    Item item{.kind = Item::kCopy, .from = copy.from.node, .to = copy.to.node};
    item.ok = peers_[item.from.value()].reachable && peers_[item.to.value()].attached;
    item.done = std::move(done);
    put(loop_.now() + nanoseconds(200 + draw(300) + copy.bytes.count()), std::move(item));
  }

  [[nodiscard]] int64_t sent(MessageKind kind) const {
    const auto at = messages_.find(kind);
    return at == messages_.end() ? 0 : at->second;
  }

 private:
  struct Item {
    enum Kind { kNotice, kMail, kCopy } kind = kNotice;
    NodeId node{};
    PeerEvent event = PeerEvent::kDown;
    uint64_t starts = 0;
    Message message{};
    std::vector<BlockHash> blocks{};
    NodeId from{};
    NodeId to{};
    bool ok = false;
    CopyDone done{};
  };
  struct Peer {
    Mailbox mailbox;
    bool attached = false;
    bool reachable = false;
    uint64_t starts = 0;
  };

  int64_t draw(uint64_t below) { return static_cast<int64_t>(random_.below(below)); }

  void put(Instant at, Item item) {
    queue_.emplace(std::pair(at, next_++), std::move(item));
    timer_.arm(queue_.begin()->first.first);
  }

  void fire() {
    while (!queue_.empty() && queue_.begin()->first.first <= loop_.now()) {
      Item item = std::move(queue_.extract(queue_.begin()).mapped());
      if (item.kind == Item::kNotice) tell(item);
      if (item.kind == Item::kCopy) item.done(item.ok);
      if (item.kind == Item::kMail && peers_[item.message.to.value()].reachable) {
        item.message.blocks = item.blocks;
        peers_[item.message.to.value()].mailbox.receive(item.message);
      }
    }
    if (!queue_.empty()) timer_.arm(queue_.begin()->first.first);
  }

  // A node that is back hears who is not before anybody writes to it.
  void tell(const Item& notice) {
    Peer& subject = peers_[notice.node.value()];
    if (notice.event == PeerEvent::kUp) {
      if (!subject.attached || subject.starts != notice.starts) return;
      subject.reachable = true;
      for (uint32_t i = 0; i < peers_.size(); ++i) {
        if (peers_[i].starts > 0 && !peers_[i].reachable) {
          subject.mailbox.peer(NodeId(i), PeerEvent::kDown);
        }
      }
    }
    for (uint32_t i = 0; i < peers_.size(); ++i) {
      if (peers_[i].attached && NodeId(i) != notice.node) {
        peers_[i].mailbox.peer(notice.node, notice.event);
      }
    }
  }

  Loop& loop_;
  Duration detection_;
  Random random_;
  std::vector<Peer> peers_;
  std::map<std::pair<Instant, uint64_t>, Item> queue_;
  std::map<std::pair<NodeId, NodeId>, Instant> last_mail_;
  std::map<MessageKind, int64_t> messages_;
  uint64_t next_ = 0;
  Timer timer_;
};

}  // namespace weft
