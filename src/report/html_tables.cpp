// Rows of numbers.
#include "report/html_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "report/text.h"

namespace weft {

namespace {

using Row = std::vector<std::string>;  // cells are HTML; the first is the row's head

void append_table(std::string& out, std::string_view title, const Row& columns,
                  const std::vector<Row>& rows, std::string_view note = {}) {
  fmt::format_to(std::back_inserter(out),
                 "<section>\n<h2>{0}</h2>\n"
                 "<div class=\"table\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n"
                 "<table>\n<thead><tr>",
                 title);
  for (const std::string& column : columns) {
    fmt::format_to(std::back_inserter(out), "<th scope=\"col\">{}</th>", column);
  }
  out += "</tr></thead>\n<tbody>\n";
  for (const Row& row : rows) {
    fmt::format_to(std::back_inserter(out), "<tr><th scope=\"row\">{}</th>", row.front());
    for (size_t i = 1; i < row.size(); ++i) {
      fmt::format_to(std::back_inserter(out), "<td>{}</td>", row[i]);
    }
    out += "</tr>\n";
  }
  out += "</tbody>\n</table>\n</div>\n";
  if (!note.empty()) fmt::format_to(std::back_inserter(out), "<p class=\"note\">{}</p>\n", note);
  out += "</section>\n";
}

// Colour, sign and hidden words say the same, so that none of them is needed.
std::string against(double ms, double bound_ms) {
  if (bound_ms <= 0) return number_text(ms);
  const bool within = ms <= bound_ms;
  const std::string_view word = within ? "within" : "over";
  return fmt::format(
      "{} <span class=\"{}\" aria-hidden=\"true\">{}</span>"
      "<span class=\"hidden\">{} the bound</span>",
      number_text(ms), word, within ? "✓" : "✗", word);
}

Row latency_row(std::string_view name, std::string_view meaning, const Spread& spread,
                double bound_ms) {
  const std::string head = fmt::format("{} <span class=\"soft\">{}</span>", name, meaning);
  const std::string bound = bound_ms > 0 ? "≤ " + exact_text(bound_ms) : "–";
  if (spread.mean <= 0) return {head, "–", "–", "–", "–", bound};
  return {head,
          number_text(spread.mean),
          against(spread.p50, bound_ms),
          against(spread.p90, bound_ms),
          against(spread.p99, bound_ms),
          bound};
}

std::string memory_bar(const MemoryPlan& memory) {
  const double parts[] = {memory.weights, memory.buffers, memory.kv};
  const double whole = std::max(memory.capacity, parts[0] + parts[1] + parts[2]);
  std::string out = "<div class=\"memory\" aria-hidden=\"true\">";
  for (size_t i = 0; i < std::size(parts); ++i) {
    fmt::format_to(std::back_inserter(out), "<i style=\"width:{:.2f}%;background:var(--c{})\"></i>",
                   whole > 0 ? 100 * parts[i] / whole : 0.0, i);
  }
  return out + "</div>";
}

std::string memory_head(std::string_view name, int color) {
  return fmt::format("<i class=\"swatch area\" style=\"color:var(--c{})\"></i>{}", color, name);
}

}  // namespace

void append_latency_table(std::string& out, const HtmlInput& input) {
  const RunSummary& s = input.summary;
  append_table(out, "Latency in milliseconds", {"", "mean", "p50", "p90", "p99", "SLO"},
               {latency_row("TTFT", "to the first token", s.ttft_ms, input.slo.ttft_ms),
                latency_row("TPOT", "per token after it", s.tpot_ms, input.slo.tpot_ms),
                latency_row("ITL", "between tokens", s.itl_ms, 0),
                latency_row("E2E", "arrival to last token", s.e2e_ms, 0)});
}

void append_pool_table(std::string& out, const HtmlInput& input) {
  std::vector<Row> rows;
  rows.reserve(input.summary.pools.size());
  for (const PoolSummary& pool : input.summary.pools) {
    rows.push_back({pool.role, grouped(pool.instances), grouped(pool.packages),
                    percent_text(pool.utilization), grouped(pool.steps),
                    latency_text(pool.mean_step_ms), number_text(pool.mean_sequences),
                    number_text(pool.tokens_per_s_per_device), grouped(pool.preemptions)});
  }
  append_table(out, "Pools over the whole run",
               {"pool", "instances", "packages", "busy", "steps", "mean step",
                "sequences in a step", "tokens/s per package", "preemptions"},
               rows, "Tokens are prompt tokens computed in prefill, output tokens elsewhere.");
}

void append_memory_table(std::string& out, const HtmlInput& input) {
  std::vector<Row> rows;
  for (const DeployedGroup& group : input.deployment.groups) {
    const Parallel& p = group.config.layout.parallel;
    const MemoryPlan& memory = group.memory;
    rows.push_back({std::string(role_name(group.config.role)),
                    fmt::format("dp{} tp{} sp{} ep{} pp{}", p.dp, p.tp, p.sp, p.ep, p.pp),
                    memory_bar(memory), bytes_text(memory.weights), bytes_text(memory.buffers),
                    bytes_text(memory.kv), bytes_text(memory.capacity),
                    grouped(memory.blocks_per_rank * group.scheduler.block.count())});
  }
  append_table(out, "Memory of one die",
               {"pool", "parallel, in dies", "", memory_head("weights", 0),
                memory_head("buffers", 1), memory_head("KV", 2), "usable", "KV tokens per rank"},
               rows);
}

void append_cache_table(std::string& out, const HtmlInput& input) {
  if (input.summary.tiers.empty()) return;
  const std::vector<CacheConfig>& caches = input.deployment.cluster.caches;
  std::vector<Row> rows;
  for (size_t t = 0; t < input.summary.tiers.size(); ++t) {
    const TierSummary& tier = input.summary.tiers[t];
    double capacity = 0;
    for (const CacheConfig& cache : caches) {
      if (t >= cache.capacities.size()) continue;
      capacity += static_cast<double>(cache.capacities[t]) * cache.block.as_double();
    }
    rows.push_back({html_escape(tier.kind), percent_text(tier.hit_rate),
                    bytes_text(tier.used_bytes), bytes_text(capacity),
                    capacity > 0 ? percent_text(tier.used_bytes / capacity) : "–"});
  }
  append_table(out, "Cache tiers behind the instances",
               {"tier", "blocks found of those looked up", "in use at the end", "room", "full"},
               rows,
               fmt::format("{} nodes together.", grouped(static_cast<int64_t>(caches.size()))));
}

}  // namespace weft
