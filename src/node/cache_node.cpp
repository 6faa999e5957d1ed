// Lookups, fetches and saves of one cache node.
#include "node/cache_node.h"

#include "base/check.h"

namespace weft {

CacheNode::CacheNode(Transport& transport, std::vector<std::unique_ptr<Store>> stores,
                     const CacheConfig& config)
    : transport_(transport),
      stores_(std::move(stores)),
      config_(config),
      cache_(config.capacities),
      by_tier_(config.capacities.size()) {
  CHECK(stores_.size() + 1 == config.capacities.size(), "one store per tier below memory");
  counters_.hits.resize(config.capacities.size());
  transport_.attach(config_.id, {Callback<const Message&>::to<&CacheNode::receive>(this),
                                 Callback<NodeId, PeerEvent>::to<&CacheNode::peer_changed>(this)});
}

CacheNode::~CacheNode() { transport_.detach(config_.id); }

void CacheNode::receive(const Message& message) {
  switch (message.kind) {
    case MessageKind::kLookup:
      return on_lookup(message);
    case MessageKind::kFetch:
      return on_fetch(message);
    case MessageKind::kSave:
      for (const BlockHash hash : message.blocks) cache_.prefetch(hash);
      for (const BlockHash hash : message.blocks) {
        counters_.saved += cache_.insert(hash, moves_) ? 1 : 0;
      }
      return demote();
    default:
      CHECK(false, "a cache node gets only messages for cache nodes");
  }
}

void CacheNode::on_lookup(const Message& message) {
  counters_.lookups += static_cast<int64_t>(message.blocks.size());
  for (const BlockHash hash : message.blocks) cache_.prefetch(hash);
  Message found;
  found.kind = MessageKind::kFound;
  found.from = config_.id;
  found.to = message.from;
  found.request.id = message.request.id;
  found.tag = message.tag;
  found.count = cache_.match(message.blocks);
  transport_.send(found);
}

// Blocks below memory are read first; then all of them travel together.
void CacheNode::on_fetch(const Message& message) {
  if (free_fetches_.empty()) {
    free_fetches_.push_back(fetches_.size());
    fetches_.emplace_back();
  }
  const size_t job = free_fetches_.back();
  free_fetches_.pop_back();
  const int64_t count = cache_.match(message.blocks);
  fetches_[job] = {message.from, message.request.id, message.rank, message.tag, count, 0, false};
  for (auto& list : by_tier_) list.clear();
  for (const BlockHash hash : message.blocks.first(static_cast<size_t>(count))) {
    const auto tier = static_cast<size_t>(cache_.tier(hash));
    ++counters_.hits[tier];
    by_tier_[tier].push_back(hash);
  }
  for (const BlockHash hash : message.blocks.first(static_cast<size_t>(count))) {
    cache_.touch(hash, moves_);
  }
  for (size_t tier = 1; tier < by_tier_.size(); ++tier) {
    if (by_tier_[tier].empty()) continue;
    ++fetches_[job].reading;
    stores_[tier - 1]->submit(
        StoreAction::kRead, by_tier_[tier],
        StoreDone(lifetime_, Callback<uint64_t, bool>::to<&CacheNode::read_done>(this), job));
  }
  demote();
  if (fetches_[job].reading == 0) send_blocks(job);
}

void CacheNode::read_done(uint64_t job, bool ok) {
  Fetch& fetch = fetches_[job];
  fetch.failed = fetch.failed || !ok;
  if (--fetch.reading == 0) send_blocks(job);
}

void CacheNode::send_blocks(size_t job) {
  const Fetch& fetch = fetches_[job];
  if (fetch.failed || fetch.count == 0) return answer(job, 0);
  transport_.submit({{config_.id, 0}, {fetch.to, fetch.rank}, config_.block * fetch.count},
                    CopyDone(lifetime_, Callback<uint64_t, bool>::to<&CacheNode::sent>(this), job));
}

void CacheNode::sent(uint64_t job, bool ok) { answer(job, ok ? fetches_[job].count : 0); }

void CacheNode::answer(size_t job, int64_t count) {
  const Fetch& fetch = fetches_[job];
  Message message;
  message.kind = MessageKind::kFetched;
  message.from = config_.id;
  message.to = fetch.to;
  message.request.id = fetch.request;
  message.tag = fetch.tag;
  message.count = count;
  transport_.send(message);
  free_fetches_.push_back(job);
}

// What moved down a tier is written there, in the background.
void CacheNode::demote() {
  if (moves_.empty()) return;
  for (auto& list : by_tier_) list.clear();
  for (const TierCache::Move& move : moves_) {
    if (!move.forgotten) by_tier_[static_cast<size_t>(move.from) + 1].push_back(move.hash);
  }
  moves_.clear();
  for (size_t tier = 1; tier < by_tier_.size(); ++tier) {
    if (by_tier_[tier].empty()) continue;
    stores_[tier - 1]->submit(
        StoreAction::kWrite, by_tier_[tier],
        StoreDone(lifetime_, Callback<uint64_t, bool>::to<&CacheNode::wrote>(this)));
  }
}

void CacheNode::tier_down(int tier) {
  cache_.drop_tier(tier);
  cache_.set_capacity(tier, 0, moves_);
  moves_.clear();
}

void CacheNode::tier_up(int tier) {
  cache_.set_capacity(tier, config_.capacities[static_cast<size_t>(tier)], moves_);
}

}  // namespace weft
