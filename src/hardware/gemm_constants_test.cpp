// Constants of matrix products: the catalog's files are whole, chips stand for chips and formats
// for formats as they say, and errors say where they are.
#include "hardware/gemm_constants.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace weft {
namespace {

constexpr const char* kTable = R"(
floor_us = 2
memory_share = 0.8
compute_share = 0.7
edge = 10
fill_us = 1
passes = 0
source = "s"
range_m = [1, 4096]
range_n = [128, 8192]
range_k = [128, 8192]
)";

std::string table(const std::string& name) { return "[" + name + "]" + kTable; }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

Result<std::map<std::string, GemmTable>> read(const std::string& text) {
  auto file = ConfigFile::parse(text, "gemm.toml");
  if (!file.ok()) return file.error();
  return read_gemm_constants(*file);
}

std::string error_of(const std::string& text) {
  const auto read_ = read(text);
  return read_.ok() ? "" : read_.error().message;
}

TEST(GemmConstants, EveryChipOfTheCatalogHasEveryKindInBothFiles) {
  for (const char* name : {"gemm", "moe"}) {
    auto file = ConfigFile::load(std::string("catalog/kernels/") + name + ".toml");
    ASSERT_TRUE(file.ok()) << file.error().message;
    const auto constants = read_gemm_constants(*file);
    ASSERT_TRUE(constants.ok()) << constants.error().message;
    for (const auto& entry : std::filesystem::directory_iterator("catalog/chips")) {
      const auto chip = constants->find(entry.path().stem());
      ASSERT_NE(chip, constants->end()) << entry.path();
      for (const GemmFit& fit : chip->second.fits) {
        EXPECT_FALSE(fit.source.empty()) << name << " " << chip->first;
        EXPECT_TRUE(constants->contains(fit.chip)) << name << " " << chip->first;
      }
    }
  }
}

TEST(GemmConstants, TheFormatOfTheActivationsAndTheScalesDecideTheKind) {
  EXPECT_EQ(gemm_kind(Format::kBf16, Format::kBf16, true), GemmKind::kBf16);
  EXPECT_EQ(gemm_kind(Format::kFp8, Format::kFp8, false), GemmKind::kFp8);
  EXPECT_EQ(gemm_kind(Format::kFp8, Format::kFp8, true), GemmKind::kFp8Block);
  EXPECT_EQ(gemm_kind(Format::kInt8, Format::kInt8, true), GemmKind::kInt8);
  EXPECT_EQ(gemm_kind(Format::kFp4, Format::kFp4, false), GemmKind::kFp4);
  EXPECT_EQ(gemm_kind(Format::kFp4, Format::kBf16, false), GemmKind::kFourBitWeights);
  EXPECT_EQ(gemm_kind(Format::kInt4, Format::kBf16, false), GemmKind::kFourBitWeights);
  EXPECT_EQ(gemm_kind(Format::kFp4, Format::kFp8, true), GemmKind::kFp8Block);
}

TEST(GemmConstants, AKindThatNoChipInLineHasIsStoodForByTheNearestFormat) {
  const auto chips = read(table("x.bf16") + replaced(table("x.fp8"), "0.7", "0.5"));
  ASSERT_TRUE(chips.ok()) << chips.error().message;
  const auto share = [&](GemmKind kind) { return chips->at("x").of(kind).constants.compute_share; };
  EXPECT_EQ(share(GemmKind::kBf16), 0.7);
  EXPECT_EQ(share(GemmKind::kFourBitWeights), 0.7);
  for (const GemmKind kind : {GemmKind::kFp8, GemmKind::kFp8Block, GemmKind::kInt8, GemmKind::kFp4,
                              GemmKind::kFp8Grouped}) {
    EXPECT_EQ(share(kind), 0.5);
  }
}

