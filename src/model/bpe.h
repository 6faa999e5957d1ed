// Bpe: byte-level byte-pair encoding of one word: its bytes become tokens, and of all neighbours
// that have a merge, the best ranked (leftmost of equals) join, until none has. Immutable once
// built, apart from a note per token that any thread may write.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/flat_map.h"
#include "base/result.h"
#include "model/tokenizer_spec.h"

namespace weft {

inline constexpr int32_t kMaxTokenId = (1 << 24) - 1;

class Bpe {
 public:
  // kBadInput names what contradicts: an id twice or too high, a merge of tokens that are not
  // there.
  static Result<Bpe> build(const BpeSpec& spec);

  // Working memory of one thread.
  struct Part {
    int32_t id;
    uint32_t rank;     // of joining with the next; kNoMerge
    int32_t joined;    // the token that this gives
    int32_t previous;  // long words only: neighbours by index, -1 at the ends
    int32_t next;
  };
  struct Candidate {
    uint32_t rank;
    int32_t at;
    int32_t joined;
  };
  struct Scratch {
    std::vector<Part> parts;
    std::vector<Candidate> heap;
  };

  // Appends the tokens of `word` to `ids`.
  void encode(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const;

  // The token with exactly these bytes, or -1.
  [[nodiscard]] int32_t find(std::string_view bytes) const;
  // Highest id and one.
  [[nodiscard]] int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  // As in the vocabulary; empty for an id without entry.
  [[nodiscard]] const std::string& text(int32_t id) const { return texts_[id]; }
  // The id of a vocabulary's entry as written there, or -1.
  [[nodiscard]] int32_t find_text(std::string_view text) const;

 private:
  static constexpr uint32_t kNoMerge = 0xFFFFFFFF;
  struct Merge {
    uint32_t rank = kNoMerge;
    int32_t joined = -1;
  };
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;
  };
  enum Direct : uint8_t { kUnknown, kYes, kNo };

  Status add_tokens(const BpeSpec& spec);
  Status add_merges(const BpeSpec& spec);
  void index_tokens();
  [[nodiscard]] Merge merge_of(int32_t left, int32_t right) const;
  void start(std::string_view word, Scratch& scratch) const;
  void join_short(std::vector<Part>& parts) const;
  void join_long(Scratch& scratch) const;
  void join_at(const Candidate& best, Scratch& scratch) const;
  void offer(int32_t at, Scratch& scratch) const;

  std::vector<std::string> texts_;  // by id
  std::vector<std::string> bytes_;  // by id; empty for entries outside the byte alphabet
  std::vector<Slot> slots_;         // a power of two: bytes to id
  std::vector<int32_t> foreign_;    // ids whose text is outside the byte alphabet, by text
  FlatMap<Merge> merges_;
  std::array<int32_t, 256> byte_ids_{};
  int32_t unknown_ = -1;
  bool fuse_unknown_ = false;
  bool ignore_merges_ = false;
  // By id: whether the token's own bytes encode to it alone, found out when first asked.
  std::unique_ptr<std::atomic<uint8_t>[]> direct_;
};

}  // namespace weft
