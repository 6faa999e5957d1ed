// weft model init as a person runs it: a folder that opens, and one line for what it cannot make.
#include "apps/command_testing.h"
#include "model/checkpoint.h"

namespace weft {
namespace {

class ModelInit : public CommandTest {};

TEST_F(ModelInit, WritesACheckpointThatOpens) {
  const Ended ended =
      run("model init --like qwen3-moe --hidden 32 --experts 4 --seed 3 --out " + path("m"));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.out.find("Qwen3MoeForCausalLM"), std::string::npos);
  const auto checkpoint = Checkpoint::open(path("m"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  EXPECT_TRUE(checkpoint->check_tensors().ok());
  EXPECT_EQ(checkpoint->shape().hidden, 32);
  EXPECT_EQ(checkpoint->shape().experts, 4);
}

TEST_F(ModelInit, DeepseekCallsItsExpertsOtherwise) {
  const Ended ended =
      run("model init --like DeepseekV3ForCausalLM --dtype fp8 --experts 8 "
          "--set rope_scaling=null --shard-bytes 100000 --out " +
          path("m"));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const auto checkpoint = Checkpoint::open(path("m"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->shape().experts, 8);
  EXPECT_EQ(checkpoint->architecture().rope.scaling, RopeScaling::kNone);
  EXPECT_TRUE(checkpoint->architecture().fp8.has_value());
}

TEST_F(ModelInit, RefusesWhatItCannotMakeAndLeavesNothing) {
  const std::string out = " --out " + path("m");
  expect_refused(run("model init --like gpt2" + out), {"\"gpt2\"", "qwen3", "LlamaForCausalLM"});
  expect_refused(run("model init --like llama --size huge" + out), {"\"huge\"", "tiny"});
  expect_refused(run("model init --like llama --dtype int8" + out), {"--dtype", "int8", "bf16"});
  expect_refused(run("model init --like llama --set a" + out), {"--set", "KEY=VALUE"});
  expect_refused(run("model init --like llama --set a=b" + out), {"\"a\"", "JSON"});
  expect_refused(run("model init --like llama --heads 3" + out),
                 {"config.json: num_key_value_heads", "3"});
  EXPECT_EQ(files(), 0u);
}

TEST_F(ModelInit, WritesOverNoFolder) {
  write("m", "mine");
  expect_refused(run("model init --like llama --out " + path("m")), {"is there already"});
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace weft