TEST(GemmConstants, AChipsOwnTableComesBeforeThoseOfTheChipsThatStandForIt) {
  const std::string like = "[x]\nlike = [\"y\", \"z\"]\nreason = \"r\"\n";
  const auto chips =
      read(like + replaced(table("x.fp8"), "0.7", "0.1") + table("y.bf16") +
           replaced(table("z.bf16"), "0.7", "0.2") + replaced(table("z.fp8_block"), "0.7", "0.3"));
  ASSERT_TRUE(chips.ok()) << chips.error().message;
  const GemmTable& x = chips->at("x");
  EXPECT_EQ(x.of(GemmKind::kFp8).chip, "x");
  EXPECT_EQ(x.of(GemmKind::kBf16).chip, "y");
  EXPECT_EQ(x.of(GemmKind::kFp8Block).chip, "z") << "a neighbour's own kind before one's nearest";
  EXPECT_EQ(x.of(GemmKind::kFp8Block).constants.compute_share, 0.3);
}

TEST(GemmConstants, OpenEnginesKernelsOfAnotherChipComeAfterOnesOwnOfTheOthers) {
  const std::string like = "[x]\nlike = [\"y\"]\nreason = \"r\"\n";
  const auto chips = read(like + table("x.fp8_block") + table("y.bf16") + table("y.open_bf16") +
                          replaced(table("y.open_fp8_block"), "0.7", "0.2"));
  ASSERT_TRUE(chips.ok()) << chips.error().message;
  EXPECT_EQ(chips->at("x").of(open_kind(GemmKind::kFp8Block)).chip, "x");
  EXPECT_EQ(chips->at("y").of(open_kind(GemmKind::kFp8Block)).constants.compute_share, 0.2);
  EXPECT_EQ(chips->at("x").of(open_kind(GemmKind::kBf16)).chip, "y");
  EXPECT_EQ(open_kind(GemmKind::kFourBitWeights), GemmKind::kOpenFourBit);
  EXPECT_EQ(open_kind(GemmKind::kFp8Grouped), GemmKind::kFp8Grouped)
      << "one kernel for all engines";
}

TEST(GemmConstants, ShapesAreCoveredWithinTheirRangesAlone) {
  const auto chips = read(table("x.bf16"));
  ASSERT_TRUE(chips.ok());
  const GemmFit& fit = chips->at("x").of(GemmKind::kBf16);
  EXPECT_TRUE(fit.covers(1, 128, 8192));
  EXPECT_FALSE(fit.covers(4097, 128, 128));
  EXPECT_FALSE(fit.covers(1, 127, 128));
  EXPECT_FALSE(fit.covers(1, 128, 8193));
}

TEST(GemmConstants, ErrorsNameFileLineAndKey) {
  const std::string good = table("x.bf16");
  ASSERT_EQ(error_of(good), "");
  const auto expect = [&](const std::string& text, const std::string& words) {
    const std::string error = error_of(text);
    EXPECT_EQ(error.rfind("gemm.toml:", 0), 0u) << error;
    EXPECT_NE(error.find(words), std::string::npos) << error;
  };
  expect(replaced(good, "0.8", "1.8"), "x.bf16.memory_share");
  expect(replaced(good, "0.7", "0"), "x.bf16.compute_share");
  expect(replaced(good, "edge = 10", ""), "x.bf16.edge: missing");
  expect(replaced(good, "edge", "egde"), "x.bf16.e");
  expect(replaced(good, "passes", "splits = 0\npasses"), "x.bf16.splits");
  expect(replaced(good, "passes", "step_ns = -1\npasses"), "x.bf16.step_ns");
  expect(replaced(good, "[1, 4096]", "[4096, 1]"), "x.bf16.range_m");
  expect(replaced(good, "[128, 8192]", "[128]"), "x.bf16.range_n");
  expect(replaced(good, "x.bf16", "x.bf17"), "bf16");
  expect("[x]\nlike = [\"y\"]\n" + good, "x.reason");
  expect("[x]\nlike = [\"y\"]\nreason = \"r\"\n" + good, "\"y\", which is not a chip");
  expect(table("x.fp8"), "x: has no table bf16");
}

}  // namespace
}  // namespace weft
