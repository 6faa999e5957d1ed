// Prompts: as long as asked for, alike where contents are alike, and nowhere else.
#include "apps/load_prompts.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/random.h"

namespace weft {

namespace {

Arrival arrival_of(uint64_t id, int64_t prompt, std::vector<Segment> segments = {}) {
  Arrival out;
  out.id = id;
  out.prompt = Tokens(prompt);
  out.output = Tokens(7);
  out.segments = std::move(segments);
  return out;
}

std::string prompt_of(const LoadPrompts& prompts, const Arrival& arrival) {
  return nlohmann::json::parse(prompts.body(arrival))["prompt"];
}

LoadPromptsConfig config_of(const std::string& model) {
  LoadPromptsConfig out;
  out.model = model;
  return out;
}

int64_t words_of(const std::string& text) { return 1 + std::count(text.begin(), text.end(), ' '); }

TEST(LoadPrompts, TheBodyAsksForWhatABenchmarkNeeds) {
  const LoadPrompts prompts(config_of("a \"b\""));
  const auto body = nlohmann::json::parse(prompts.body(arrival_of(1, 20)));
  EXPECT_EQ(body["model"], "a \"b\"");
  EXPECT_EQ(body["stream"], true);
  EXPECT_EQ(body["stream_options"]["include_usage"], true);
  EXPECT_EQ(body["ignore_eos"], true);
  EXPECT_EQ(body["temperature"], 0);
  EXPECT_EQ(body["max_tokens"], 7);
  EXPECT_EQ(words_of(body["prompt"]), 20);
  LoadPromptsConfig config = config_of("m");
  config.chat = true;
  config.ignore_eos = config.usage = false;
  const LoadPrompts chat(config);
  const auto other = nlohmann::json::parse(chat.body(arrival_of(1, 20)));
  EXPECT_EQ(other["messages"][0]["role"], "user");
  EXPECT_FALSE(other.contains("ignore_eos"));
  EXPECT_FALSE(other.contains("stream_options"));
}

TEST(LoadPrompts, WordsFollowTheScale) {
  LoadPrompts prompts(config_of("m"));
  prompts.scale(fit_words(10, 35, 100, 305));  // five, and three a word
  EXPECT_EQ(words_of(prompt_of(prompts, arrival_of(1, 305))), 100);
  EXPECT_EQ(words_of(prompt_of(prompts, arrival_of(1, 306))), 100);
  EXPECT_EQ(words_of(prompt_of(prompts, arrival_of(1, 307))), 101);
  EXPECT_EQ(words_of(prompt_of(prompts, arrival_of(1, 1))), 1) << "never an empty prompt";
  const WordScale odd = fit_words(10, 30, 100, 30);
  EXPECT_EQ(odd.per_word, 1.0);
}

TEST(LoadPrompts, EqualContentsAreEqualTextAndNothingElseIs) {
  LoadPrompts prompts(config_of("m"));
  prompts.scale({5, 1.7});
  const auto shared = [&](uint64_t id, uint64_t content) {
    return prompt_of(prompts, arrival_of(id, 400, {{content, Tokens(200)}}));
  };
  const std::string a = shared(1, 77);
  const std::string b = shared(2, 77);
  const auto same =
      static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
  const int64_t words = words_of(a.substr(0, same));
  EXPECT_NEAR(static_cast<double>(words), (200 - 5) / 1.7, 3.0);
  EXPECT_EQ(a, shared(1, 77));
  EXPECT_NE(a.substr(0, 60), shared(1, 78).substr(0, 60));
  std::set<std::string> beginnings;
  for (uint64_t id = 0; id < 500; ++id) {
    beginnings.insert(prompt_of(prompts, arrival_of(id, 64)).substr(0, 80));
  }
  EXPECT_EQ(beginnings.size(), 500u);
}

TEST(LoadPrompts, TokenIdsAreExactAndInRange) {
  LoadPromptsConfig config = config_of("m");
  config.token_ids = TokenRange{10, 300};
  const LoadPrompts prompts(config);
  const auto ids_of = [&](const Arrival& arrival) {
    return nlohmann::json::parse(prompts.body(arrival))["prompt"].get<std::vector<int64_t>>();
  };
  const auto a = ids_of(arrival_of(1, 100, {{9, Tokens(40)}}));
  const auto b = ids_of(arrival_of(2, 60, {{9, Tokens(40)}}));
  ASSERT_EQ(a.size(), 100u);
  ASSERT_EQ(b.size(), 60u);
  for (const int64_t id : a) EXPECT_TRUE(id >= 10 && id < 300);
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 40, b.begin()));
  EXPECT_FALSE(std::equal(a.begin() + 40, a.begin() + 60, b.begin() + 40));
}

}  // namespace

}  // namespace weft
