// A hardware file with a chip, constants of kernels and an engine of its own, as --calibrate writes
// them: what it has is taken, what it lacks is another chip's, what is wrong is one clear line.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "hardware/catalog.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSystem = R"(title = "here"
packages = { value = 1, grade = "U", source = "s" }
packages_per_node = { value = 1, grade = "U", source = "s" }
scale_up_packages = { value = 1, grade = "U", source = "s" }
host_memory_gib = { value = 16, grade = "U", source = "s" }
host_port_gb_per_s = { value = 20, grade = "U", source = "s" }
scale_up = { network = "ethernet-25g" }
scale_out = { network = "ethernet-25g" }
host = { network = "ethernet-25g" }
)";
constexpr const char* kChip = R"([chip]
title = "two threads"
kernels = "h100"
dies = { value = 1, grade = "U", source = "s" }
cores = { value = 2, grade = "U", source = "s" }
int8_tops = { value = 14, grade = "U", source = "s" }
memory_gb = { value = 16, grade = "U", source = "s" }
memory_tb_per_s = { value = 0.03, grade = "U", source = "s" }
)";
constexpr const char* kProducts = R"([chip.gemm.int8]
floor_us = 3
memory_share = 0.5
compute_share = 0.25
edge = 0
fill_us = 0
passes = 2
tile_rows = 16
source = "timed"
range_m = [1, 512]
range_n = [1024, 4096]
range_k = [1024, 4096]
)";
constexpr const char* kDecode = R"([chip.attention.gqa_decode.fp8]
floor_us = 1
memory_share = 0.4
ramp_us = 0
half_us = 1
compute_share = 1
item_us = 5
row_passes = 1
source = "timed"
range_sequences = [1, 16]
range_keys = [128, 2048]
)";
constexpr const char* kEngine = R"([engine]
name = "weft"
title = "here"
quantizes_head = { value = true, grade = "C", source = "s" }
host_step_us = { value = 77, grade = "fitted", source = "s" }
)";

class OwnChip : public testing::Test {
 protected:
  OwnChip() {
    std::string name = (fs::temp_directory_path() / "weft-test-XXXXXX").string();
    folder_ = mkdtemp(name.data()) != nullptr ? name : "";
  }
  ~OwnChip() override {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  std::string write(const std::string& text) {
    std::string path = (folder_ / "here.toml").string();
    std::ofstream(path) << text;
    return path;
  }
  static Catalog catalog() { return *Catalog::open("catalog"); }
  std::string error(const std::string& text) {
    const auto system = catalog().system(write(text));
    return system.ok() ? "" : system.error().message;
  }

  fs::path folder_;
};

TEST_F(OwnChip, IsTakenWithItsKernels) {
  const std::string path = write(std::string(kSystem) + kChip + kProducts + kDecode + kEngine);
  const auto system = catalog().system(path);
  ASSERT_TRUE(system.ok()) << system.error().message;
  const Chip& chip = system->chip;
  EXPECT_EQ(chip.cores, 2);
  EXPECT_EQ(chip.kernels.gemm.of(GemmKind::kInt8).constants.tile_rows, 16);
  EXPECT_EQ(chip.kernels.gemm.of(GemmKind::kInt8).chip, path);
  EXPECT_EQ(chip.kernels.attention.decode(DecodeKernel::kGqa, Format::kInt8).constants.item_us, 5);
  const Chip other = *catalog().chip("h100");
  EXPECT_EQ(chip.kernels.gemm.of(GemmKind::kBf16).constants.memory_share,
            other.kernels.gemm.of(GemmKind::kBf16).constants.memory_share);
  EXPECT_EQ(chip.kernels.attention.decode(DecodeKernel::kGqa, Format::kBf16).chip, "h100");
}

TEST_F(OwnChip, BringsTheEngineThatWasMeasuredOnIt) {
  const std::string path = write(std::string(kSystem) + kChip + kEngine);
  EXPECT_DOUBLE_EQ(catalog().engine("weft", path)->spec.costs.host_step, 77e-6);
  EXPECT_TRUE(catalog().engine("weft", path)->spec.quantizes_head);
  EXPECT_EQ(catalog().engine("vllm", path)->spec.costs.host_step,
            catalog().engine("vllm")->spec.costs.host_step);
  EXPECT_EQ(catalog().engine("weft", "h100-8")->spec.costs.host_step,
            catalog().engine("weft")->spec.costs.host_step);
}

TEST_F(OwnChip, AChipFileMayHaveKernelsToo) {
  std::string chip = std::string(kChip) + kProducts;
  for (size_t at = 0; (at = chip.find("[chip", at)) != std::string::npos;) {
    chip.erase(at, chip[at + 5] == ']' ? 6 : 0);
    if (chip.compare(at, 6, "[chip.") == 0) chip.erase(at + 1, 5);
  }
  const auto read = catalog().chip(write(chip));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->kernels.gemm.of(GemmKind::kInt8).constants.passes, 2);
}

TEST_F(OwnChip, WhatIsWrongIsOneLineWithFileLineAndKey) {
  const std::string system = kSystem;
  const auto with = [&](std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    return error(text);
  };
  const std::string whole = system + kChip + kProducts + kDecode + kEngine;
  ASSERT_EQ(error(whole), "");
  EXPECT_NE(with(whole, "memory_share = 0.5", "memory_share = 1.5")
                .find("here.toml:20: chip.gemm.int8.memory_share: found 1.5"),
            std::string::npos)
      << with(whole, "memory_share = 0.5", "memory_share = 1.5");
  EXPECT_NE(with(whole, "passes = 2\n", "").find("chip.gemm.int8.passes: missing"),
            std::string::npos);
  EXPECT_NE(with(whole, "tile_rows", "tile_row").find("chip.gemm.int8.tile_row: unknown key"),
            std::string::npos);
  EXPECT_NE(with(whole, "gemm.int8", "gemm.int9").find("chip.gemm.int9: unknown key"),
            std::string::npos);
  EXPECT_NE(with(whole, "item_us = 5", "item_us = \"5\"").find("item_us: found \"5\""),
            std::string::npos);
  EXPECT_NE(with(whole, "kernels = \"h100\"", "kernels = \"h101\"")
                .find("chip.kernels: found none for \"h101\""),
            std::string::npos);
  EXPECT_NE(with(whole, "host_step_us", "host_steps_us").find("engine.host_steps_us: unknown key"),
            std::string::npos);
  EXPECT_NE(with(whole, "name = \"weft\"\n", "").find("engine.name: missing"), std::string::npos);
}

}  // namespace
}  // namespace weft
