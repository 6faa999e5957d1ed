// Attention kernels: seconds of one layer's prefill or decode attention on one die, from the sums
// of a rank's load. Projections are matrix products, and not here.
#pragma once

#include <algorithm>
#include <cmath>

#include "hardware/attention_constants.h"
#include "hardware/hardware.h"
#include "model/batch.h"

namespace weft {

// What one die computes in one layer. GQA: K and V of head_dim per KV head, qk_dim = v_dim =
// head_dim. MLA prefill without absorption: qk = nope + rope, v = v_dim, kv_heads = query_heads.
// MLA absorbed (decode, and V3.2's selected rows): one KV head, qk = kv_lora + rope, v = kv_lora.
// Index scores (V3.2 lightning indexer): query_heads = index heads, one KV head, qk = index_dim,
// v_dim = 0.
struct AttentionShape {
  static constexpr double kUnlimited = 1e18;
  static constexpr double kWindowTile = 128;  // keys that kernels read beyond a window

  double query_heads = 1;     // on this die
  double kv_heads = 1;        // on this die
  double qk_dim = 128;        // values that one score multiplies
  double v_dim = 128;         // values that one score weighs
  double row_bytes = 512;     // a key's K and V of one KV head, scales included
  double value_bytes = 2;     // of a value of queries and outputs
  double limit = kUnlimited;  // keys a query meets at most: top-k, or window + kWindowTile
  bool shares_tile = false;   // heads of one KV head fill a query tile together (absorbed MLA)
};

// Dense peaks of one die: what shares are shares of.
struct AttentionPeaks {
  double operations = 0;  // per second, in the format that attention multiplies in
  double memory = 0;      // bytes per second
  double cores = 1;       // SMs, CUs or cube cores

  // `math`: BF16, or the 8-bit format of the chip where the kernel multiplies in 8 bits
  // (AttentionFit::eight_bit_math); BF16 where the chip has not got it.
  static AttentionPeaks of(const Chip& chip, double cores, Format math) {
    const double own = chip.ops(math);
    return {own > 0 ? own : chip.ops(Format::kBf16), chip.memory_bandwidth, cores};
  }
};

// Prefill work of one launch: sums over its chunks, and the longest.
struct AttentionChunks {
  double tokens = 0;     // computed now
  double products = 0;   // queries x mean keys
  double context = 0;    // KV tokens of earlier chunks
  double sequences = 0;  // chunks
  double longest = 0;    // not a sum: most keys that any query meets

  // `share` of the sums; `keys`: entries per token of context.
  static AttentionChunks of(const RankLoad& load, double share = 1, double keys = 1) {
    return {static_cast<double>(load.prefill_tokens) * share, load.prefill_products * share * keys,
            static_cast<double>(load.prefill_context) * share * keys,
            load.prefill_sequences * share, static_cast<double>(load.prefill_longest) * keys};
  }
};

// Prefill, flash attention (Dao, 2022) with causal masking, tiles of 128 queries of a head:
//   floor + (passes - 1) x rows + sqrt(work^2 + longest^2 + (rows + earlier)^2)
// work: (2 (qk + v) + softmax) operations per head, query and key at a share of the peak; half a
//   tile of masked keys and a fill time per tile; in tiles beyond a window, the masking of its far
//   edge (the near one is the fill's).
// longest: a share of the time that one core takes for the tile that meets most keys; it bounds
//   launches of fewer tiles than cores.
// rows: bytes of q, k, v and o rows over the memory's peak. The kernel's own pass hides behind its
//   products; rotary embedding and the write to the cache are passes before it.
// earlier: KV of earlier chunks, read once.
class AttentionPrefillPlan {
 public:
  static constexpr double kTileQueries = 128;
  static constexpr double kMaskedKeys = kTileQueries / 2;

  AttentionPrefillPlan() = default;
  AttentionPrefillPlan(const AttentionShape& shape, const AttentionPrefillConstants& constants,
                       const AttentionPeaks& peaks);

  // 0 without tokens.
  [[nodiscard]] double seconds(const AttentionChunks& load) const {
    if (load.tokens <= 0) return 0;
    const double pairs = std::min(load.products, limit_ * load.tokens);
    const double tiles =
        std::max(tiles_per_token_ * load.tokens, tiles_per_sequence_ * load.sequences);
    const double beyond = load.longest > window_ ? 1 - window_ / load.longest : 0;
    const double work = per_pair_ * pairs + (per_tile_ + per_edge_ * beyond) * tiles;
    const double longest = longest_per_key_ * std::min(load.longest, limit_);
    const double memory =
        per_token_ * load.tokens + per_key_ * std::min(load.context, limit_ * load.sequences);
    return floor_ + other_passes_ * load.tokens +
           std::sqrt(work * work + longest * longest + memory * memory);
  }

