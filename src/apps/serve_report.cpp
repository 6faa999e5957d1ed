// Table, JSON and warnings.
#include "apps/serve_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/text.h"

namespace weft {

namespace {

using Json = nlohmann::ordered_json;

constexpr double kBusyClient = 0.8;     // share of one processor: no longer a witness
constexpr double kLateShare = 0.02;     // of the median TTFT
constexpr double kLateMs = 1.0;         // below this nobody's latencies change
constexpr double kPromptsDiffer = 0.1;  // of what the workload asks for
constexpr double kOutputsDiffer = 0.02;

double per(double value, double by) { return by > 0 ? value / by : 0.0; }

double cpu_share(const ServeSummary& s, const ServeContext& c) { return per(c.cpu_s, s.wall_s); }

double cpu_us_per_chunk(const ServeContext& c) {
  return per(1e6 * c.cpu_s, static_cast<double>(c.client.chunks));
}

double hit_rate(const ServeSummary& s) {
  return per(static_cast<double>(s.cached_tokens), static_cast<double>(s.prompt_tokens));
}

Json spread_json(const Spread& s) {
  return {{"mean", s.mean}, {"p50", s.p50}, {"p90", s.p90}, {"p99", s.p99}};
}

std::string spread_row(const char* name, const Spread& s) {
  return fmt::format("  {:<12} {:>12.2f} {:>12.2f} {:>12.2f} {:>12.2f}\n", name, s.mean, s.p50,
                     s.p90, s.p99);
}

// What servers say goes into the document as it is; broken UTF-8 must not end it.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string failure_rows(const ServeSummary& s) {
  std::string out;
  for (const auto& [kind, count] : s.failures.kinds) {
    out += fmt::format("  {} x {}: {}\n", count, kind, s.failures.said.at(kind));
  }
  if (s.retry_after_given > 0) {
    out += fmt::format("  {} of {} rejections said when to come again: {} s on average\n",
                       s.retry_after_given, s.rejected, number_text(s.retry_after_s.mean));
  }
  return out;
}

std::string token_rows(const ServeSummary& s) {
  std::string out = fmt::format("prompts     {} tokens{}, {} asked for", grouped(s.prompt_tokens),
                                s.unmeasured_prompts > 0 ? " (not all counted by the server)" : "",
                                grouped(s.asked_prompt_tokens));
  if (s.cached_tokens > 0) out += fmt::format("; {} found cached", percent_text(hit_rate(s)));
  out += fmt::format("\noutput      {} tokens/s ({} tokens in {}); with prompts {} tokens/s\n",
                     number_text(s.output_tokens_per_s), grouped(s.output_tokens),
                     time_text(s.wall_s), number_text(s.total_tokens_per_s));
  return out;
}

}  // namespace

std::string serve_table(const ServeSummary& s, const ServeContext& c) {
  std::string out = fmt::format("{}{}, model {}, {}\n", c.url, c.path, c.model, c.load);
  out += fmt::format("requests    {} arrived, {} completed, {} rejected, {} failed", s.arrived,
                     s.completed, s.rejected, s.failed);
  if (c.interrupted) out += fmt::format("; interrupted, {} unfinished", s.unfinished);
  out += "\n" + failure_rows(s);
  out += fmt::format("\n  {:<12} {:>12} {:>12} {:>12} {:>12}\n", "ms", "mean", "p50", "p90", "p99");
  out += spread_row("TTFT", s.ttft_ms);
  out += spread_row("TPOT", s.tpot_ms);
  out += spread_row("ITL", s.itl_ms);
  out += spread_row("end to end", s.e2e_ms);
  if (s.open_loop) out += spread_row("sent late", s.lateness_ms);
  out += "\n" + token_rows(s);
  out += fmt::format("rate        {} requests/s completed", number_text(s.completed_rps));
  if (s.open_loop) out += fmt::format(", {} planned", number_text(s.offered_rps));
  out += fmt::format("; {} in flight at most\n", c.most_in_flight);
  if (c.slo.ttft_ms > 0 || c.slo.tpot_ms > 0) {
    out += fmt::format("SLO         {} met", percent_text(s.slo_attainment));
    if (c.slo.ttft_ms > 0) out += fmt::format(" TTFT <= {} ms", exact_text(c.slo.ttft_ms));
    if (c.slo.tpot_ms > 0) out += fmt::format(" TPOT <= {} ms", exact_text(c.slo.tpot_ms));
    out += fmt::format(": goodput {} requests/s\n", number_text(s.goodput_rps));
  }
  out += fmt::format("client      {} of one processor, {:.1f} us a chunk, {} connections\n",
                     percent_text(cpu_share(s, c)), cpu_us_per_chunk(c), c.client.connections);
  return out;
}

