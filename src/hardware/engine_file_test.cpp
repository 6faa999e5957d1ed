// Engines: the catalog's files are whole, what a file leaves out is the default, units are those of
// the keys, and errors say where they are.
#include <gtest/gtest.h>

#include <filesystem>

#include "hardware/records.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

Result<Record<Engine>> read(const std::string& text) {
  auto file = ConfigFile::parse(text, "e.toml");
  if (!file.ok()) return file.error();
  return read_engine(file->root(), "e");
}

Result<Record<Engine>> with(const std::string& key, const std::string& value,
                            const std::string& grade = "U") {
  return read("title = \"E\"\n" + key + " = { value = " + value + ", grade = \"" + grade +
              "\", source = \"s\" }\n");
}

TEST(EngineFile, EveryEngineOfTheCatalogCanBeRead) {
  size_t engines = 0;
  for (const auto& entry : fs::directory_iterator("catalog/engines")) {
    auto file = ConfigFile::load(entry.path().string());
    ASSERT_TRUE(file.ok()) << file.error().message;
    const auto record = read_engine(file->root(), entry.path().stem());
    ASSERT_TRUE(record.ok()) << record.error().message;
    EXPECT_EQ(record->thing.name, entry.path().stem());
    for (const EngineConstant& constant : engine_constants()) {
      const double value = record->thing.spec.costs.*constant.member;
      EXPECT_GE(value, 0) << entry.path() << " " << constant.key;
      EXPECT_LE(value, constant.most) << entry.path() << " " << constant.key;
    }
    ++engines;
  }
  EXPECT_GE(engines, 8u);
}

TEST(EngineFile, WhatIsLeftOutIsTheDefault) {
  const auto record = read("title = \"E\"\n");
  ASSERT_TRUE(record.ok()) << record.error().message;
  const Engine& engine = record->thing;
  const EngineCosts defaults;
  for (const EngineConstant& constant : engine_constants()) {
    EXPECT_DOUBLE_EQ(engine.spec.costs.*constant.member, defaults.*constant.member) << constant.key;
  }
  EXPECT_EQ(engine.scheduling.block_tokens, 0);
  EXPECT_EQ(engine.scheduling.memory_share, 0);
  EXPECT_TRUE(engine.scheduling.prefix_caching);
  EXPECT_FALSE(engine.scheduling.prefill_first);
  EXPECT_TRUE(engine.fitted.empty());
  EXPECT_TRUE(record->figures.empty());
}

TEST(EngineFile, SaysWhatItsShareOfMemoryCovers) {
  EXPECT_EQ(read("title = \"E\"\n")->thing.scheduling.memory_covers, MemoryShare::kAll);
  EXPECT_EQ(with("memory_covers", "\"free\"")->thing.scheduling.memory_covers, MemoryShare::kFree);
  EXPECT_EQ(with("memory_reserve_gib", "2")->thing.scheduling.memory_reserve, 2147483648.0);
  EXPECT_FALSE(with("memory_covers", "\"most\"").ok());
}

TEST(EngineFile, EveryConstantIsReadInTheUnitOfItsKey) {
  for (const EngineConstant& constant : engine_constants()) {
    const double middle = (constant.least + constant.most) / 2;
    const auto record = with(constant.key, std::to_string(middle * constant.per_unit));
    ASSERT_TRUE(record.ok()) << record.error().message;
    EXPECT_NEAR(record->thing.spec.costs.*constant.member, middle, 1e-5 * middle) << constant.key;
    EXPECT_EQ(constant.per_unit == 1e6, std::string(constant.key).ends_with("_us"));
  }
}

TEST(EngineFile, FittedAreTheConstantsWhoseGradeSaysSo) {
  EXPECT_TRUE(with("host_step_us", "1000", "T")->thing.fitted.empty());
  auto record = with("host_step_us", "1000", "fitted");
  ASSERT_TRUE(record.ok());
  Engine& engine = record->thing;
  ASSERT_EQ(engine.fitted, std::vector<std::string>{"host_step_us"});
  engine.spec.costs.sampling = 1;
  reset_fitted(engine);
  EXPECT_EQ(engine.spec.costs.host_step, EngineCosts{}.host_step);
  EXPECT_EQ(engine.spec.costs.sampling, 1) << "what was not fitted stays";
}

TEST(EngineFile, WordsNameTheirKinds) {
  EXPECT_EQ(with("decode_exchange", "\"allgather\"")->thing.spec.decode_exchange,
            ExchangeKind::kAllGather);
  EXPECT_EQ(with("prefill_exchange", "\"cloudmatrix\"")->thing.spec.prefill_exchange,
            ExchangeKind::kCloudMatrix);
  EXPECT_EQ(with("all_reduce", "\"trtllm\"")->thing.spec.all_reduce, AllReduceKind::kTrtllm);
  EXPECT_EQ(with("expert_kernels", "\"open\"")->thing.spec.expert_kernels, ExpertKernels::kOpen);
  EXPECT_EQ(with("logit_bytes", "8")->thing.scheduling.logit_bytes, 8);
  EXPECT_TRUE(with("prefill_first", "true")->thing.scheduling.prefill_first);
  EXPECT_EQ(with("max_sequences", "256")->thing.scheduling.max_sequences, 256);
}

TEST(EngineFile, ErrorsNameFileLineAndKey) {
  const auto expect = [](const Result<Record<Engine>>& record, const std::string& words) {
    ASSERT_FALSE(record.ok()) << words;
    EXPECT_EQ(record.error().message.rfind("e.toml", 0), 0u) << record.error().message;
    EXPECT_NE(record.error().message.find(words), std::string::npos) << record.error().message;
  };
  expect(read(""), "title: missing");
  expect(read("title = \"E\"\ncolour = 3\n"), "colour: unknown key");
  expect(with("host_step_us", "-1"), "host_step_us");
  expect(with("host_step_us", "1", "best"), "grade");
  expect(with("decode_exchange", "\"carrier pigeon\""), "decode_exchange");
  expect(with("memory_share", "1.5"), "memory_share");
  expect(with("block_tokens", "0"), "block_tokens");
  expect(with("overlap_decode", "1.5"), "overlap_decode");
  expect(with("expert_imbalance", "0.5"), "expert_imbalance");
  expect(with("attention_share", "0"), "attention_share");
  expect(with("products_share", "1.1"), "products_share");
  expect(with("expert_kernels", "\"closed\""), "expert_kernels");
}

}  // namespace
}  // namespace weft
