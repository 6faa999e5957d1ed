// Gathering and summing up.
#include "apps/serve_metrics.h"

#include <algorithm>

namespace weft {

namespace {

double per(double value, double by) { return by > 0 ? value / by : 0.0; }

}  // namespace

void ServeMetrics::seen(const ServeRecord& record) {
  first_planned_ = std::min(first_planned_, record.planned);
  last_planned_ = std::max(last_planned_, record.planned);
  last_end_ = std::max(last_end_, record.end);
  output_tokens_ += record.output();
  if (open_loop_) {
    lateness_ms_.push_back(static_cast<float>(to_milliseconds(record.sent - record.planned)));
  }
}

void ServeMetrics::completed(const ServeRecord& record) {
  seen(record);
  ++completed_;
  const int64_t output = record.output();
  prompt_tokens_ += record.prompt_tokens >= 0 ? record.prompt_tokens : record.asked_prompt;
  asked_prompt_ += record.asked_prompt;
  cached_tokens_ += std::max<int64_t>(record.cached_tokens, 0);
  asked_output_ += record.asked_output;
  completed_output_ += output;
  uncounted_ += record.output_tokens < 0 ? 1 : 0;
  unmeasured_ += record.prompt_tokens < 0 ? 1 : 0;
  const double ttft = to_milliseconds(record.first - record.planned);
  ttft_ms_.push_back(static_cast<float>(ttft));
  e2e_ms_.push_back(static_cast<float>(to_milliseconds(record.last - record.planned)));
  double tpot = 0;
  if (output > 1) {
    tpot = to_milliseconds(record.last - record.first) / static_cast<double>(output - 1);
    tpot_ms_.push_back(static_cast<float>(tpot));
  }
  const bool met =
      (slo_.ttft_ms == 0 || ttft <= slo_.ttft_ms) && (slo_.tpot_ms == 0 || tpot <= slo_.tpot_ms);
  if (met) ++met_slo_;
}

void ServeMetrics::rejected(const ServeRecord& record, double retry_after_s) {
  seen(record);
  ++rejected_;
  if (retry_after_s >= 0) retry_after_s_.push_back(static_cast<float>(retry_after_s));
}

void ServeMetrics::failed(const ServeRecord& record, const std::string& kind,
                          const std::string& message) {
  seen(record);
  ++failed_;
  ++failures_.kinds[kind];
  failures_.said.emplace(kind, message);
}

void ServeMetrics::unfinished(const ServeRecord& record) {
  seen(record);
  ++unfinished_;
}

ServeSummary ServeMetrics::summarize() const {
  ServeSummary out;
  out.open_loop = open_loop_;
  out.completed = completed_;
  out.rejected = rejected_;
  out.failed = failed_;
  out.unfinished = unfinished_;
  out.arrived = ended();
  out.ttft_ms = spread_of(ttft_ms_);
  out.tpot_ms = spread_of(tpot_ms_);
  out.e2e_ms = spread_of(e2e_ms_);
  out.itl_ms = spread_of(gaps_);
  out.lateness_ms = spread_of(lateness_ms_);
  if (!lateness_ms_.empty()) {
    out.most_lateness_ms = static_cast<double>(*std::ranges::max_element(lateness_ms_));
  }
  if (first_planned_ != Instant::never()) {
    out.wall_s = to_seconds(last_end_ - first_planned_);
    out.planned_s = to_seconds(last_planned_ - first_planned_);
  }
  const int64_t planned = out.arrived + out.unfinished;
  out.offered_rps = per(static_cast<double>(planned - 1), out.planned_s);
  out.completed_rps = per(static_cast<double>(completed_), out.wall_s);
  out.prompt_tokens = prompt_tokens_;
  out.asked_prompt_tokens = asked_prompt_;
  out.cached_tokens = cached_tokens_;
  out.output_tokens = output_tokens_;
  out.asked_output_tokens = asked_output_;
  out.completed_output_tokens = completed_output_;
  out.uncounted = uncounted_;
  out.unmeasured_prompts = unmeasured_;
  out.output_tokens_per_s = per(static_cast<double>(output_tokens_), out.wall_s);
  out.total_tokens_per_s = per(static_cast<double>(output_tokens_ + prompt_tokens_), out.wall_s);
  out.goodput_rps = per(static_cast<double>(met_slo_), out.wall_s);
  out.slo_attainment = per(static_cast<double>(met_slo_), static_cast<double>(out.arrived));
  out.failures = failures_;
  out.retry_after_s = spread_of(retry_after_s_);
  out.retry_after_given = static_cast<int64_t>(retry_after_s_.size());
  return out;
}

}  // namespace weft
