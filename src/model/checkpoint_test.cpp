// Whole folders: random checkpoints of every architecture open and hold what config.json promises,
// and each way in which a folder can be wrong is one line that names file and tensor.
#include "model/checkpoint.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "model/checkpoint_writer.h"
#include "model/random_checkpoint.h"
#include "model/safetensors_testing.h"
#include "model/tensor_names.h"
#include "model/tokenizer.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using enum Architecture;
constexpr Architecture kAll[] = {kLlama, kQwen2, kQwen3, kQwen3Moe, kDeepseekV2, kDeepseekV3};

RandomCheckpoint tiny(Architecture architecture, TensorType type = TensorType::kBf16) {
  RandomCheckpoint wanted;
  wanted.config = *preset_config(architecture, "tiny", {});
  wanted.type = type;
  return wanted;
}

void make(const TemporaryFolder& folder, std::string_view name, const RandomCheckpoint& wanted) {
  const auto status = write_random_checkpoint(folder.path(name), wanted);
  ASSERT_TRUE(status.ok()) << status.error().message;
}

Checkpoint open(const TemporaryFolder& folder, std::string_view name) {
  auto checkpoint = Checkpoint::open(folder.path(name));
  CHECK(checkpoint.ok());
  return *std::move(checkpoint);
}

void expect_refused(const Error& error, const std::vector<std::string>& words) {
  EXPECT_EQ(error.message.find('\n'), std::string::npos);
  for (const std::string& word : words) {
    EXPECT_NE(error.message.find(word), std::string::npos)
        << "no \"" << word << "\" in " << error.message;
  }
}

void expect_open_refused(const TemporaryFolder& folder, std::string_view name,
                         const std::vector<std::string>& words) {
  const auto checkpoint = Checkpoint::open(folder.path(name));
  ASSERT_FALSE(checkpoint.ok()) << words.front();
  expect_refused(checkpoint.error(), words);
}

std::vector<float> values_of(const Checkpoint& checkpoint, const std::string& name,
                             const std::vector<int64_t>& shape) {
  const auto rows = checkpoint.weight(name, shape);
  EXPECT_TRUE(rows.ok()) << (rows.ok() ? "" : rows.error().message);
  std::vector<float> values(static_cast<size_t>(rows->rows() * rows->columns()));
  EXPECT_TRUE(rows->read_finite(0, rows->rows(), values.data()).ok());
  return values;
}

void replace(const TemporaryFolder& folder, std::string_view name, const std::string& old,
             const std::string& now) {
  std::string text = folder.read(name);
  const size_t at = text.find(old);
  ASSERT_NE(at, std::string::npos) << old;
  text.replace(at, old.size(), now);
  folder.write(name, text);
}

TEST(Checkpoint, EveryArchitectureAndTypeHoldsWhatItsConfigPromises) {
  const TemporaryFolder folder;
  for (const Architecture architecture : kAll) {
    for (const TensorType type :
         {TensorType::kF32, TensorType::kBf16, TensorType::kF16, TensorType::kF8E4m3}) {
      const auto name =
          fmt::format("{}-{}", architecture_name(architecture), tensor_type_name(type));
      make(folder, name, tiny(architecture, type));
      const Checkpoint checkpoint = open(folder, name);
      const auto status = checkpoint.check_tensors();
      EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
      EXPECT_EQ(checkpoint.architecture().architecture, architecture);
      EXPECT_EQ(checkpoint.architecture().fp8.has_value(), type == TensorType::kF8E4m3);
      for (const TensorSpec& spec :
           expected_tensors(checkpoint.shape(), checkpoint.architecture())) {
        values_of(checkpoint, spec.name, spec.shape);
      }
    }
  }
}

