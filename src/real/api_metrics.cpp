// Counting, and Prometheus' text format.
#include "real/api_metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft {

namespace {

// vLLM's bounds, so that histograms of both can be laid over each other.
const std::vector<double> kTtft = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,  0.25, 0.5,
                                   0.75,  1.0,   2.5,  5.0,  7.5,  10.0, 20.0, 40.0, 80.0, 160.0};
const std::vector<double> kGap = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,  0.3,  0.4,
                                  0.5,  0.75,  1.0,  2.5,   5.0, 7.5,  10.0, 20.0, 40.0};
const std::vector<double> kWhole = {0.3, 0.5, 0.8,  1.0,  1.5,  2.0,  2.5,   5.0,   10.0,
                                    15., 20., 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0};
const std::vector<double> kTokens = {1,   2,    5,    10,   20,    50,    100,   200,
                                     500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

// Backslash, quote and newline of a label's value.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

void head(std::string& out, const char* type, const std::string& name, const std::string& help) {
  fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

}  // namespace

PrometheusHistogram::PrometheusHistogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void PrometheusHistogram::add(double value) {
  const auto at = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  ++counts_[static_cast<size_t>(at)];
  sum_ += value;
}

void PrometheusHistogram::append(std::string& out, const std::string& name, const std::string& help,
                                 const std::string& label) const {
  head(out, "histogram", name, help);
  uint64_t total = 0;
  auto to = std::back_inserter(out);
  for (size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i];
    const std::string bound = i < bounds_.size() ? fmt::format("{}", bounds_[i]) : "+Inf";
    fmt::format_to(to, "{}_bucket{{{},le=\"{}\"}} {}\n", name, label, bound, total);
  }
  fmt::format_to(to, "{}_sum{{{}}} {}\n{}_count{{{}}} {}\n", name, label, sum_, name, label, total);
}

ApiMetrics::ApiMetrics(std::string model)
    : label_("model_name=\"" + escaped(model) + "\""),
      ttft_(kTtft),
      gap_(kGap),
      tpot_(kGap),
      e2e_(kWhole),
      prompt_(kTokens),
      output_(kTokens) {}

void ApiMetrics::hear(const TokenNews& news, Instant now) {
  if (news.tokens > 0) {
    output_tokens_ += static_cast<uint64_t>(news.tokens);
    const auto [last, first_time] = last_.insert(news.tag, now);
    if (!first_time) {
      gap_.add(to_seconds(now - *last));
      *last = now;
    }
  }
  if (news.record != nullptr) ended(news);
}

void ApiMetrics::ended(const TokenNews& news) {
  last_.erase(news.tag);
  const RequestRecord& record = *news.record;
  retries_ += static_cast<uint64_t>(record.retries);
  if (record.end == RequestEnd::kRejected) ++rejected_;
  if (record.end == RequestEnd::kFailed || record.end == RequestEnd::kExpired) ++failed_;
  if (record.end == RequestEnd::kCancelled) ++ends_[kAbort];
  if (record.end != RequestEnd::kCompleted) return;
  const auto output = news.sequence.output();
  const auto& stops = news.sequence.stop_tokens;
  const bool at_stop = !output.empty() && std::ranges::find(stops, output.back()) != stops.end();
  ++ends_[at_stop ? kStop : kLength];
  prompt_tokens_ += static_cast<uint64_t>(record.prompt);
  cached_tokens_ += static_cast<uint64_t>(record.cached);
  ttft_.add(to_seconds(record.first_token - record.arrival));
  e2e_.add(to_seconds(record.last_token - record.arrival));
  if (record.output > 1) {
    tpot_.add(to_seconds(record.last_token - record.first_token) /
              static_cast<double>(record.output - 1));
  }
  prompt_.add(static_cast<double>(record.prompt));
  output_.add(static_cast<double>(record.output));
}

std::string ApiMetrics::text(const ApiGauges& gauges) const {
  std::string out;
  const auto one = [&](const char* type, const std::string& name, const std::string& help,
                       auto value) {
    head(out, type, name, help);
    fmt::format_to(std::back_inserter(out), "{}{{{}}} {}\n", name, label_, value);
  };
  one("gauge", "vllm:num_requests_running", "Sequences in the running batches.", gauges.running);
  one("gauge", "vllm:num_requests_waiting", "Requests that wait.", gauges.waiting);
  one("gauge", "vllm:kv_cache_usage_perc", "Share of the KV blocks in use, 0 to 1.",
      gauges.kv_usage);
  one("counter", "vllm:num_preemptions_total", "Sequences computed again for want of blocks.",
      gauges.preemptions);
  one("counter", "vllm:prompt_tokens_total", "Prompt tokens of completed requests.",
      prompt_tokens_);
  one("counter", "vllm:generation_tokens_total", "Tokens generated.", output_tokens_);
  one("counter", "vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.",
      prompt_tokens_);
  one("counter", "vllm:prefix_cache_hits_total", "Prompt tokens found there.", cached_tokens_);
  head(out, "counter", "vllm:request_success_total", "Requests that ended, by reason.");
  constexpr std::array<const char*, kEnds> kReasons = {"stop", "length", "abort"};
  for (size_t i = 0; i < ends_.size(); ++i) {
    fmt::format_to(std::back_inserter(out),
                   "vllm:request_success_total{{{},finished_reason=\"{}\"}} {}\n", label_,
                   kReasons[i], ends_[i]);
  }
  ttft_.append(out, "vllm:time_to_first_token_seconds", "Arrival to first token.", label_);
  gap_.append(out, "vllm:inter_token_latency_seconds", "Between tokens of a request.", label_);
  tpot_.append(out, "vllm:request_time_per_output_token_seconds",
               "A request's mean time per token after the first.", label_);
  e2e_.append(out, "vllm:e2e_request_latency_seconds", "Arrival to last token.", label_);
  prompt_.append(out, "vllm:request_prompt_tokens", "Prompt tokens of a request.", label_);
  output_.append(out, "vllm:request_generation_tokens", "Output tokens of a request.", label_);
  one("counter", "weft:sequences_submitted_total", "Sequences handed to the router.", submitted_);
  one("counter", "weft:sequences_rejected_total", "Refused because queues were full.", rejected_);
  one("counter", "weft:sequences_failed_total", "No instance could finish them.", failed_);
  one("counter", "weft:sequence_retries_total", "Begun again after an instance died.", retries_);
  one("counter", "weft:clients_hung_up_total", "Gone before their answer was whole.", hung_up_);
  one("gauge", "weft:instances_up", "Instances that are up.", gauges.instances);
  return out;
}

}  // namespace weft
