// Block hashes: each (content, offset, length) piece that overlaps a block is folded into the
// chain.
#include "sim/segments.h"

#include <algorithm>

#include "base/check.h"
#include "base/random.h"

namespace weft {
namespace {

constexpr int kLengthBits = 21;  // a piece is shorter than a block
constexpr uint64_t kChainStart = 0x77656674626c6b73ULL;
constexpr uint64_t kTailTag = 0x7461696c746f6b6eULL;

class BlockChain {
 public:
  BlockChain(int64_t block, std::vector<BlockHash>& out) : block_(block), out_(out) {}

  void add(uint64_t content, int64_t tokens) {
    const uint64_t base = mix64(content);
    for (int64_t offset = 0; offset < tokens && done_ < out_.size();) {
      const int64_t length = std::min(block_ - filled_, tokens - offset);
      const uint64_t place = (static_cast<uint64_t>(offset) << kLengthBits) + length;
      chain_ = mix64(chain_ ^ mix64(base + place));
      offset += length;
      filled_ += length;
      if (filled_ == block_) {
        out_[done_++] = BlockHash(chain_);
        filled_ = 0;
      }
    }
  }

 private:
  int64_t block_;
  std::vector<BlockHash>& out_;
  uint64_t chain_ = kChainStart;
  int64_t filled_ = 0;  // tokens in the block under way
  size_t done_ = 0;
};

}  // namespace

void hash_blocks(const Arrival& arrival, Tokens block, uint64_t seed, std::vector<BlockHash>& out) {
  CHECK(block.count() > 0 && block.count() < (int64_t{1} << kLengthBits));
  int64_t rest = arrival.prompt.count();
  out.resize(static_cast<size_t>(rest / block.count()));
  BlockChain chain(block.count(), out);
  for (const Segment& segment : arrival.segments) {
    const int64_t tokens = std::min(segment.tokens.count(), rest);
    chain.add(segment.content, tokens);
    rest -= tokens;
  }
  chain.add(mix64(seed ^ kTailTag, arrival.id), rest);
}

}  // namespace weft