// Whatever is stored, the weights are the same but for the format's rounding.
TEST(Checkpoint, TypesDifferByTheirRoundingAlone) {
  const TemporaryFolder folder;
  const std::string name = "model.layers.1.self_attn.o_proj.weight";
  const std::vector<int64_t> shape = {64, 64};
  make(folder, "f32", tiny(kLlama, TensorType::kF32));
  const auto exact = values_of(open(folder, "f32"), name, shape);
  for (const auto& [type, error] :
       std::vector<std::pair<TensorType, float>>{{TensorType::kBf16, 1.0F / 256},
                                                 {TensorType::kF16, 1.0F / 2048},
                                                 {TensorType::kF8E4m3, 1.0F / 16}}) {
    const std::string_view folder_name = tensor_type_name(type);
    make(folder, folder_name, tiny(kLlama, type));
    const auto rounded = values_of(open(folder, folder_name), name, shape);
    for (size_t i = 0; i < exact.size(); ++i) {
      ASSERT_NEAR(rounded[i], exact[i], error * std::abs(exact[i]) + 1e-3F) << folder_name;
    }
  }
}

TEST(Checkpoint, ThreadsAndShardsChangeNoWeight) {
  const TemporaryFolder folder;
  RandomCheckpoint wanted = tiny(kDeepseekV3, TensorType::kF8E4m3);
  make(folder, "one", wanted);
  wanted.threads = 3;
  wanted.shard_bytes = 50'000;
  make(folder, "many", wanted);
  wanted.seed = 2;
  make(folder, "other", wanted);
  const Checkpoint one = open(folder, "one");
  const Checkpoint many = open(folder, "many");
  const Checkpoint other = open(folder, "other");
  EXPECT_TRUE(many.check_tensors().ok());
  EXPECT_TRUE(fs::exists(folder.path("many/model.safetensors.index.json")));
  EXPECT_FALSE(fs::exists(folder.path("many/model.safetensors")));
  ASSERT_EQ(one.names(), many.names());
  EXPECT_EQ(one.bytes(), many.bytes());
  int differ = 0;
  for (const TensorSpec& spec : expected_tensors(one.shape(), one.architecture())) {
    const auto a = one.tensor(spec.name, spec.shape)->bytes;
    const auto b = many.tensor(spec.name, spec.shape)->bytes;
    const auto c = other.tensor(spec.name, spec.shape)->bytes;
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << spec.name;
    differ += std::equal(a.begin(), a.end(), c.begin(), c.end()) ? 0 : 1;
  }
  EXPECT_GT(differ, 100);
}

// The reference outputs in tests/reference were computed on these very weights.
TEST(Checkpoint, SeedsGiveTheWeightsTheyAlwaysGave) {
  const TemporaryFolder folder;
  make(folder, "a", tiny(kLlama, TensorType::kF32));
  const auto values = values_of(open(folder, "a"), "model.embed_tokens.weight", {512, 64});
  EXPECT_EQ(values[0], 0x1.9024f2p-2F);
  EXPECT_EQ(values[32767], 0x1.530c86p-2F);
}

TEST(Checkpoint, MovesWithItsViews) {
  const TemporaryFolder folder;
  make(folder, "a", tiny(kQwen3));
  Checkpoint first = open(folder, "a");
  const auto view = *first.tensor("model.norm.weight", std::vector<int64_t>{64});
  const Checkpoint second = std::move(first);
  const auto again = *second.tensor("model.norm.weight", std::vector<int64_t>{64});
  EXPECT_EQ(view.bytes.data(), again.bytes.data());
}

TEST(Checkpoint, TextsStandBesideTheWeights) {
  const TemporaryFolder folder;
  RandomCheckpoint wanted = tiny(kQwen3);
  wanted.texts["tokenizer.json"] = "{}";
  wanted.texts["chat_template.jinja"] = "{{ x }}";
  make(folder, "a", wanted);
  const Checkpoint checkpoint = open(folder, "a");
  EXPECT_EQ(checkpoint.texts().tokenizer, "{}");
  EXPECT_EQ(checkpoint.texts().chat_template, "{{ x }}");
  EXPECT_NE(checkpoint.texts().tokenizer_config->find("<|im_end|>"), std::string::npos);
  EXPECT_NE(checkpoint.texts().generation_config->find("eos_token_id"), std::string::npos);
}

