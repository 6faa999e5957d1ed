// Constants of the attention kernels, per chip, kernel and KV format, read from
// catalog/kernels/attention.toml. Shares are of the chip's own dense peaks.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "base/config.h"
#include "model/format.h"

namespace weft {

struct AttentionPrefillConstants {
  double floor_us = 0;       // an empty launch
  double compute_share = 1;  // of the dense peak, long prompts, softmax apart
  double softmax_ops = 0;    // operations of the matrix unit that one score's softmax is worth
  double passes = 1;         // times that q, k, v and o rows cross memory
  double tile_us = 0;        // a core's time to begin and end a tile of 128 queries
  double longest_share = 0;  // of one core's time for the tile that meets most keys
  double window_us = 0;      // a core's time to mask the far edge of a window in a tile
};

// Where a row's width counts, it is in rows of 256 values: K and V of heads of 128.
struct AttentionDecodeConstants {
  double floor_us = 0;        // an empty launch
  double memory_share = 1;    // of the peak bandwidth
  double ramp_us = 0;         // until enough bytes are in flight, and the merge of splits
  double half_us = 1;         // memory time at which half of the ramp is paid
  double compute_share = 1;   // of the dense peak
  double item_us = 0;         // a core's least time for one sequence and KV head ...
  double width_us = 0;        // ... and in proportion to the row's width
  double tile_us = 0;         // the same for each row tile after the first
  double merge_us = 0;        // more of the ramp for each row tile after the first
  double row_tile = 16;       // query rows that a matrix instruction holds
  double row_passes = 1;      // times that q and o rows cross memory
  double chain_us = 0;        // a core's walk over a long sequence's keys, before it is split
  double outside_window = 0;  // share of the keys outside a window that parts are laid over
  double part_rows = 0;       // query rows of a part, parts being whole; 0: parts level out
  // Kernels in which every query head walks its own keys.
  bool by_head = false;
  bool unsplit = false;  // and no head's keys are split
  double key_ns = 0;     // a core's time for one key of one head
  double alone_us = 0;   // a head's least time on an idle core
  // Too few (sequences, KV heads and 128 keys) for a quarter of the cores: kByHead's instead.
  bool few_by_head = false;
};

// A kernel's constants and where they come from.
template <class Constants>
struct AttentionFit {
  Constants constants;
  bool eight_bit_math = false;  // scores and values are multiplied in FP8, not BF16
  std::string source;
  std::string chip;  // whose tables they are fitted on: another chip's where it has none
  std::array<double, 2> range_sequences{};
  std::array<double, 2> range_keys{};  // tokens of a prompt, or keys of a sequence

  [[nodiscard]] bool covers(double sequences, double keys) const {
    return sequences >= range_sequences[0] && sequences <= range_sequences[1] &&
           keys >= range_keys[0] && keys <= range_keys[1];
  }
};

// kMha: as many KV heads as query heads; kGqaNarrow: heads of less than 128 values; kGqaWide: 17 to
// 32 query heads per KV head, of 128 values or more; kByHead: each query head by itself; kSparse:
// MLA over selected rows; kIndex: their scores.
enum class PrefillKernel { kGqa, kMla, kMlaAbsorbed, kSparse, kIndex };
enum class DecodeKernel { kGqa, kMha, kGqaNarrow, kMla, kSparse, kIndex, kGqaWide, kByHead };
inline constexpr size_t kPrefillKernels = 5;
inline constexpr size_t kDecodeKernels = 8;

// All kernels of one chip. A kernel without tables of its own has those of the first chip of `like`
// that does; 8-bit KV without its own constants, in both, has those of BF16 KV.
struct AttentionConstants {
  using Prefill = AttentionFit<AttentionPrefillConstants>;
  using Decode = AttentionFit<AttentionDecodeConstants>;

  std::vector<std::string> like;  // empty: every kernel has tables of its own
  std::string reason;             // why `like` may stand for it (grade U)
  std::array<std::array<Prefill, 2>, kPrefillKernels> prefills;  // BF16 KV, 8-bit KV
  std::array<std::array<Decode, 2>, kDecodeKernels> decodes;

  // KV of 4 bits uses the constants of 8 bits.
  [[nodiscard]] const Prefill& prefill(PrefillKernel kernel, Format kv) const {
    return prefills[static_cast<size_t>(kernel)][column(kv)];
  }
  [[nodiscard]] const Decode& decode(DecodeKernel kernel, Format kv) const {
    return decodes[static_cast<size_t>(kernel)][column(kv)];
  }

 private:
  static size_t column(Format kv) { return kv == Format::kBf16 || kv == Format::kFp32 ? 0 : 1; }
};

// Chip name -> constants. Errors name file, line and key; unknown keys are errors, and so is a
// kernel that neither the chip nor its `like` has.
Result<std::map<std::string, AttentionConstants>> read_attention_constants(ConfigFile& file);

// A chip's own tables; a kernel or format that has none is `other`'s, as shares of this chip's
// peaks. Errors stay in the table's file.
AttentionConstants read_attention_table(ConfigTable table, const std::string& chip,
                                        const AttentionConstants& other);

}  // namespace weft
