// Constants of the attention kernels: the catalog's file is whole, and errors say where they are.
#include "hardware/attention_constants.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "hardware/catalog.h"

namespace weft {
namespace {

constexpr const char* kKernels = R"(
[%.gqa_prefill.bf16]
floor_us = 14
compute_share = 0.8
softmax_ops = 170
passes = 2.4
tile_us = 2.6
longest_share = 1.1
source = "s"
range_sequences = [1, 256]
range_keys = [1, 16384]
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

std::string error_of(const std::string& text) {
  auto file = ConfigFile::parse(text, "attention.toml");
  if (!file.ok()) return file.error().message;
  auto constants = read_attention_constants(*file);
  return constants.ok() ? "" : constants.error().message;
}

TEST(AttentionConstants, EveryChipOfTheCatalogHasThem) {
  const std::string catalog = "catalog";  // tests run in the root of the source tree
  auto file = ConfigFile::load(catalog + "/kernels/attention.toml");
  ASSERT_TRUE(file.ok()) << file.error().message;
  auto constants = read_attention_constants(*file);
  ASSERT_TRUE(constants.ok()) << constants.error().message;
  for (const auto& entry : std::filesystem::directory_iterator(catalog + "/chips")) {
    const std::string chip = entry.path().stem();
    const auto found = constants->find(chip);
    ASSERT_NE(found, constants->end()) << chip;
    for (Format kv : {Format::kBf16, Format::kFp8}) {
      EXPECT_FALSE(found->second.prefill(PrefillKernel::kMla, kv).source.empty()) << chip;
      EXPECT_FALSE(found->second.decode(DecodeKernel::kIndex, kv).source.empty()) << chip;
    }
  }
  const AttentionConstants& b200 = constants->at("b200");
  EXPECT_EQ(b200.decode(DecodeKernel::kGqa, Format::kBf16).chip, "gb200");
  EXPECT_EQ(b200.decode(DecodeKernel::kMla, Format::kFp8).chip, "b200");
  EXPECT_EQ(constants->at("h100").decode(DecodeKernel::kMla, Format::kFp8).chip, "h100");
  EXPECT_TRUE(b200.decode(DecodeKernel::kMla, Format::kBf16).covers(64, 4096));
  EXPECT_FALSE(b200.decode(DecodeKernel::kMla, Format::kBf16).covers(64, 1e6));
  const AttentionConstants& h100 = constants->at("h100");
  const auto wide = [&](Format kv) { return h100.decode(DecodeKernel::kGqaWide, kv).constants; };
  const auto gqa = [&](Format kv) { return h100.decode(DecodeKernel::kGqa, kv).constants; };
  EXPECT_EQ(wide(Format::kBf16).item_us, gqa(Format::kBf16).item_us);  // no kernel of its own
  EXPECT_NE(wide(Format::kFp8).item_us, gqa(Format::kFp8).item_us);
}

TEST(AttentionConstants, ErrorsNameTheKey) {
  const std::string kernel = replaced(kKernels, "%", "x");
  const std::string chip = "[x]\n" + kernel;
  EXPECT_NE(error_of(chip).find("neither it nor its like has mla_prefill"), std::string::npos);
  EXPECT_NE(error_of(replaced(chip, "0.8", "1.8")).find("compute_share"), std::string::npos);
  EXPECT_NE(error_of(replaced(chip, "passes", "pases")).find("pas"), std::string::npos);
  EXPECT_NE(error_of(replaced(chip, "[1, 256]", "[1]")).find("two numbers"), std::string::npos);
  const std::string decode =
      "[x.gqa_decode.bf16]\nfloor_us = 1\nmemory_share = 1\nramp_us = 0\nhalf_us = 1\n"
      "compute_share = 1\nitem_us = 1\nrow_passes = 1\nrow_tile = 0.5\n"
      "source = \"s\"\nrange_sequences = [1, 2]\nrange_keys = [1, 2]\n";
  EXPECT_NE(error_of("[x]\n" + decode).find("row_tile"), std::string::npos);
  std::ifstream catalog("catalog/kernels/attention.toml");
  const std::string whole{std::istreambuf_iterator<char>(catalog), {}};
  EXPECT_EQ(error_of(whole), "");
  EXPECT_NE(error_of(replaced(whole, "\nby_head =", "\nby_hand =")).find("by_hand"),
            std::string::npos);
  EXPECT_NE(error_of(replaced(chip, "[x]\n", "[x]\nlike = [\"y\"]\n")).find("reason"),
            std::string::npos);
  const std::string like = "[x]\nlike = [\"y\"]\nreason = \"r\"\n";
  EXPECT_NE(error_of(replaced(chip, "[x]\n", like)).find("\"y\""), std::string::npos);
}

}  // namespace
}  // namespace weft