TEST(Checkpoint, RandomOnesHaveARealTokenizer) {
  const TemporaryFolder folder;
  make(folder, "a", tiny(kQwen3));
  const Checkpoint checkpoint = open(folder, "a");
  const auto tokenizer = Tokenizer::from_json(*checkpoint.texts().tokenizer, "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const auto ids = tokenizer->encode("Hello, w\u00f6rld!<|im_end|>", false);
  EXPECT_EQ(tokenizer->decode(ids, false), "Hello, w\u00f6rld!<|im_end|>");
  EXPECT_EQ(ids.back(), checkpoint.architecture().eos_tokens.back());
  for (const int32_t id : ids) EXPECT_LT(id, checkpoint.shape().vocab);
}

TEST(Checkpoint, FoldersThatAreNoneAreRefused) {
  const TemporaryFolder folder;
  expect_open_refused(folder, "none", {"none", "config.json and model.safetensors"});
  fs::create_directory(folder.path("empty"));
  expect_open_refused(folder, "empty", {"empty/config.json", "missing"});
  folder.write("empty/config.json", *preset_config(kLlama, "tiny", {}));
  expect_open_refused(folder, "empty", {"neither model.safetensors nor"});
  folder.write("empty/config.json",
               *preset_config(kLlama, "tiny", {{"architectures", R"(["OtherForCausalLM"])"}}));
  expect_open_refused(folder, "empty",
                      {"config.json: architectures", "OtherForCausalLM", "expected one that runs"});
  folder.write("empty/config.json", "{");
  expect_open_refused(folder, "empty", {"config.json", "not JSON"});
}

TEST(Checkpoint, TruncatedFilesAreRefused) {
  const TemporaryFolder folder;
  make(folder, "a", tiny(kLlama));
  fs::resize_file(folder.path("a/model.safetensors"),
                  fs::file_size(folder.path("a/model.safetensors")) - 1);
  expect_open_refused(folder, "a", {"a/model.safetensors", "tensor", "data_offsets"});
  fs::resize_file(folder.path("a/model.safetensors"), 5);
  expect_open_refused(folder, "a", {"a/model.safetensors", "found 5 bytes"});
}

TEST(Checkpoint, AConfigThatContradictsTheWeightsIsRefused) {
  const TemporaryFolder folder;
  make(folder, "a", tiny(kQwen3));
  replace(folder, "a/config.json", "\"intermediate_size\": 160", "\"intermediate_size\": 161");
  const Checkpoint wide = open(folder, "a");
  expect_refused(wide.check_tensors().error(),
                 {"model.layers.0.mlp.gate_proj.weight",
                  "found shape [160, 64], expected [161, 64]", "config.json"});
  replace(folder, "a/config.json", "\"intermediate_size\": 161", "\"intermediate_size\": 160");
  replace(folder, "a/config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
  const Checkpoint deep = open(folder, "a");
  expect_refused(deep.check_tensors().error(), {"model.layers.2.", "is missing"});
  EXPECT_FALSE(deep.has("model.layers.2.input_layernorm.weight"));
}

TEST(Checkpoint, Fp8WithoutItsScalesIsRefused) {
  const TemporaryFolder folder;
  make(folder, "a", tiny(kDeepseekV3, TensorType::kF8E4m3));
  std::string config = folder.read("a/config.json");
  folder.write("a/config.json", *preset_config(kDeepseekV3, "tiny", {}));
  expect_refused(open(folder, "a").check_tensors().error(), {"F8_E4M3", "quantization_config"});
  folder.write("a/config.json", config);
  replace(folder, "a/model.safetensors", "q_a_proj.weight_scale_inv", "q_a_proj.weight_scale_bad");
  expect_refused(open(folder, "a").check_tensors().error(),
                 {"q_a_proj.weight_scale_inv", "is missing"});
}

// A checkpoint of several shards, its index and one shard's name.
class ShardedCheckpoint : public testing::Test {
 protected:
  ShardedCheckpoint() {
    RandomCheckpoint wanted = tiny(kLlama);
    wanted.shard_bytes = 100'000;
    make(folder_, "a", wanted);
  }
  static constexpr const char* kIndex = "a/model.safetensors.index.json";
  static constexpr const char* kSecond = "a/model-00002-of-00003.safetensors";
  TemporaryFolder folder_;
};

TEST_F(ShardedCheckpoint, OpensWhole) {
  EXPECT_TRUE(open(folder_, "a").check_tensors().ok());
  EXPECT_TRUE(fs::exists(folder_.path(kSecond)));
}

TEST_F(ShardedCheckpoint, AMissingShardIsNamed) {
  fs::remove(folder_.path(kSecond));
  expect_open_refused(folder_, "a", {"shard model-00002-of-00003.safetensors is missing"});
}

TEST_F(ShardedCheckpoint, ATensorThatNoShardHoldsIsNamed) {
  replace(folder_, kIndex, "\"model.norm.weight\"", "\"model.morn.weight\"");
  expect_open_refused(folder_, "a", {"tensor \"model.morn.weight\" is missing", "index.json"});
}

TEST_F(ShardedCheckpoint, ATensorInAnotherShardThanTheIndexSaysIsNamed) {
  replace(folder_, kIndex, "\"model.norm.weight\": \"model-00003",
          "\"model.norm.weight\": \"model-00002");
  expect_open_refused(folder_, "a",
                      {"model-00003-of-00003.safetensors: tensor \"model.norm.weight\"",
                       "expected in model-00002-of-00003.safetensors"});
}

TEST_F(ShardedCheckpoint, ATensorInTwoShardsIsNamed) {
  fs::remove(folder_.path(kSecond));
  fs::copy(folder_.path("a/model-00003-of-00003.safetensors"), folder_.path(kSecond));
  expect_open_refused(folder_, "a",
                      {"model-00002-of-00003.safetensors: tensor", "expected in model-00003"});
}

TEST(ShardIndex, HostileIndexesAreRefused) {
  const auto refuse = [](std::string_view json) {
    const auto index = read_shard_index(json, "i.json");
    EXPECT_FALSE(index.ok()) << json;
    return index.ok() ? std::string() : index.error().message;
  };
  EXPECT_NE(refuse("{").find("i.json: not JSON"), std::string::npos);
  refuse("[]");
  refuse("{}");
  refuse(R"({"weight_map": []})");
  for (const char* file : {"../x", "/etc/passwd", "a/b", "", ".", "..", "a\\\\b", "a\\u0000b"}) {
    EXPECT_NE(refuse(fmt::format(R"({{"weight_map": {{"t": "{}"}}}})", file)).find("\"t\""),
              std::string::npos);
  }
  refuse(R"({"weight_map": {"t": 1}})");
  EXPECT_NE(refuse(R"({"weight_map": {"t": "a", "t": "b"}})").find("named twice"),
            std::string::npos);
}

TEST(CheckpointWriter, WritesNoFolderTwice) {
  const TemporaryFolder folder;
  make(folder, "a", tiny(kLlama));
  const auto status = write_random_checkpoint(folder.path("a"), tiny(kLlama));
  ASSERT_FALSE(status.ok());
  expect_refused(status.error(), {"/a: is there already", "new or empty"});
  EXPECT_EQ(folder.files(), 1u);
  fs::create_directory(folder.path("b"));
  make(folder, "b", tiny(kLlama));
}

TEST(CheckpointWriter, FailureLeavesNothingBehind) {
  const TemporaryFolder folder;
  RandomCheckpoint wanted = tiny(kLlama);
  wanted.texts["no/such/folder"] = "x";
  EXPECT_FALSE(write_random_checkpoint(folder.path("a"), wanted).ok());
  EXPECT_EQ(folder.files(), 0u);
}

}  // namespace
}  // namespace weft