 private:
  double limit_ = AttentionShape::kUnlimited;
  double floor_ = 0;
  double other_passes_ = 0;  // per token
  double per_token_ = 0;
  double per_pair_ = 0;
  double per_key_ = 0;
  double per_tile_ = 0;
  double per_edge_ = 0;
  double window_ = AttentionShape::kUnlimited;
  double longest_per_key_ = 0;
  double tiles_per_token_ = 1;
  double tiles_per_sequence_ = 1;
};

// Decode, split over keys (flash-decoding, Dao et al., 2023; FlashMLA, DeepSeek, 2025):
//   floor + other passes + ((m^2 + compute^2)^2 + waves^4)^(1/4)
//   m = memory + (ramp + merge x (row tiles - 1)) x memory / (memory + half)
// memory: KV rows once per sequence, whatever the tokens per sequence, and q and o rows, at a share
//   of the peak; the ramp is the time until enough bytes are in flight and the merge of parts.
//   Some kernels lay parts over keys outside a window too: empty, but begun and merged. Rotary
//   embedding and the write to the cache are passes of q and o rows of their own.
// compute: 2 (qk + v) operations per head, query and key; the query rows that share a KV head are
//   padded to `row_tile`, the least rows of a matrix instruction, and heads to powers of two. Where
//   parts are whole (part_rows, FlashMLA's blocks of 64 query rows), a sequence is cut in as many
//   as fit the cores all at once, or sequences come in whole waves.
// waves: a (sequence, KV head) holds a core for item_us at least, and longer in proportion to the
//   row's width and for each row tile after the first where heads do not share them. Waves of items
//   on all cores are whole, but those of single rows, of which a core holds several. The last
//   item's keys are a chain: one core walks them, block by block, until they are enough to be
//   split: chain_us x keys / (keys + kWalkKeys).
// By head (TensorRT-LLM's masked multi-head attention): floor + sqrt(m^2 + compute^2 + busy^2 +
//   last^2). busy: every query head of every sequence takes item_us and key_ns per key of a core,
//   outside the matrix unit; keys that several heads walk cross memory once and then come out of
//   the cache. last: an idle core's time for one head, alone_us and its chain of keys.
class AttentionDecodePlan {
 public:
  static constexpr double kWalkKeys = 1024;

  AttentionDecodePlan() = default;
  // `tokens_per_sequence`: 1 + draft tokens.
  AttentionDecodePlan(const AttentionShape& shape, double tokens_per_sequence,
                      const AttentionDecodeConstants& constants, const AttentionPeaks& peaks);

  // `context`: sum over sequences of the KV tokens read. 0 without sequences.
  [[nodiscard]] double seconds(double sequences, double context) const {
    if (sequences <= 0) return 0;
    const double keys = std::min(context, limit_ * sequences);
    const double memory = per_key_ * keys + per_sequence_ * sequences;
    const double laid = memory + per_outside_key_ * (context - keys);
    const double ramped = memory + ramp_ * laid / (laid + half_);
    const double compute = compute_per_key_ * keys * parts_over_even(sequences);
    const double flow = ramped * ramped + compute * compute;
    const double items = items_per_sequence_ * sequences;
    const double fixed = floor_ + other_passes_ * sequences;
    const double walk = unsplit_ ? kWalkKeys * sequences : keys + kWalkKeys * sequences;
    const double chain = chain_ * keys / walk;
    if (by_head_) {
      const double busy = per_item_ * items + walk_per_key_ * keys;
      const double last = alone_ + chain;
      return fixed + std::sqrt(flow + busy * busy + last * last);
    }
    const double waves = per_item_ * (single_rows_ ? std::max(1.0, items) : rounded_up(items));
    const double busy = (waves + chain) * (waves + chain);
    return fixed + std::sqrt(std::sqrt(flow * flow + busy * busy));
  }
  [[nodiscard]] double seconds(const RankLoad& load) const {
    return seconds(load.decode_sequences, static_cast<double>(load.decode_context));
  }

 private:
  static double rounded_up(double x) {
    return static_cast<double>(static_cast<int64_t>(x + (1 - 1e-9)));
  }
  // Cores' time over that of work spread evenly: 1 where parts level out.
  [[nodiscard]] double parts_over_even(double sequences) const {
    if (places_ <= 0) return 1;
    const double share = sequences / places_;
    const double waves =
        sequences > places_ ? rounded_up(share) : 1 / std::floor(places_ / sequences + 1e-9);
    return std::max(1.0, waves / share);
  }

  double limit_ = AttentionShape::kUnlimited;
  double floor_ = 0;
  double ramp_ = 0;
  double half_ = 1;
  double chain_ = 0;
  double alone_ = 0;
  double per_key_ = 0;
  double per_outside_key_ = 0;
  double per_sequence_ = 0;
  double other_passes_ = 0;  // per sequence
  double compute_per_key_ = 0;
  double walk_per_key_ = 0;
  double per_item_ = 0;
  double items_per_sequence_ = 0;  // over all cores
  double places_ = 0;              // whole parts that run at once; 0: parts level out
  bool single_rows_ = false;
  bool by_head_ = false;
  bool unsplit_ = false;
};

}  // namespace weft
