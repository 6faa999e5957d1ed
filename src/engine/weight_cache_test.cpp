// Kept weights are the packed ones, byte for byte, or they are not used: cut off, altered, foreign
// and stale files.
#include "engine/weight_cache.h"

#include <fstream>

#include "base/random.h"
#include "engine/reference_testing.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

PackedMatrix some_matrix(WeightFormat format, int64_t n, int64_t k, Workers& workers) {
  const auto read = [k](int64_t first, int64_t rows, float* out) {
    Random random(static_cast<uint64_t>(first));
    for (int64_t i = 0; i < rows * k; ++i) out[i] = static_cast<float>(random.normal());
  };
  return PackedMatrix::pack(format, Isa::kPortable, n, k, read, workers);
}

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// Two matrices in a file.
class KeptWeights : public testing::Test {
 protected:
  KeptWeights() : folder_("weft_kept") {
    fs::create_directories(folder_.path());
    key_ = {folder_.path() + "/weft-int8-v1.weights", 77};
    matrices_.push_back(some_matrix(WeightFormat::kInt8, 40, 70, workers_));
    matrices_.push_back(some_matrix(WeightFormat::kBf16, 33, 5, workers_));
    const std::vector<WeightCachePart> parts = {{10, matrices_[0].serialized()},
                                                {20, matrices_[1].serialized()}};
    EXPECT_TRUE(write_weight_cache(key_, parts).ok());
    bytes_ = read_file(key_.file);
  }

  // Whether every matrix that comes out of the bytes is one that went in.
  bool gives_nothing_wrong(std::span<const std::byte> bytes) {
    auto read = WeightCache::read(bytes, key_, workers_, false);
    if (const auto* fault = std::get_if<WeightCache::Fault>(&read)) {
      return fault->message.find(key_.file) == 0;
    }
    auto& cache = std::get<WeightCache>(read);
    for (size_t i = 0; i < 2; ++i) {
      const auto matrix = cache.take(10 * (i + 1));
      if (!matrix || !std::ranges::equal(matrix->serialized(), matrices_[i].serialized())) {
        return false;
      }
    }
    return cache.size() == 0;
  }
  WeightCacheFault fault_of(std::span<const std::byte> bytes) {
    auto read = WeightCache::read(bytes, key_, workers_, false);
    const auto* fault = std::get_if<WeightCache::Fault>(&read);
    EXPECT_NE(fault, nullptr);
    return fault != nullptr ? fault->kind : WeightCacheFault::kForeign;
  }

  Workers workers_{2, false};
  TemporaryFolder folder_;
  WeightCacheKey key_;
  std::vector<PackedMatrix> matrices_;
  std::vector<std::byte> bytes_;
};

TEST_F(KeptWeights, ComeBackAsTheyWere) {
  EXPECT_TRUE(
      std::holds_alternative<WeightCache>(WeightCache::read(bytes_, key_, workers_, false)));
  EXPECT_TRUE(gives_nothing_wrong(bytes_));
}

TEST_F(KeptWeights, ThatWereCutOffAreNotUsed) {
  for (size_t size = 0; size < bytes_.size(); size += 1 + size / 7) {
    EXPECT_EQ(fault_of(std::span(bytes_).first(size)),
              size < 8 && size > 0 ? WeightCacheFault::kForeign : WeightCacheFault::kDamaged)
        << size;
  }
}

TEST_F(KeptWeights, ThatWereAlteredAreNotUsed) {
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const size_t at = i < 200 ? static_cast<size_t>(i) : random.below(bytes_.size());
    const auto bit = static_cast<std::byte>(1U << random.below(8));
    bytes_[at] ^= bit;
    ASSERT_TRUE(gives_nothing_wrong(bytes_)) << "byte " << at;
    bytes_[at] ^= bit;
  }
}

TEST_F(KeptWeights, OfAnotherCheckpointAreStale) {
  ++key_.fingerprint;
  EXPECT_EQ(fault_of(bytes_), WeightCacheFault::kStale);
}

// A small checkpoint that is loaded again and again.
class KeptModel : public testing::Test {
 protected:
  KeptModel() : folder_("weft_kept_model") {
    RandomCheckpoint wanted;
    wanted.config = *preset_config(Architecture::kQwen3Moe, "tiny", {});
    EXPECT_TRUE(write_random_checkpoint(folder_.path(), wanted).ok());
  }
  Result<CpuModel> load(WeightFormat format = WeightFormat::kInt8) {
    report_ = {};
    return CpuModel::load(*Checkpoint::open(folder_.path()), {.weights = format}, best_isa(),
                          workers_, &report_);
  }
  size_t files() {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_.path()), {}));
  }

  Workers workers_{2, false};
  TemporaryFolder folder_;
  WeightCacheReport report_;
};

TEST_F(KeptModel, IsPackedOnceForEachFormat) {
  const auto first = load();
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(report_.written && !report_.read && report_.note.empty()) << report_.note;
  const auto second = load();
  EXPECT_TRUE(report_.read && !report_.written && report_.note.empty()) << report_.note;
  EXPECT_TRUE(
      std::ranges::equal(second->weights().head.serialized(), first->weights().head.serialized()));
  EXPECT_EQ(second->weight_bytes(), first->weight_bytes());
  ASSERT_TRUE(load(WeightFormat::kInt4).ok());
  EXPECT_TRUE(report_.written);
  ASSERT_TRUE(load().ok());
  EXPECT_TRUE(report_.read);
}

TEST_F(KeptModel, IsPackedAgainWhenTheCheckpointChanged) {
  ASSERT_TRUE(load().ok());
  const size_t before = files();
  const std::string shard = folder_.path() + "/model.safetensors";
  fs::last_write_time(shard, fs::last_write_time(shard) + std::chrono::seconds(2));
  ASSERT_TRUE(load().ok());
  EXPECT_TRUE(report_.written);
  EXPECT_NE(report_.note.find("another checkpoint"), std::string::npos) << report_.note;
  ASSERT_TRUE(load().ok());
  EXPECT_TRUE(report_.read);
  EXPECT_EQ(files(), before) << "nothing is left behind";
}

TEST_F(KeptModel, DoesNotTouchAFileThatIsNotItsOwn) {
  ASSERT_TRUE(load().ok());
  const std::string file = report_.file;
  std::ofstream(file) << "a letter";
  const auto refused = load();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kBadInput);
  EXPECT_NE(refused.error().message.find(file), std::string::npos);
  EXPECT_EQ(fs::file_size(file), 8u);
}

TEST_F(KeptModel, RunsWhereNothingCanBeKept) {
  ASSERT_TRUE(load().ok());
  fs::remove(report_.file);
  fs::create_directory(report_.file);
  const size_t before = files();
  ASSERT_TRUE(load().ok());
  EXPECT_FALSE(report_.read || report_.written);
  EXPECT_NE(report_.note.find(report_.file), std::string::npos);
  EXPECT_EQ(files(), before);
}

}  // namespace
}  // namespace weft
