// Arrivals into requests.
#include "sim/player.h"

namespace weft {

namespace {

constexpr int64_t kMaxHeld = 65536;

}  // namespace

Player::Player(Loop& loop, Workload& workload, Tokens block, uint64_t seed)
    : loop_(loop),
      workload_(workload),
      block_(block),
      seed_(seed),
      timer_(loop, Callback<>::to<&Player::fire>(this)) {}

void Player::start(Router& router) {
  router_ = &router;
  if (workload_.concurrency() > 0) {
    timer_.arm(loop_.now());
  } else if (fetch()) {
    timer_.arm(next_.at);
  }
}

bool Player::fetch() {
  auto more = workload_.next(next_);
  if (!more) error_ = more.error();
  have_next_ = more.ok() && *more;
  return have_next_;
}

void Player::fire() {
  if (workload_.concurrency() > 0) return top_up();
  while (have_next_ && next_.at <= loop_.now()) {
    send_next();
    fetch();
  }
  if (have_next_) timer_.arm(next_.at);
}

// Closed loop: as many in flight as there are clients. Turns that wait for the one before them do
// not count, so that a slow conversation does not thin the load; how many are held is bounded.
void Player::top_up() {
  if (topping_up_) return;
  topping_up_ = true;
  while (in_flight_ < workload_.concurrency() && held_ < kMaxHeld && fetch()) send_next();
  topping_up_ = false;
}

void Player::send_next() {
  if (next_.conversation != 0) {
    if (auto* waiting = conversations_.find(next_.conversation)) {
      waiting->push_back(next_);
      ++held_;
      return;
    }
    conversations_.insert(next_.conversation, {});
  }
  send(next_);
}

void Player::send(const Arrival& arrival) {
  if (free_tags_.empty()) {
    free_tags_.push_back(conversation_of_.size());
    conversation_of_.push_back(0);
  }
  const uint64_t tag = free_tags_.back();
  free_tags_.pop_back();
  conversation_of_[tag] = arrival.conversation;
  hash_blocks(arrival, block_, seed_, hashes_);
  NewRequest request;
  request.prompt = arrival.prompt;
  request.max_output = arrival.output;
  request.priority = arrival.priority;
  if (arrival.deadline > Duration{}) request.deadline = loop_.now() + arrival.deadline;
  request.blocks = hashes_;
  request.tag = tag;
  ++sent_;
  ++in_flight_;
  router_->submit(request);
}

void Player::ended(const RequestRecord& record) {
  --in_flight_;
  const uint64_t conversation = conversation_of_[record.tag];
  free_tags_.push_back(record.tag);
  if (conversation != 0) {
    auto* waiting = conversations_.find(conversation);
    if (waiting->empty()) {
      conversations_.erase(conversation);
    } else {
      const Arrival turn = std::move(waiting->front());
      waiting->pop_front();
      --held_;
      send(turn);
    }
  }
  // Not from inside the router's handler: the next turn of the loop sends.
  if (workload_.concurrency() > 0 && !timer_.armed()) timer_.arm(loop_.now());
}

}  // namespace weft
