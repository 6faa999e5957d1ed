// The API's own time: a chunk for one token, with and without log probabilities; the way from a
// token's text through stop strings and tool calls to the chunk; a request's parsing.
// Bound of a chunk: its bytes are written once, about 250.
#include <benchmark/benchmark.h>

#include <string>

#include "api/request.h"
#include "api/response.h"
#include "api/stop_strings.h"
#include "model/tokenizer_maker.h"

namespace weft {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer kTokenizer = *Tokenizer::from_json(make_tokenizer_json(8192, 1), "made");
  return kTokenizer;
}

AnswerHead head() { return {chat_id(1), 1700000000, "qwen3-30b-a3b", "fp_0123456789"}; }

void chunk(benchmark::State& state) {
  const ChatChunks chunks(head(), tokenizer(), true);
  std::string out;
  for (auto _ : state) {
    out.clear();
    chunks.content(out, 0, " streaming");
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(chunk);

void chunk_with_logprobs(benchmark::State& state) {
  const ChatChunks chunks(head(), tokenizer(), true);
  Sample sample{{300, -0.123f}, {}};
  for (int32_t i = 0; i < 5; ++i)
    sample.top.push_back({300 + i, -0.123f * static_cast<float>(i + 1)});
  std::string out;
  for (auto _ : state) {
    out.clear();
    chunks.content(out, 0, " streaming", std::span(&sample, 1));
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(chunk_with_logprobs);

void text_to_chunk(benchmark::State& state) {
  const ChatChunks chunks(head(), tokenizer(), true);
  StopStrings stops({"\n\nUser:", "</s>"});
  ToolParser parser(ToolFormat::kHermes, 1);
  std::string out;
  for (auto _ : state) {
    out.clear();
    const ToolOutput output = parser.add(stops.add(" streaming"));
    if (!output.content.empty()) chunks.content(out, 0, output.content);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(text_to_chunk);

void parse_request(benchmark::State& state) {
  std::string body = R"({"model":"m","messages":[{"role":"system","content":"You help."},)"
                     R"({"role":"user","content":")";
  body.append(static_cast<size_t>(state.range(0)), 'x');
  body += R"("}],"temperature":0.7,"max_tokens":256,"stream":true})";
  for (auto _ : state) benchmark::DoNotOptimize(parse_chat_request(body));
}
BENCHMARK(parse_request)->Arg(100)->Arg(100'000);

}  // namespace
}  // namespace weft
