// Words and ids by a hash of content and position.
#include "apps/load_prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/random.h"

namespace weft {

namespace {

// Short and common, so that with its space each is one token of most vocabularies. A power of two.
constexpr std::array<std::string_view, 128> kWords = {
    "time",    "year",   "people", "way",     "day",    "man",      "thing",  "world",  "life",
    "hand",    "part",   "child",  "eye",     "woman",  "place",    "work",   "week",   "case",
    "point",   "number", "group",  "fact",    "water",  "room",     "money",  "story",  "month",
    "lot",     "right",  "study",  "book",    "word",   "side",     "kind",   "head",   "house",
    "service", "friend", "father", "power",   "hour",   "game",     "line",   "end",    "member",
    "law",     "car",    "city",   "name",    "team",   "minute",   "idea",   "body",   "back",
    "parent",  "face",   "level",  "office",  "door",   "health",   "person", "art",    "war",
    "party",   "result", "change", "morning", "reason", "research", "girl",   "moment", "air",
    "teacher", "force",  "order",  "food",    "good",   "new",      "first",  "last",   "long",
    "great",   "little", "own",    "other",   "old",    "big",      "high",   "small",  "large",
    "next",    "early",  "young",  "few",     "public", "bad",      "same",   "able",   "red",
    "green",   "blue",   "white",  "black",   "hot",    "cold",     "open",   "close",  "fast",
    "slow",    "north",  "south",  "east",    "west",   "sun",      "moon",   "rain",   "snow",
    "wind",    "tree",   "stone",  "river",   "sea",    "road",     "bridge", "bread",  "milk",
    "glass",   "paper"};
static_assert((kWords.size() & (kWords.size() - 1)) == 0);

constexpr uint64_t kOwnTag = 0x6f776e70726f6d70ULL;

// Which content fills the part of the prompt that no segment names.
uint64_t own_content(const Arrival& arrival, uint64_t seed) {
  return mix64(seed ^ kOwnTag, arrival.id);
}

// Calls `part(content, tokens)` for the segments and the rest.
template <class Part>
void each_part(const Arrival& arrival, uint64_t seed, Part part) {
  int64_t left = arrival.prompt.count();
  for (const Segment& segment : arrival.segments) {
    const int64_t tokens = std::min(left, segment.tokens.count());
    part(segment.content, tokens);
    left -= tokens;
  }
  if (left > 0) part(own_content(arrival, seed), left);
}

void add_word(std::string& out, uint64_t content, uint64_t position) {
  if (!out.empty() && out.back() != '"') out += ' ';
  out += kWords[mix64(content, position) & (kWords.size() - 1)];
}

}  // namespace

WordScale fit_words(int64_t words_a, int64_t tokens_a, int64_t words_b, int64_t tokens_b) {
  WordScale out;
  const double per_word =
      static_cast<double>(tokens_b - tokens_a) / static_cast<double>(words_b - words_a);
  if (!(per_word > 0)) return out;
  out.per_word = per_word;
  out.fixed =
      std::max(0.0, static_cast<double>(tokens_a) - per_word * static_cast<double>(words_a));
  return out;
}

LoadPrompts::LoadPrompts(LoadPromptsConfig config)
    : config_(std::move(config)),
      quoted_model_(nlohmann::json(config_.model)
                        .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) {}

const char* LoadPrompts::path() const {
  return config_.chat ? "/v1/chat/completions" : "/v1/completions";
}

std::string LoadPrompts::begin(int64_t output) const {
  return fmt::format(R"({{"model":{},"stream":true,{}{}"temperature":0,"max_tokens":{},)",
                     quoted_model_,
                     config_.usage ? R"("stream_options":{"include_usage":true},)" : "",
                     config_.ignore_eos ? R"("ignore_eos":true,)" : "", output);
}

std::string LoadPrompts::around(const std::string& text, int64_t output) const {
  std::string out = begin(output);
  out += config_.chat ? R"("messages":[{"role":"user","content":")" : R"("prompt":")";
  out += text;
  return out + (config_.chat ? "\"}]}" : "\"}");
}

// Where a part begins and ends in words follows from where it does in tokens, so that a shared
// beginning has the same words in every prompt.
void LoadPrompts::add_words(std::string& out, const Arrival& arrival) const {
  int64_t end_tokens = 0;
  int64_t at = 0;
  each_part(arrival, config_.seed, [&](uint64_t content, int64_t tokens) {
    end_tokens += tokens;
    const double words = (static_cast<double>(end_tokens) - scale_.fixed) / scale_.per_word;
    const int64_t end = std::max<int64_t>(at, std::llround(words));
    for (uint64_t position = 0; at < end; ++at) add_word(out, content, position++);
  });
  if (at == 0) add_word(out, own_content(arrival, config_.seed), 0);
}

void LoadPrompts::add_ids(std::string& out, const Arrival& arrival) const {
  const TokenRange range = *config_.token_ids;
  const auto count = static_cast<uint64_t>(range.high - range.low);
  each_part(arrival, config_.seed, [&](uint64_t content, int64_t tokens) {
    for (uint64_t position = 0; position < static_cast<uint64_t>(tokens); ++position) {
      fmt::format_to(std::back_inserter(out), "{},",
                     range.low + static_cast<int64_t>(mix64(content, position) % count));
    }
  });
  if (out.back() == ',') out.pop_back();
}

std::string LoadPrompts::body(const Arrival& arrival) const {
  const int64_t output = arrival.output.count();
  if (config_.token_ids) {
    std::string out = begin(output) + R"("prompt":[)";
    add_ids(out, arrival);
    return out + "]}";
  }
  std::string words;
  words.reserve(static_cast<size_t>(arrival.prompt.count()) * 6);
  add_words(words, arrival);
  return around(words, output);
}

std::string LoadPrompts::text(uint64_t key, int64_t words) const {
  std::string out;
  for (int64_t i = 0; i < words; ++i) {
    add_word(out, mix64(config_.seed, key), static_cast<uint64_t>(i));
  }
  return out;
}

std::string LoadPrompts::text_body(uint64_t key, int64_t words, int64_t output) const {
  return around(text(key, words), output);
}

}  // namespace weft
