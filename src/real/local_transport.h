// LocalTransport: peers of one process tell each other things by the loop alone. KV that moves
// between two memories is not its work yet: instances that serve both roles have none to move.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "ports/transport.h"
#include "runtime/loop.h"

namespace weft {

class LocalTransport final : public Transport {
 public:
  explicit LocalTransport(Loop& loop)
      : loop_(loop), timer_(loop, Callback<>::to<&LocalTransport::deliver>(this)) {}

  // A node that comes back gets messages once everybody has heard of it, in the next turn.
  void attach(NodeId node, Mailbox mailbox) override;
  void detach(NodeId node) override;
  void send(const Message& message) override;
  // Fails a CHECK: see above.
  void submit(const Copy& copy, CopyDone done) override;

 private:
  struct Peer {
    Mailbox mailbox;
    bool attached = false;
    bool reachable = false;
    uint64_t starts = 0;
  };
  struct Item {
    bool is_news = false;
    Message message;
    std::vector<BlockHash> blocks;
    NodeId node;  // news: who is down or up
    PeerEvent event = PeerEvent::kDown;
    uint64_t starts = 0;
  };
  void put_news(NodeId node, PeerEvent event);
  void put(Item item);
  void deliver();
  void tell(const Item& news);

  Loop& loop_;
  Timer timer_;
  std::map<NodeId, Peer> peers_;
  std::deque<Item> queue_;
};

}  // namespace weft
