// Constrained decoding: the mask of a vocabulary of 151,936 tokens at the places of a JSON text,
// and the way of a whole text. WEFT_TOKENIZER names a tokenizer.json to take instead of a made one.
// Bound: a mask is written once, 19 KB.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "model/json_schema.h"
#include "model/token_mask.h"
#include "model/tokenizer_maker.h"

namespace weft {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer kTokenizer = [] {
    const char* path = std::getenv("WEFT_TOKENIZER");
    if (path == nullptr) return *Tokenizer::from_json(make_tokenizer_json(151'936, 1), "made");
    std::ifstream in(path, std::ios::binary);
    const std::string json(std::istreambuf_iterator<char>(in), {});
    return *Tokenizer::from_json(json, path);
  }();
  return kTokenizer;
}

const TokenVocabulary& vocabulary() {
  static const TokenVocabulary kVocabulary(tokenizer());
  return kVocabulary;
}

constexpr const char* kSchema = R"({"type":"object","properties":{
  "name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},
  "code":{"type":"string","maxLength":200},"score":{"type":"number"},
  "tags":{"type":"array","items":{"type":"string"}},
  "kind":{"enum":["person","company","other"]},
  "address":{"type":"object","properties":{"street":{"type":"string"},"zip":{"type":"string",
  "pattern":"^\\d{5}$"}},"required":["street","zip"]}},
  "required":["name","age","code","score","tags","kind","address"]})";
constexpr const char* kText =
    "{\"name\": \"Ada Lovelace, Countess of Lovelace\", \"age\": 36, \"code\": "
    "\"She wrote notes on the Analytical Engine\", \"score\": 9.75, \"tags\": [\"mathematics\", "
    "\"computing\"], \"kind\": \"person\", \"address\": {\"street\": \"12 St James's Square\", "
    "\"zip\": \"12345\"}}";

Grammar schema_grammar() {
  return *json_schema_grammar(*template_value_from_json(kSchema, "schema"), "schema");
}

// A grammar's first way through a text: what one request costs.
void whole_text(benchmark::State& state, const Grammar& grammar) {
  const auto tokens = tokenizer().encode(kText, false);
  benchmark::DoNotOptimize(vocabulary().trie().nodes().data());
  for (auto _ : state) {
    TokenConstraint constraint(grammar, vocabulary(), {});
    for (const int32_t token : tokens) {
      benchmark::DoNotOptimize(constraint.allowed().data());
      if (!constraint.accept(token)) state.SkipWithError("a token was refused");
    }
  }
  state.counters["us_per_token"] = benchmark::Counter(
      static_cast<double>(state.iterations() * static_cast<int64_t>(tokens.size())) * 1e-6,
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void whole_text_of_schema(benchmark::State& state) { whole_text(state, schema_grammar()); }
void whole_text_of_json(benchmark::State& state) { whole_text(state, json_object_grammar()); }
BENCHMARK(whole_text_of_schema)->Unit(benchmark::kMillisecond);
BENCHMARK(whole_text_of_json)->Unit(benchmark::kMillisecond);

// The mask after `text` and one more token, with the rules' masks known, as they are from the first
// time on: a step to and fro, so that the constraint's own last mask is of no use.
void mask_after(benchmark::State& state, const Grammar& grammar, const char* text,
                const char* next) {
  TokenConstraint constraint(grammar, vocabulary(), {});
  for (const int32_t token : tokenizer().encode(text, false)) {
    if (!constraint.accept(token)) state.SkipWithError("a token was refused");
  }
  const int32_t token = tokenizer().encode(next, false).front();
  for (auto _ : state) {
    benchmark::DoNotOptimize(constraint.allowed().data());
    if (!constraint.accept(token)) state.SkipWithError("the next token was refused");
    benchmark::DoNotOptimize(constraint.allowed().data());
    constraint.rewind(1);
  }
  state.counters["us_per_mask"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * 2e-6,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(mask_after, key_and_string, json_object_grammar(), "{", "\"");
BENCHMARK_CAPTURE(mask_after, value_and_digit, json_object_grammar(), "{\"a\":", "1");
BENCHMARK_CAPTURE(mask_after, string_and_escape, json_object_grammar(), "{\"a\": \"text", "\\");
BENCHMARK_CAPTURE(mask_after, bounded_string, schema_grammar(),
                  "{\"name\": \"Ada\", \"age\": 3, \"code\": \"abc", "d");

void compile_schema(benchmark::State& state) {
  const auto schema = *template_value_from_json(kSchema, "schema");
  for (auto _ : state) benchmark::DoNotOptimize(json_schema_grammar(schema, "schema"));
}
BENCHMARK(compile_schema)->Unit(benchmark::kMicrosecond);

void make_vocabulary(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(TokenVocabulary(tokenizer()));
}
BENCHMARK(make_vocabulary)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft
