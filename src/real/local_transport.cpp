// A queue that is emptied in the turn after the one that filled it.
#include "real/local_transport.h"

#include "base/check.h"

namespace weft {

void LocalTransport::attach(NodeId node, Mailbox mailbox) {
  Peer& peer = peers_[node];
  CHECK(!peer.attached, "a node is attached once");
  peer.mailbox = mailbox;
  peer.attached = true;
  if (++peer.starts == 1) {
    peer.reachable = true;
    return;
  }
  put_news(node, PeerEvent::kUp);
}

void LocalTransport::detach(NodeId node) {
  Peer& peer = peers_[node];
  peer.attached = peer.reachable = false;
  std::erase_if(queue_, [node](const Item& item) {
    return !item.is_news && (item.message.from == node || item.message.to == node);
  });
  put_news(node, PeerEvent::kDown);
}

void LocalTransport::send(const Message& message) {
  if (!peers_[message.to].reachable) return;
  Item item;
  item.message = message;
  item.blocks.assign(message.blocks.begin(), message.blocks.end());
  put(std::move(item));
}

void LocalTransport::submit(const Copy&, CopyDone) {
  CHECK(false, "instances of one process that serve both roles copy no KV");
}

void LocalTransport::put_news(NodeId node, PeerEvent event) {
  Item item;
  item.is_news = true;
  item.node = node;
  item.event = event;
  item.starts = peers_[node].starts;
  put(std::move(item));
}

void LocalTransport::put(Item item) {
  queue_.push_back(std::move(item));
  if (!timer_.armed()) timer_.arm(loop_.now() + nanoseconds(1));
}

// What is sent meanwhile is for the next turn.
void LocalTransport::deliver() {
  for (size_t left = queue_.size(); left > 0 && !queue_.empty(); --left) {
    Item item = std::move(queue_.front());
    queue_.pop_front();
    if (item.is_news) {
      tell(item);
    } else if (Peer& peer = peers_[item.message.to]; peer.reachable) {
      item.message.blocks = item.blocks;
      peer.mailbox.receive(item.message);
    }
  }
  if (!queue_.empty() && !timer_.armed()) timer_.arm(loop_.now() + nanoseconds(1));
}

// A node that is back hears who is not before anybody writes to it.
void LocalTransport::tell(const Item& news) {
  Peer& subject = peers_[news.node];
  if (news.event == PeerEvent::kUp) {
    if (!subject.attached || subject.starts != news.starts) return;
    subject.reachable = true;
    for (const auto& [id, peer] : peers_) {
      const bool is_down = peer.starts > 0 && !peer.reachable;
      if (is_down && subject.mailbox.peer) subject.mailbox.peer(id, PeerEvent::kDown);
    }
  }
  for (const auto& [id, peer] : peers_) {
    if (peer.attached && id != news.node && peer.mailbox.peer) {
      peer.mailbox.peer(news.node, news.event);
    }
  }
}

}  // namespace weft
