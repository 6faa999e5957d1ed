// The constants of all kernel families, joined by chip: whole for every chip of the catalog, and a
// chip that one file lacks is an error.
#include "hardware/chip_kernels.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace weft {
namespace {

namespace fs = std::filesystem;

TEST(ChipKernels, EveryChipOfTheCatalogHasEveryFamily) {
  const auto kernels = read_chip_kernels("catalog/kernels");
  ASSERT_TRUE(kernels.ok()) << kernels.error().message;
  for (const auto& entry : fs::directory_iterator("catalog/chips")) {
    const auto found = kernels->find(entry.path().stem());
    ASSERT_NE(found, kernels->end()) << entry.path();
    EXPECT_EQ(found->second.chip, found->first);
    EXPECT_GT(found->second.collectives.start, 0) << found->first;
  }
}

class KernelFolder : public testing::Test {
 protected:
  KernelFolder() {
    std::string name = (fs::temp_directory_path() / "weft-test-XXXXXX").string();
    folder_ = mkdtemp(name.data()) != nullptr ? name : "";
    for (const auto& entry : fs::directory_iterator("catalog/kernels")) {
      fs::copy(entry.path(), folder_ / entry.path().filename());
    }
  }
  ~KernelFolder() override {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  [[nodiscard]] std::string error() const {
    const auto kernels = read_chip_kernels(folder_);
    return kernels.ok() ? "" : kernels.error().message;
  }
  fs::path folder_;
};

TEST_F(KernelFolder, EveryFileIsNeeded) {
  ASSERT_EQ(error(), "");
  for (const auto& entry : fs::directory_iterator("catalog/kernels")) {
    const fs::path path = folder_ / entry.path().filename();
    fs::remove(path);
    EXPECT_NE(error().find(path.filename().string()), std::string::npos) << error();
    fs::copy(entry.path(), path);
  }
}

TEST_F(KernelFolder, AChipOfOneFileMustBeInAll) {
  std::ofstream(folder_ / "gemm.toml", std::ios::app)
      << "\n[new-chip]\nlike = [\"h100\"]\nreason = \"r\"\n";
  EXPECT_NE(error().find("moe.toml: new-chip: missing"), std::string::npos) << error();
}

}  // namespace
}  // namespace weft
