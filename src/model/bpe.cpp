// Merging: short words by scanning for the best rank, long ones by a heap over a linked list, so
// that no text costs more than n log n. Words that are tokens skip both.
#include "model/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "model/byte_alphabet.h"

namespace weft {
namespace {

constexpr size_t kShortWord = 32;  // parts; a scan over so few beats a heap

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

__extension__ using Wide = unsigned __int128;

uint64_t fold(uint64_t a, uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint32_t hash_bytes(std::string_view bytes) {
  uint64_t hash = bytes.size() * 0x9e3779b97f4a7c15ULL;
  while (bytes.size() > 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    hash = fold(hash ^ word, 0xbf58476d1ce4e5b9ULL);
    bytes.remove_prefix(8);
  }
  uint64_t tail = 0;
  std::memcpy(&tail, bytes.data(), bytes.size());
  hash = fold(hash ^ tail, 0x94d049bb133111ebULL);
  return static_cast<uint32_t>(hash >> 32 ^ hash);
}

bool is_worse(const Bpe::Candidate& a, const Bpe::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
}

}  // namespace

Result<Bpe> Bpe::build(const BpeSpec& spec) {
  Bpe bpe;
  if (auto status = bpe.add_tokens(spec); !status.ok()) return status.error();
  bpe.index_tokens();
  for (int byte = 0; byte < 256; ++byte) {
    const char one = static_cast<char>(byte);
    bpe.byte_ids_[byte] = bpe.find(std::string_view(&one, 1));
  }
  if (auto status = bpe.add_merges(spec); !status.ok()) return status.error();
  bpe.ignore_merges_ = spec.ignore_merges;
  bpe.fuse_unknown_ = spec.fuse_unknown;
  if (spec.unknown) {
    bpe.unknown_ = bpe.find_text(*spec.unknown);
    if (bpe.unknown_ < 0) {
      return bad_input(fmt::format("model.unk_token: found {:?}, expected a token of model.vocab",
                                   *spec.unknown));
    }
  }
  bpe.direct_ = std::make_unique<std::atomic<uint8_t>[]>(bpe.texts_.size());
  return bpe;
}

Status Bpe::add_tokens(const BpeSpec& spec) {
  int32_t highest = -1;
  for (const auto& [text, id] : spec.vocab) {
    if (id < 0 || id > kMaxTokenId) {
      return bad_input(fmt::format("model.vocab.{:?}: found {}, expected an id from 0 to {}", text,
                                   id, kMaxTokenId));
    }
    highest = std::max(highest, id);
  }
  texts_.resize(highest + 1);
  bytes_.resize(highest + 1);
  for (const auto& [text, id] : spec.vocab) {
    if (text.empty()) continue;
    if (!texts_[id].empty()) {
      return bad_input(
          fmt::format("model.vocab: {:?} and {:?} share the id {}", texts_[id], text, id));
    }
    texts_[id] = text;
    if (auto bytes = from_alphabet(text)) {
      bytes_[id] = std::move(*bytes);
    } else {
      foreign_.push_back(id);
    }
  }
  std::sort(foreign_.begin(), foreign_.end(),
            [&](int32_t a, int32_t b) { return texts_[a] < texts_[b]; });
  return {};
}

void Bpe::index_tokens() {
  slots_.resize(std::bit_ceil(bytes_.size() * 2 + 2));
  for (size_t id = 0; id < bytes_.size(); ++id) {
    if (bytes_[id].empty()) continue;
    const uint32_t hash = hash_bytes(bytes_[id]);
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at].id >= 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {hash, static_cast<int32_t>(id)};
  }
}

int32_t Bpe::find(std::string_view bytes) const {
  if (bytes.empty()) return -1;
  const uint32_t hash = hash_bytes(bytes);
  for (size_t at = hash & (slots_.size() - 1); slots_[at].id >= 0;
       at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash == hash && bytes_[slots_[at].id] == bytes) return slots_[at].id;
  }
  return -1;
}

int32_t Bpe::find_text(std::string_view text) const {
  if (const auto bytes = from_alphabet(text)) return find(*bytes);
  const auto found =
      std::lower_bound(foreign_.begin(), foreign_.end(), text,
                       [&](int32_t id, std::string_view wanted) { return texts_[id] < wanted; });
  return found != foreign_.end() && texts_[*found] == text ? *found : -1;
}

