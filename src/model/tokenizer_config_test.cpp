// tokenizer_config.json and generation_config.json in the spellings that are published.
#include "model/tokenizer_config.h"

#include <gtest/gtest.h>

#include "model/tokenizer_maker.h"

namespace weft {
namespace {

TokenizerConfig config_of(const std::string& json) {
  auto config = TokenizerConfig::from_json(json, "tokenizer_config.json");
  EXPECT_TRUE(config.ok()) << config.error().message;
  return std::move(*config);
}

TEST(TokenizerConfig, TokensAreStringsOrTables) {
  const auto config = config_of(R"({"bos_token": {"content": "<s>", "lstrip": false},
      "eos_token": "</s>", "pad_token": null, "add_bos_token": true, "other": [1]})");
  EXPECT_EQ(config.bos_token, "<s>");
  EXPECT_EQ(config.eos_token, "</s>");
  EXPECT_EQ(config.pad_token, std::nullopt);
  EXPECT_EQ(config.add_bos_token, true);
  EXPECT_EQ(config.chat_template(false), nullptr);
}

TEST(TokenizerConfig, TemplatesMayHaveNames) {
  auto config = config_of(R"({"chat_template": [{"name": "default", "template": "a"},
                                                 {"name": "tool_use", "template": "b"}]})");
  EXPECT_EQ(*config.chat_template(false), "a");
  EXPECT_EQ(*config.chat_template(true), "b");
  config.set_chat_template("c");
  EXPECT_EQ(*config.chat_template(true), "c");
  EXPECT_EQ(*config_of(R"({"chat_template": "x"})").chat_template(true), "x");
}

TEST(TokenizerConfig, BeginningsFollowTheClassAndItsFlags) {
  auto tokenizer = Tokenizer::from_json(make_tokenizer_json(300, 1), "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_TRUE(config_of(R"({"add_bos_token": true, "bos_token": "<|bos|>", "tokenizer_class":
                            "PreTrainedTokenizerFast"})")
                  .apply(*tokenizer)
                  .ok());
  EXPECT_TRUE(tokenizer->before().empty());
  EXPECT_TRUE(config_of(R"({"add_bos_token": true, "bos_token": "<|bos|>", "tokenizer_class":
                            "LlamaTokenizerFast"})")
                  .apply(*tokenizer)
                  .ok());
  ASSERT_EQ(tokenizer->before().size(), 1u);
  EXPECT_EQ(tokenizer->before()[0], tokenizer->token_id("<|bos|>"));
  const auto status = config_of(R"({"add_bos_token": true, "bos_token": "<none>",
                                    "tokenizer_class": "LlamaTokenizer"})")
                          .apply(*tokenizer);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("bos_token: found <none>"), std::string::npos);
}

TEST(TokenizerConfig, WrongTypesAreNamed) {
  const auto config = TokenizerConfig::from_json(R"({"add_bos_token": 1})", "t.json");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().message, "t.json: add_bos_token: found 1, expected true or false");
}

TEST(GenerationConfig, EndsAreOneOrMany) {
  const auto one = GenerationConfig::from_json(R"({"eos_token_id": 2, "do_sample": true,
      "temperature": 0.6, "top_k": 20, "top_p": 0.95, "repetition_penalty": 1})",
                                               "g");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->eos_token_ids, std::vector<int32_t>{2});
  EXPECT_EQ(one->temperature, 0.6);
  EXPECT_EQ(one->repetition_penalty, 1.0);
  EXPECT_EQ(one->top_k, 20);
  const auto many = GenerationConfig::from_json(R"({"eos_token_id": [1, 3]})", "g");
  ASSERT_TRUE(many.ok());
  EXPECT_EQ(many->eos_token_ids, (std::vector<int32_t>{1, 3}));
  EXPECT_FALSE(GenerationConfig::from_json(R"({"eos_token_id": [-1]})", "g").ok());
  EXPECT_FALSE(GenerationConfig::from_json(R"({"top_p": "high"})", "g").ok());
}

}  // namespace
}  // namespace weft
