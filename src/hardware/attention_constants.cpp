// catalog/kernels/attention.toml: chips, each with tables KERNEL.FORMAT, and the chips that stand
// for it where it has none.
#include "hardware/attention_constants.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace weft {
namespace {

constexpr const char* kPrefillNames[] = {"gqa_prefill", "mla_prefill", "mla_absorbed_prefill",
                                         "sparse_prefill", "index_prefill"};
constexpr const char* kDecodeNames[] = {"gqa_decode",      "mha_decode",    "gqa_narrow_decode",
                                        "mla_decode",      "sparse_decode", "index_decode",
                                        "gqa_wide_decode", "by_head_decode"};
constexpr const char* kFormatNames[] = {"bf16", "fp8"};

constexpr NumberRange kShare = {.min = 0, .max = 1, .exclusive_min = true};
constexpr NumberRange kTime = {.min = 0};
constexpr NumberRange kCount = {.min = 1};

template <class Fit>
using Slots =
    std::array<std::array<std::optional<Fit>, 2>, std::max(kPrefillKernels, kDecodeKernels)>;

// What a chip's own tables say.
struct OwnTables {
  AttentionConstants chip;
  Slots<AttentionConstants::Prefill> prefills;
  Slots<AttentionConstants::Decode> decodes;
};

std::array<double, 2> read_range(ConfigTable& table, const char* key) {
  const std::vector<double> ends = table.numbers(key);
  if (ends.size() == 2 && ends[0] <= ends[1]) return {ends[0], ends[1]};
  table.fail(key, "expected two numbers, the least and the most");
  return {};
}

template <class Fit>
void read_origin(ConfigTable& table, Fit& fit, const std::string& chip) {
  fit.chip = chip;
  fit.eight_bit_math = table.choice("math", {"bf16", "fp8"}, "bf16") == "fp8";
  fit.source = table.text("source");
  fit.range_sequences = read_range(table, "range_sequences");
  fit.range_keys = read_range(table, "range_keys");
}

AttentionConstants::Prefill read_prefill(ConfigTable table, const std::string& chip) {
  AttentionConstants::Prefill fit;
  AttentionPrefillConstants& c = fit.constants;
  c.floor_us = table.number("floor_us", kTime);
  c.compute_share = table.number("compute_share", kShare);
  c.softmax_ops = table.number("softmax_ops", kTime);
  c.passes = table.number("passes", kCount);
  c.tile_us = table.number("tile_us", kTime);
  c.longest_share = table.number("longest_share", kTime);
  c.window_us = table.number("window_us", 0, kTime);
  read_origin(table, fit, chip);
  return fit;
}

AttentionConstants::Decode read_decode(ConfigTable table, const std::string& chip) {
  AttentionConstants::Decode fit;
  AttentionDecodeConstants& c = fit.constants;
  c.floor_us = table.number("floor_us", kTime);
  c.memory_share = table.number("memory_share", kShare);
  c.ramp_us = table.number("ramp_us", kTime);
  c.half_us = table.number("half_us", {.min = 0, .exclusive_min = true});
  c.compute_share = table.number("compute_share", kShare);
  c.item_us = table.number("item_us", kTime);
  c.width_us = table.number("width_us", 0, kTime);
  c.tile_us = table.number("tile_us", 0, kTime);
  c.merge_us = table.number("merge_us", 0, kTime);
  c.row_tile = table.number("row_tile", 16, kCount);
  c.row_passes = table.number("row_passes", kCount);
  c.chain_us = table.number("chain_us", 0, kTime);
  c.outside_window = table.number("outside_window", 0, {.min = 0, .max = 1});
  c.part_rows = table.number("part_rows", 0, kTime);
  c.by_head = table.boolean("by_head", false);
  c.unsplit = table.boolean("unsplit", false);
  c.key_ns = table.number("key_ns", 0, kTime);
  c.alone_us = table.number("alone_us", 0, kTime);
  c.few_by_head = table.boolean("few_by_head", false);
  read_origin(table, fit, chip);
  return fit;
}

template <class Fit, class Read, size_t N>
void read_kernels(ConfigTable& table, const char* const (&names)[N], const std::string& chip,
                  Slots<Fit>& slots, const Read& read) {
  for (size_t kernel = 0; kernel < N; ++kernel) {
    std::optional<ConfigTable> formats = table.find_table(names[kernel]);
    if (!formats) continue;
    for (size_t column = 0; column < 2; ++column) {
      auto constants = formats->find_table(kFormatNames[column]);
      if (constants) slots[kernel][column] = read(*constants, chip);
    }
  }
}

OwnTables read_own(ConfigTable table, const std::string& name) {
  OwnTables own;
  own.chip.like = table.texts("like");
  own.chip.reason = table.text("reason", "");
  table.text("grade", "");
  if (!own.chip.like.empty() && own.chip.reason.empty()) {
    table.fail("reason", "missing; expected why the chips of `like` stand for this one");
  }
  read_kernels(table, kPrefillNames, name, own.prefills, read_prefill);
  read_kernels(table, kDecodeNames, name, own.decodes, read_decode);
  // Most kernels for grouped heads serve up to 32 of them.
  auto& wide = own.decodes[static_cast<size_t>(DecodeKernel::kGqaWide)];
  const auto& gqa = own.decodes[static_cast<size_t>(DecodeKernel::kGqa)];
  for (size_t column = 0; column < 2; ++column) {
    if (!wide[column]) wide[column] = gqa[column];
  }
  return own;
}

// The first of: own, like's, own of the other format, like's of the other format.
template <class Fit>
const Fit* find_fit(const std::vector<const Slots<Fit>*>& chips, size_t kernel, size_t column) {
  const auto first = [&](size_t begin, size_t end, size_t format) -> const Fit* {
    for (size_t i = begin; i < end; ++i) {
      const auto& slot = (*chips[i])[kernel][format];
      if (slot) return &*slot;
    }
    return nullptr;
  };
  const Fit* fit = first(0, chips.size(), column);
  return fit != nullptr ? fit : first(0, chips.size(), 1 - column);
}

template <class Fit, size_t N>
std::optional<std::string> fill(const std::vector<const Slots<Fit>*>& chips,
                                const char* const (&names)[N],
                                std::array<std::array<Fit, 2>, N>& out) {
  for (size_t kernel = 0; kernel < N; ++kernel) {
    for (size_t column = 0; column < 2; ++column) {
      const Fit* fit = find_fit(chips, kernel, column);
      if (fit == nullptr) return names[kernel];
      out[kernel][column] = *fit;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::map<std::string, AttentionConstants>> read_attention_constants(ConfigFile& file) {
  ConfigTable root = file.root();
  std::map<std::string, OwnTables> own;
  for (const std::string& name : root.keys()) own[name] = read_own(root.table(name), name);
  std::map<std::string, AttentionConstants> constants;
  for (auto& [name, tables] : own) {
    std::vector<const Slots<AttentionConstants::Prefill>*> prefills = {&tables.prefills};
    std::vector<const Slots<AttentionConstants::Decode>*> decodes = {&tables.decodes};
    for (const std::string& other : tables.chip.like) {
      const auto found = own.find(other);
      if (found == own.end()) {
        root.fail(name, fmt::format("like names \"{}\", which is not a chip of this file", other));
        continue;
      }
      prefills.push_back(&found->second.prefills);
      decodes.push_back(&found->second.decodes);
    }
    AttentionConstants& chip = constants[name] = tables.chip;
    auto missing = fill(prefills, kPrefillNames, chip.prefills);
    if (!missing) missing = fill(decodes, kDecodeNames, chip.decodes);
    if (missing) root.fail(name, fmt::format("neither it nor its like has {}", *missing));
  }
  if (auto error = root.finish()) return *error;
  return constants;
}

AttentionConstants read_attention_table(ConfigTable table, const std::string& chip,
                                        const AttentionConstants& other) {
  OwnTables own;
  read_kernels(table, kPrefillNames, chip, own.prefills, read_prefill);
  read_kernels(table, kDecodeNames, chip, own.decodes, read_decode);
  AttentionConstants out = other;
  for (size_t column = 0; column < 2; ++column) {
    for (size_t kernel = 0; kernel < kPrefillKernels; ++kernel) {
      if (const auto& fit = own.prefills[kernel][column]) out.prefills[kernel][column] = *fit;
    }
    for (size_t kernel = 0; kernel < kDecodeKernels; ++kernel) {
      if (const auto& fit = own.decodes[kernel][column]) out.decodes[kernel][column] = *fit;
    }
  }
  return out;
}

}  // namespace weft
