// The published traces, against the statistics their collectors and ours computed elsewhere.
// Skips where the files are not there: they are no part of the repository.
#include <gtest/gtest.h>

#include "base/flat_map.h"
#include "sim/segments.h"
#include "sim/servegen.h"
#include "sim/trace.h"
#include "sim/trace_testing.h"

namespace weft {
namespace {

struct Expected {
  const char* file;
  TraceFormat format;
  uint64_t rows;
  double mean_prompt, mean_output;
  double last_s;
};

struct Statistics {
  uint64_t rows = 0;
  double prompt = 0, output = 0;
  int64_t last_ns = 0;
  bool ordered = true;
};

Statistics read_all(const std::string& path, TraceFormat format) {
  Statistics out;
  auto reader = TraceReader::open(path);
  EXPECT_TRUE(reader.ok()) << reader.error().message;
  if (!reader) return out;
  EXPECT_EQ(reader->format(), format) << path;
  TraceRow row;
  for (;;) {
    auto more = reader->next(row);
    EXPECT_TRUE(more.ok()) << more.error().message;
    if (!more || !*more) break;
    ++out.rows;
    out.prompt += static_cast<double>(row.prompt);
    out.output += static_cast<double>(row.output);
    out.ordered = out.ordered && row.at_ns >= out.last_ns;
    out.last_ns = row.at_ns;
  }
  EXPECT_EQ(reader->notes().raised + reader->notes().failed, 0u) << path;
  return out;
}

TEST(TraceFiles, RowsLengthsAndSpansAreThePublishedOnes) {
  const std::string folder = traces_folder();
  if (folder.empty()) GTEST_SKIP() << "no traces: set WEFT_TRACES to a folder that has them";
  using F = TraceFormat;
  const std::string sharegpt = "lengths/sharegpt_8k_filtered_stats_llama2_tokenizer.csv.gz";
  const Expected expected[] = {
      {"mooncake-fast25/conversation_trace.jsonl", F::kMooncake, 12'031, 12'035.1, 342.6, 3537.0},
      {"mooncake-fast25/synthetic_trace.jsonl", F::kMooncake, 3'993, 15'325.5, 149.1, 1022.0},
      {"azure-2023/AzureLLMInferenceTrace_code.csv", F::kAzure, 8'819, 2'047.8, 27.9, 3435.9},
      {"azure-2023/AzureLLMInferenceTrace_conv.csv", F::kAzure, 19'366, 1'154.7, 211.1, 3501.7},
      {"apex/llama_creation_05.csv", F::kApex, 512, 307.7, 1'144.3, 1098.0},
      {"apex/llama_lmsys_025.csv", F::kApex, 1'024, 61.7, 162.1, 4197.3},
      {"apex/llama_summarization_025.csv", F::kApex, 1'302, 2'753.1, 170.5, 5195.0},
      {"llmservingsim/RTXPRO6000/Llama-3.1-8B/vllm/requests.jsonl", F::kEngineLog, 300, 857.5,
       652.5, 29.1},
      {"llmservingsim/RTXPRO6000/Qwen3-32B/vllm/requests.jsonl", F::kEngineLog, 300, 862.3, 665.0,
       29.1},
      {sharegpt.c_str(), F::kLengths, 30'731, 2'340, 438.7, 0},
  };
  for (const Expected& trace : expected) {
    const std::string path = folder + "/" + trace.file;
    if (!std::filesystem::exists(path)) continue;  // a folder with some of them is fine
    const Statistics found = read_all(path, trace.format);
    const auto rows = static_cast<double>(found.rows);
    EXPECT_EQ(found.rows, trace.rows) << path;
    EXPECT_TRUE(found.ordered) << path;
    EXPECT_NEAR(found.prompt / rows, trace.mean_prompt, 0.06) << path;
    EXPECT_NEAR(found.output / rows, trace.mean_output, 0.06) << path;
    EXPECT_NEAR(static_cast<double>(found.last_ns) * 1e-9, trace.last_s, 0.06) << path;
  }
}

struct Reuse {
  size_t distinct_ids = 0;
  uint64_t ids = 0;
  double by_segments = 0;  // share of the tokens that an unlimited cache holds, by hash ids
  double by_blocks = 0;    // the same by full blocks of 128 tokens
};

Reuse measure_reuse(const std::string& path) {
  Reuse out;
  auto reader = TraceReader::open(path);
  EXPECT_TRUE(reader.ok());
  FlatMap<char> ids, prefixes, blocks;
  std::vector<BlockHash> hashes;
  double tokens = 0, hit_ids = 0, hit_blocks = 0;
  TraceRow row;
  Arrival arrival;
  while (reader->next(row).value()) {
    uint64_t chain = 0;
    bool hit = true;
    for (const Segment& segment : row.segments) {
      ids.insert(segment.content, 1);
      chain = mix64(chain, segment.content);
      hit = !prefixes.insert(chain, 1).second && hit;
      hit_ids += hit ? segment.tokens.as_double() : 0;
    }
    out.ids += row.segments.size();
    tokens += static_cast<double>(row.prompt);
    arrival.prompt = Tokens(row.prompt);
    arrival.segments = row.segments;
    hash_blocks(arrival, Tokens(128), 1, hashes);
    ++arrival.id;
    hit = true;
    for (const BlockHash hash : hashes) {
      hit = !blocks.insert(hash.value(), 1).second && hit;
      hit_blocks += hit ? 128 : 0;
    }
  }
  out.distinct_ids = ids.size();
  out.by_segments = hit_ids / tokens;
  out.by_blocks = hit_blocks / tokens;
  return out;
}

TEST(TraceFiles, IdealHitRatesFollowFromTheHashIds) {
  const std::string folder = traces_folder();
  if (folder.empty()) GTEST_SKIP() << "no traces: set WEFT_TRACES to a folder that has them";
  struct Case {
    const char* file;
    uint64_t ids;
    size_t distinct;
    double share;
  };
  for (const Case& trace :
       {Case{"conversation", 288'500, 182'790, 0.374}, Case{"synthetic", 121'877, 43'924, 0.651}}) {
    const std::string path = folder + "/mooncake-fast25/" + trace.file + "_trace.jsonl";
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
    const Reuse reuse = measure_reuse(path);
    EXPECT_EQ(reuse.ids, trace.ids);
    EXPECT_EQ(reuse.distinct_ids, trace.distinct);
    EXPECT_NEAR(reuse.by_segments, trace.share, 0.0006) << path;
    EXPECT_NEAR(reuse.by_blocks, trace.share, 0.01) << path;
  }
}

TEST(TraceFiles, ServegenClientsAddUpToTheRecordedLoad) {
  const std::string path = traces_folder() + "/servegen/deepseek-r1.tar.zst";
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << "no traces: set WEFT_TRACES to a folder that has them";
  auto data = read_servegen(path);
  ASSERT_TRUE(data.ok()) << data.error().message;
  EXPECT_EQ(data->clients.size(), 73u);
  EXPECT_EQ(data->windows, 144u);
  EXPECT_EQ(data->day_s(), 86'400);
  WorkloadSpec spec;
  spec.name = path;
  auto whole = ServegenLoad::make(*data, spec, 1);
  ASSERT_TRUE(whole.ok()) << whole.error().message;
  EXPECT_NEAR(whole->expected_requests() / 86'400, 16.01, 0.01);
  spec.rate = 1.6;  // a tenth of the day's requests tells as much
  auto load = ServegenLoad::make(std::move(*data), spec, 1);
  ASSERT_TRUE(load.ok()) << load.error().message;
  Arrival arrival;
  Instant last;
  double requests = 0, prompt = 0, output = 0;
  bool ordered = true;
  while (load->next(arrival).value()) {
    ordered = ordered && arrival.at >= last;
    last = arrival.at;
    ++requests;
    prompt += arrival.prompt.as_double();
    output += arrival.output.as_double();
  }
  EXPECT_TRUE(ordered);
  EXPECT_NEAR(requests / 86'400, 1.6, 0.003);
  EXPECT_NEAR(prompt / requests, 1'268, 30);
  EXPECT_NEAR(output / requests, 1'527, 20);
}

}  // namespace
}  // namespace weft
