// Made tokenizers: of the size asked for, the same from a seed, and good for text and chat.
#include "model/tokenizer_maker.h"

#include <gtest/gtest.h>

#include "model/chat_template.h"
#include "model/tokenizer.h"
#include "model/tokenizer_config.h"

namespace weft {
namespace {

TEST(TokenizerMaker, HasExactlyTheTokensAskedFor) {
  for (const int32_t size : {260, 261, 512, 5000, 40000}) {
    const auto tokenizer = Tokenizer::from_json(make_tokenizer_json(size, 3), "made");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    EXPECT_EQ(tokenizer->vocab_size(), size);
    EXPECT_EQ(tokenizer->token_id("<|im_end|>"), size - 1);
    EXPECT_TRUE(tokenizer->is_special(size - 4));
    EXPECT_FALSE(tokenizer->is_special(size - 5));
    for (int32_t id = 0; id < size; ++id) ASSERT_FALSE(tokenizer->token_bytes(id).empty());
    const std::string text = "Hello world, this is 2026: \u4f60\u597d\n<|im_end|>";
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, true), false), text);
  }
}

TEST(TokenizerMaker, TheSeedDecides) {
  EXPECT_EQ(make_tokenizer_json(2000, 1), make_tokenizer_json(2000, 1));
  EXPECT_NE(make_tokenizer_json(2000, 1), make_tokenizer_json(2000, 2));
}

TEST(TokenizerMaker, CommonWordsAreShort) {
  const auto tokenizer = Tokenizer::from_json(make_tokenizer_json(4096, 1), "made");
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_LE(tokenizer->encode(" the people of the world", false).size(), 8u);
}

TEST(TokenizerMaker, ChatsInChatMl) {
  const auto config = TokenizerConfig::from_json(make_tokenizer_config_json(), "made");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->eos_token, "<|im_end|>");
  const auto chat = ChatTemplate::parse(*config->chat_template(false));
  ASSERT_TRUE(chat.ok()) << chat.error().message;
  const auto context = template_value_from_json(
      R"({"messages": [{"role": "user", "content": "hi"}], "add_generation_prompt": true})", "c");
  const auto text = chat->render(*context);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
}

}  // namespace
}  // namespace weft