Status Bpe::add_merges(const BpeSpec& spec) {
  for (size_t i = 0; i < spec.merges.size(); ++i) {
    const auto& [left, right] = spec.merges[i];
    const std::string together = fmt::format("{}{}", left, right);
    const Merge merge{static_cast<uint32_t>(i), find_text(together)};
    const int32_t left_id = find_text(left);
    const int32_t right_id = find_text(right);
    for (const auto& [id, text] : {std::pair<int32_t, std::string_view>{left_id, left},
                                   {right_id, right},
                                   {merge.joined, together}}) {
      if (id < 0) {
        return bad_input(
            fmt::format("model.merges[{}]: {:?} is not in model.vocab; expected both parts and "
                        "their whole",
                        i, text));
      }
    }
    const auto [place, is_new] = merges_.insert(pair_key(left_id, right_id), merge);
    if (!is_new) *place = merge;  // of two alike the last counts
  }
  return {};
}

Bpe::Merge Bpe::merge_of(int32_t left, int32_t right) const {
  const Merge* merge = merges_.find(pair_key(left, right));
  return merge == nullptr ? Merge{} : *merge;
}

void Bpe::start(std::string_view word, Scratch& scratch) const {
  scratch.parts.clear();
  bool was_unknown = false;
  for (const char byte : word) {
    int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
    const bool is_unknown = id < 0;
    if (is_unknown && (unknown_ < 0 || (fuse_unknown_ && was_unknown))) continue;
    was_unknown = is_unknown;
    if (is_unknown) id = unknown_;
    scratch.parts.push_back({id, kNoMerge, -1, -1, -1});
  }
  auto& parts = scratch.parts;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const Merge merge = merge_of(parts[i].id, parts[i + 1].id);
    parts[i].rank = merge.rank;
    parts[i].joined = merge.joined;
  }
}

void Bpe::join_short(std::vector<Part>& parts) const {
  const auto ask = [&](size_t i) {
    const bool last = i + 1 == parts.size();
    const Merge merge = last ? Merge{} : merge_of(parts[i].id, parts[i + 1].id);
    parts[i].rank = merge.rank;
    parts[i].joined = merge.joined;
  };
  for (;;) {
    const auto best = std::min_element(
        parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.rank < b.rank; });
    if (best == parts.end() || best->rank == kNoMerge) return;
    const size_t at = best - parts.begin();
    parts[at].id = parts[at].joined;
    parts.erase(best + 1);
    ask(at);
    if (at > 0) ask(at - 1);
  }
}

void Bpe::offer(int32_t at, Scratch& scratch) const {
  const Part& part = scratch.parts[at];
  if (part.next < 0) return;
  const Merge merge = merge_of(part.id, scratch.parts[part.next].id);
  if (merge.rank == kNoMerge) return;
  scratch.heap.push_back({merge.rank, at, merge.joined});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), is_worse);
}

void Bpe::join_at(const Candidate& best, Scratch& scratch) const {
  auto& parts = scratch.parts;
  Part& part = parts[best.at];
  if (part.id < 0 || part.next < 0) return;  // joined with another meanwhile
  const Merge merge = merge_of(part.id, parts[part.next].id);
  if (merge.rank != best.rank) return;
  Part& gone = parts[part.next];
  part.id = best.joined;
  part.next = gone.next;
  gone.id = -1;
  if (part.next >= 0) parts[part.next].previous = best.at;
  offer(best.at, scratch);
  if (part.previous >= 0) offer(part.previous, scratch);
}

void Bpe::join_long(Scratch& scratch) const {
  auto& parts = scratch.parts;
  auto& heap = scratch.heap;
  heap.clear();
  const auto count = static_cast<int32_t>(parts.size());
  for (int32_t i = 0; i < count; ++i) {
    parts[i].previous = i - 1;
    parts[i].next = i + 1 < count ? i + 1 : -1;
    if (parts[i].rank != kNoMerge) heap.push_back({parts[i].rank, i, parts[i].joined});
  }
  std::make_heap(heap.begin(), heap.end(), is_worse);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), is_worse);
    const Candidate best = heap.back();
    heap.pop_back();
    join_at(best, scratch);
  }
  std::erase_if(parts, [](const Part& part) { return part.id < 0; });
}

void Bpe::encode(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const {
  const int32_t whole = find(word);
  if (whole >= 0) {
    const auto direct = direct_[whole].load(std::memory_order_relaxed);
    if (direct == kYes || ignore_merges_) {
      ids.push_back(whole);
      return;
    }
  }
  start(word, scratch);
  if (scratch.parts.size() <= kShortWord) {
    join_short(scratch.parts);
  } else {
    join_long(scratch);
  }
  for (const Part& part : scratch.parts) ids.push_back(part.id);
  if (whole >= 0) {
    const bool alone = scratch.parts.size() == 1 && scratch.parts[0].id == whole;
    direct_[whole].store(alone ? kYes : kNo, std::memory_order_relaxed);
  }
}

}  // namespace weft
