// catalog/kernels/gemm.toml and moe.toml: chips, each with a table per kind, and `like`: the chips
// whose constants stand for the kinds that it has none of.
#include "hardware/gemm_constants.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

namespace weft {
namespace {

constexpr std::array<const char*, kGemmKinds> kKindNames = {"bf16",
                                                            "fp8",
                                                            "fp8_block",
                                                            "int8",
                                                            "fp4",
                                                            "fp8_grouped",
                                                            "four_bit_weights",
                                                            "open_bf16",
                                                            "open_fp8_block",
                                                            "open_four_bit"};
// A kind that no chip in line has: the one that stands for it.
constexpr std::array<GemmKind, kGemmKinds> kStandIns = {
    GemmKind::kBf16,     GemmKind::kBf16,          GemmKind::kFp8,  GemmKind::kFp8,
    GemmKind::kFp8,      GemmKind::kFp8Block,      GemmKind::kBf16, GemmKind::kBf16,
    GemmKind::kFp8Block, GemmKind::kFourBitWeights};
// Kinds from here on are another engine's kernels: a chip's own stand-in comes before another
// chip's.
constexpr size_t kFirstOpen = static_cast<size_t>(GemmKind::kOpenBf16);

struct OwnTables {
  std::array<std::optional<GemmFit>, kGemmKinds> fits;
  std::vector<std::string> like;
};

std::array<double, 2> read_range(ConfigTable& table, const char* key) {
  const std::vector<double> ends = table.numbers(key);
  if (ends.size() == 2 && ends[0] <= ends[1]) return {ends[0], ends[1]};
  table.fail(key, "expected two numbers, the least and the most");
  return {};
}

GemmFit read_fit(ConfigTable table, const std::string& chip) {
  constexpr NumberRange kShare = {.min = 0, .max = 1, .exclusive_min = true};
  constexpr NumberRange kFromZero = {.min = 0};
  GemmFit fit;
  GemmConstants& c = fit.constants;
  c.floor_us = table.number("floor_us", kFromZero);
  c.memory_share = table.number("memory_share", kShare);
  c.compute_share = table.number("compute_share", kShare);
  c.edge = table.number("edge", kFromZero);
  c.fill_us = table.number("fill_us", kFromZero);
  c.split_us = table.number("split_us", 0.0, kFromZero);
  c.splits = table.number("splits", 1.0, {.min = 1, .max = 64});
  c.passes = table.number("passes", kFromZero);
  c.token_passes = table.number("token_passes", 0.0, kFromZero);
  c.step_ns = table.number("step_ns", 0.0, kFromZero);
  c.slot_us = table.number("slot_us", 0.0, kFromZero);
  c.ramp_us = table.number("ramp_us", 0.0, kFromZero);
  c.half_us = table.number("half_us", 1.0, {.min = 0, .exclusive_min = true});
  c.mean_tile = table.boolean("mean_tile", false);
  c.tile_rows = table.number("tile_rows", c.tile_rows, {.min = 1, .max = 256});
  // What unfused quantising or launching adds in the tables, and engines count on their own.
  table.number("table_us", 0.0, kFromZero);
  fit.chip = chip;
  fit.source = table.text("source");
  fit.range_m = read_range(table, "range_m");
  fit.range_n = read_range(table, "range_n");
  fit.range_k = read_range(table, "range_k");
  return fit;
}

void read_kinds(ConfigTable& table, const std::string& chip, OwnTables& own) {
  for (size_t kind = 0; kind < kKindNames.size(); ++kind) {
    if (auto fit = table.find_table(kKindNames[kind])) own.fits[kind] = read_fit(*fit, chip);
  }
}

OwnTables read_own(ConfigTable table, const std::string& chip) {
  OwnTables own;
  own.like = table.texts("like");
  const std::string reason = table.text("reason", "");
  table.text("grade", "");
  if (!own.like.empty() && reason.empty()) {
    table.fail("reason", "missing; expected why the chips of `like` stand for this one");
  }
  read_kinds(table, chip, own);
  return own;
}

const GemmFit* find_fit(const std::vector<const OwnTables*>& line, size_t kind) {
  const auto stand_in = static_cast<size_t>(kStandIns[kind]);
  for (const OwnTables* tables : line) {
    if (tables->fits[kind]) return &*tables->fits[kind];
    if (kind >= kFirstOpen && tables->fits[stand_in]) return &*tables->fits[stand_in];
  }
  return nullptr;
}

}  // namespace

GemmKind open_kind(GemmKind kind) {
  switch (kind) {
    case GemmKind::kBf16:
      return GemmKind::kOpenBf16;
    case GemmKind::kFp8Block:
      return GemmKind::kOpenFp8Block;
    case GemmKind::kFourBitWeights:
      return GemmKind::kOpenFourBit;
    default:
      return kind;
  }
}

GemmKind gemm_kind(Format weights, Format activations, bool block_scaled) {
  const bool four_bits = weights == Format::kInt4 || weights == Format::kFp4;
  if (four_bits && activations == Format::kBf16) return GemmKind::kFourBitWeights;
  switch (activations) {
    case Format::kFp8:
      return block_scaled ? GemmKind::kFp8Block : GemmKind::kFp8;
    case Format::kInt8:
      return GemmKind::kInt8;
    case Format::kInt4:
    case Format::kFp4:
      return GemmKind::kFp4;
    case Format::kBf16:
    case Format::kFp32:
      break;
  }
  return GemmKind::kBf16;
}

Result<std::map<std::string, GemmTable>> read_gemm_constants(ConfigFile& file) {
  ConfigTable root = file.root();
  std::map<std::string, OwnTables> own;
  for (const std::string& name : root.keys()) own[name] = read_own(root.table(name), name);
  std::map<std::string, GemmTable> chips;
  for (const auto& [name, tables] : own) {
    std::vector<const OwnTables*> line = {&tables};
    for (const std::string& other : tables.like) {
      const auto at = own.find(other);
      if (at != own.end()) line.push_back(&at->second);
      if (at == own.end()) {
        root.fail(name, fmt::format("like names \"{}\", which is not a chip of this file", other));
      }
    }
    GemmTable& chip = chips[name];
    for (size_t kind = 0; kind < kKindNames.size(); ++kind) {
      const GemmFit* fit = nullptr;
      for (size_t as = kind; fit == nullptr;) {
        fit = find_fit(line, as);
        const auto next = static_cast<size_t>(kStandIns[as]);
        if (next == as) break;
        as = next;
      }
      if (fit == nullptr) root.fail(name, "has no table bf16; expected one of its own or `like`");
      if (fit != nullptr) chip.fits[kind] = *fit;
    }
  }
  if (auto error = root.finish()) return *error;
  return chips;
}

GemmTable read_gemm_table(ConfigTable table, const std::string& chip, const GemmTable& other) {
  OwnTables own;
  read_kinds(table, chip, own);
  GemmTable out = other;
  for (size_t kind = 0; kind < kKindNames.size(); ++kind) {
    if (own.fits[kind]) out.fits[kind] = *own.fits[kind];
  }
  return out;
}

}  // namespace weft