std::string serve_json(const ServeSummary& s, const ServeContext& c) {
  Json failures = Json::array();
  for (const auto& [kind, count] : s.failures.kinds) {
    failures.push_back({{"kind", kind}, {"count", count}, {"first", s.failures.said.at(kind)}});
  }
  Json lateness = spread_json(s.lateness_ms);
  lateness["max"] = s.most_lateness_ms;
  const Json out{
      {"requests",
       {{"arrived", s.arrived},
        {"completed", s.completed},
        {"rejected", s.rejected},
        {"failed", s.failed},
        {"unfinished", s.unfinished}}},
      {"ttft_ms", spread_json(s.ttft_ms)},
      {"tpot_ms", spread_json(s.tpot_ms)},
      {"itl_ms", spread_json(s.itl_ms)},
      {"e2e_ms", spread_json(s.e2e_ms)},
      {"wall_s", s.wall_s},
      {"prompt_tokens", s.prompt_tokens},
      {"prompt_tokens_asked", s.asked_prompt_tokens},
      {"prompts_counted_by_server", s.completed - s.unmeasured_prompts},
      {"output_tokens", s.output_tokens},
      {"output_tokens_asked", s.asked_output_tokens},
      {"outputs_counted_by_server", s.completed - s.uncounted},
      {"output_tokens_per_s", s.output_tokens_per_s},
      {"total_tokens_per_s", s.total_tokens_per_s},
      {"completed_rps", s.completed_rps},
      {"planned_rps", s.open_loop ? Json(s.offered_rps) : Json(nullptr)},
      {"goodput_rps", s.goodput_rps},
      {"slo_attainment", s.slo_attainment},
      {"slo", {{"ttft_ms", c.slo.ttft_ms}, {"tpot_ms", c.slo.tpot_ms}}},
      {"cache", {{"token_hit_rate", hit_rate(s)}}},
      {"failures", failures},
      {"retry_after_s", s.retry_after_given > 0 ? spread_json(s.retry_after_s) : Json(nullptr)},
      {"lateness_ms", s.open_loop ? lateness : Json(nullptr)},
      {"client",
       {{"cpu_s", c.cpu_s},
        {"cpu_share", cpu_share(s, c)},
        {"chunks", c.client.chunks},
        {"cpu_us_per_chunk", cpu_us_per_chunk(c)},
        {"most_in_flight", c.most_in_flight},
        {"connections", c.client.connections},
        {"resent", c.client.resent}}},
      {"url", c.url},
      {"path", c.path},
      {"model", c.model},
      {"load", c.load},
      {"token_ids", c.token_ids},
      {"seed", c.seed},
      {"interrupted", c.interrupted}};
  return dump(out);
}

std::vector<std::string> serve_warnings(const ServeSummary& s, const ServeContext& c) {
  std::vector<std::string> out;
  const double late = s.lateness_ms.p99;
  if (s.open_loop && late > kLateMs && late > kLateShare * s.ttft_ms.p50) {
    out.push_back(fmt::format(
        "this client sent one request in a hundred {} or more after its planned instant, which "
        "its latencies include: give it a processor of its own, or a lower rate",
        latency_text(late)));
  }
  if (cpu_share(s, c) > kBusyClient) {
    out.push_back(fmt::format("this client was busy {} of the time: latencies may be its own",
                              percent_text(cpu_share(s, c))));
  }
  if (s.completed == 0) return out;
  const auto asked = static_cast<double>(s.asked_prompt_tokens);
  const double ratio = per(static_cast<double>(s.prompt_tokens), asked);
  if (s.unmeasured_prompts > 0) {
    out.push_back(
        fmt::format("{} of {} replies came without usage.prompt_tokens: their prompts count as "
                    "long as they were asked for",
                    s.unmeasured_prompts, s.completed));
  } else if (std::abs(ratio - 1) > kPromptsDiffer) {
    out.push_back(fmt::format("prompts had {} tokens by the server's count, {} were asked for",
                              grouped(s.prompt_tokens), grouped(s.asked_prompt_tokens)));
  }
  if (s.uncounted > 0) {
    out.push_back(
        fmt::format("{} of {} replies came without usage.completion_tokens: a chunk counts as one "
                    "token",
                    s.uncounted, s.completed));
  }
  const double outputs = per(static_cast<double>(s.completed_output_tokens),
                             static_cast<double>(s.asked_output_tokens));
  if (outputs < 1 - kOutputsDiffer) {
    out.push_back(fmt::format("answers ended early: {} of the output tokens asked for came",
                              percent_text(outputs)));
  }
  return out;
}

}  // namespace weft
