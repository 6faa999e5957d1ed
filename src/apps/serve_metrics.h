// ServeMetrics: what a load on a real server came to. Pure: instants and counts in, numbers out.
// Latencies count from the planned instant of a request where there is a plan (an open loop), so
// that a server which stalls is charged with everyone who had to wait, sent or not.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "base/time.h"
#include "report/run_metrics.h"

namespace weft {

// One request from its plan to its end.
struct ServeRecord {
  Instant planned;  // when it should have been sent; closed loop: when it was
  Instant sent;
  Instant first;  // chunk with content
  Instant last;   // chunk with content
  Instant end;
  int64_t chunks = 0;        // with content
  int64_t asked_prompt = 0;  // tokens that the workload wants
  int64_t asked_output = 0;
  int64_t prompt_tokens = -1;  // by the server's count; -1: it gave none
  int64_t output_tokens = -1;
  int64_t cached_tokens = -1;

  // By the server's count, else chunks.
  [[nodiscard]] int64_t output() const { return output_tokens >= 0 ? output_tokens : chunks; }
};

struct ServeFailures {
  std::map<std::string, int64_t> kinds;     // "timeout", "connection", "status 500", …
  std::map<std::string, std::string> said;  // the first message of each
};

struct ServeSummary {
  int64_t arrived = 0, completed = 0, rejected = 0, failed = 0;
  int64_t unfinished = 0;  // interrupted by hand; not in arrived
  Spread ttft_ms, tpot_ms, itl_ms, e2e_ms;
  Spread lateness_ms;  // sent - planned: this client's own; open loop
  double most_lateness_ms = 0;
  bool open_loop = false;
  double wall_s = 0;     // from the first plan to the last end
  double planned_s = 0;  // from the first plan to the last: what the offered rate is over
  double offered_rps = 0, completed_rps = 0;
  int64_t prompt_tokens = 0;  // of completed requests: the server's count, or what was asked for
  int64_t asked_prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t output_tokens = 0;        // of all
  int64_t asked_output_tokens = 0;  // of completed requests
  int64_t completed_output_tokens = 0;
  int64_t uncounted = 0;           // completed requests whose output tokens are chunks
  int64_t unmeasured_prompts = 0;  // completed requests without the server's count
  double output_tokens_per_s = 0, total_tokens_per_s = 0;
  double goodput_rps = 0, slo_attainment = 0;
  ServeFailures failures;
  Spread retry_after_s;  // of rejections that gave one
  int64_t retry_after_given = 0;
};

class ServeMetrics {
 public:
  ServeMetrics(SloBounds slo, bool open_loop) : slo_(slo), open_loop_(open_loop) {}

  void chunk_gap(Duration gap) { gaps_.add(gap); }
  void completed(const ServeRecord& record);
  // 429: the server has a full queue. `retry_after_s` < 0: it does not say when to come again.
  void rejected(const ServeRecord& record, double retry_after_s);
  void failed(const ServeRecord& record, const std::string& kind, const std::string& message);
  void unfinished(const ServeRecord& record);

  [[nodiscard]] ServeSummary summarize() const;
  [[nodiscard]] int64_t ended() const { return completed_ + rejected_ + failed_; }
  [[nodiscard]] int64_t completed() const { return completed_; }
  [[nodiscard]] int64_t output_tokens() const { return output_tokens_; }

 private:
  void seen(const ServeRecord& record);

  SloBounds slo_;
  bool open_loop_;
  std::vector<float> ttft_ms_, tpot_ms_, e2e_ms_, lateness_ms_, retry_after_s_;
  Histogram gaps_;
  Instant first_planned_ = Instant::never();
  Instant last_planned_, last_end_;
  int64_t completed_ = 0, rejected_ = 0, failed_ = 0, unfinished_ = 0;
  int64_t met_slo_ = 0;
  int64_t prompt_tokens_ = 0, asked_prompt_ = 0, cached_tokens_ = 0;
  int64_t output_tokens_ = 0, asked_output_ = 0, completed_output_ = 0;
  int64_t uncounted_ = 0, unmeasured_ = 0;
  ServeFailures failures_;
};

}  // namespace weft
