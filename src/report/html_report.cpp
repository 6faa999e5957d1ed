// The page around the charts: headline numbers, tables, and the data that the script draws.
#include "report/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "report/html_charts.h"
#include "report/html_page.h"
#include "report/html_tables.h"
#include "report/text.h"

namespace weft {

namespace {

void add_detail(std::string& detail, const std::string& part) {
  if (!detail.empty()) detail += " · ";
  detail += part;
}

// `value` and `detail` are HTML.
void append_card(std::string& out, std::string_view name, const std::string& value,
                 const std::string& detail) {
  fmt::format_to(std::back_inserter(out),
                 "<div class=\"card\"><dt>{}</dt><dd><div class=\"value\">{}</div>"
                 "<div class=\"detail\">{}</div></dd></div>\n",
                 name, value, detail);
}

std::string with_unit(const std::string& value, std::string_view unit) {
  return fmt::format("<span>{}</span> <small>{}</small>", value, unit);
}

void append_request_card(std::string& out, const RunSummary& s) {
  std::string detail = fmt::format("completed of {}", grouped(s.arrived));
  if (s.rejected > 0) add_detail(detail, grouped(s.rejected) + " rejected");
  if (s.failed > 0) add_detail(detail, grouped(s.failed) + " failed");
  if (s.retried > 0) add_detail(detail, grouped(s.retried) + " moved by faults");
  append_card(out, "Requests", grouped(s.completed), detail);
}

void append_slo_card(std::string& out, const RunSummary& s, const SloBounds& slo) {
  if (slo.ttft_ms <= 0 && slo.tpot_ms <= 0) {
    append_card(out, "SLO", "none", "the scenario sets no bound");
    return;
  }
  std::string bounds;
  if (slo.ttft_ms > 0) add_detail(bounds, "TTFT ≤ " + exact_text(slo.ttft_ms) + " ms");
  if (slo.tpot_ms > 0) add_detail(bounds, "TPOT ≤ " + exact_text(slo.tpot_ms) + " ms");
  append_card(out, "SLO met", with_unit(percent_text(s.slo_attainment), "of requests"),
              fmt::format("<div class=\"meter\"><i style=\"width:{:.2f}%\"></i></div>{}<br>"
                          "goodput {} requests/s",
                          100 * std::clamp(s.slo_attainment, 0.0, 1.0), bounds,
                          number_text(s.goodput_rps)));
}

void append_latency_card(std::string& out, std::string_view name, const Spread& spread) {
  if (spread.mean <= 0) {
    append_card(out, name, "–", "nothing to measure");
    return;
  }
  append_card(out, name, with_unit(latency_text(spread.p50), "p50"),
              fmt::format("p90 {} · p99 {}", latency_text(spread.p90), latency_text(spread.p99)));
}

void append_rate_card(std::string& out, const RunSummary& s) {
  std::string detail;
  if (s.prefill_tokens_per_s_per_device > 0) {
    add_detail(detail, number_text(s.prefill_tokens_per_s_per_device) + " prompt");
  }
  if (s.decode_tokens_per_s_per_device > 0) {
    add_detail(detail, number_text(s.decode_tokens_per_s_per_device) + " output");
  }
  if (!detail.empty()) detail = "tokens/s per package of the pool: " + detail;
  append_card(out, "Output", with_unit(number_text(s.output_tokens_per_s), "tokens/s"), detail);
}

void append_cache_card(std::string& out, const RunSummary& s) {
  std::string detail = "of the prompt tokens were not computed again";
  for (const TierSummary& tier : s.tiers) {
    add_detail(detail, fmt::format("{} found {} of its lookups", html_escape(tier.kind),
                                   percent_text(tier.hit_rate)));
  }
  append_card(out, "Cache", percent_text(s.token_hit_rate), detail);
}

void append_cost_cards(std::string& out, const RunSummary& s) {
  const auto tokens = static_cast<double>(s.output_tokens);
  if (s.cost_usd <= 0) {
    append_card(out, "Cost", "not known", "the catalog has no price for this hardware");
  } else {
    append_card(out, "Cost", tokens > 0 ? money_text(1e6 * s.cost_usd / tokens) : "–",
                "per million output tokens · " + money_text(s.cost_usd) + " in all");
  }
  if (s.energy_j <= 0) {
    append_card(out, "Energy", "not known", "the catalog has no power for this hardware");
  } else {
    append_card(out, "Energy", tokens > 0 ? number_text(s.energy_j / tokens) + " J" : "–",
                "per output token · " + energy_text(s.energy_j) + " in all");
  }
}

void append_cards(std::string& out, const HtmlInput& input) {
  const RunSummary& s = input.summary;
  out += "<dl class=\"cards\">\n";
  append_slo_card(out, s, input.slo);
  append_latency_card(out, "TTFT, time to first token", s.ttft_ms);
  append_latency_card(out, "TPOT, time per output token", s.tpot_ms);
  append_request_card(out, s);
  append_rate_card(out, s);
  append_cache_card(out, s);
  append_cost_cards(out, s);
  out += "</dl>\n";
}

void append_header(std::string& out, const HtmlInput& input) {
  const Deployment& deployment = input.deployment;
  std::string where;
  for (const System& system : deployment.systems) {
    if (!where.empty()) where += " and ";
    where += system.title.empty() ? system.name : system.title;
  }
  fmt::format_to(std::back_inserter(out), "<header>\n<h1>{}</h1>\n<p>{} on {}, {} packages in use",
                 html_escape(input.title), html_escape(deployment.model.name), html_escape(where),
                 grouped(deployment.packages()));
  for (const DeployedGroup& group : deployment.groups) {
    fmt::format_to(std::back_inserter(out), " · {} {} × {}", role_name(group.config.role),
                   group.config.instances, group.config.layout.packages);
  }
  fmt::format_to(std::back_inserter(out),
                 "</p>\n<p>A prediction over {} of simulated time</p>\n</header>\n",
                 time_text(input.summary.simulated_s));
}

void append_faults(std::string& out, const RunSeries& series) {
  if (series.marks().empty()) return;
  out += "<h2>Faults</h2>\n<ul class=\"faults\">\n";
  for (const Mark& mark : series.marks()) {
    const std::string until =
        mark.until < series.end() ? "to " + time_text(mark.until.seconds()) : "to the end";
    fmt::format_to(std::back_inserter(out), "<li>{} {}: {}</li>\n",
                   "from " + time_text(mark.from.seconds()), until, html_escape(mark.label));
  }
  out += "</ul>\n";
}

void append_charts(std::string& out, const std::vector<ChartSection>& sections,
                   const SeriesView& view) {
  const std::string width = view.width < seconds(1) ? latency_text(to_milliseconds(view.width))
                                                    : time_text(to_seconds(view.width));
  size_t index = 0;
  for (const ChartSection& section : sections) {
    out += "<section>\n";
    if (!section.title.empty()) out += "<h2>" + html_escape(section.title) + "</h2>\n";
    out += "<div class=\"charts\">\n";
    for (const Chart& chart : section.charts) {
      fmt::format_to(std::back_inserter(out),
                     "<figure data-chart=\"{}\"><figcaption><h3>{}</h3><p class=\"note\">{}</p>"
                     "</figcaption><div class=\"legend\"></div><div class=\"plot\" tabindex=\"0\">"
                     "</div></figure>\n",
                     index++, html_escape(chart.title), html_escape(chart.note));
    }
    out += "</div>\n</section>\n";
  }
  fmt::format_to(std::back_inserter(out),
                 "<section><p class=\"note\">Each point over time covers {}.</p></section>\n",
                 width);
  out += "<noscript><p>The charts are drawn by a script in this page.</p></noscript>\n";
}

void append_footer(std::string& out, const RunSummary& s) {
  fmt::format_to(std::back_inserter(out), "<footer>Made by weft: {} simulated in {}",
                 time_text(s.simulated_s), time_text(s.wall_s));
  if (s.wall_s > 0) {
    fmt::format_to(std::back_inserter(out), ", {} times real time",
                   number_text(s.simulated_s / s.wall_s));
  }
  fmt::format_to(std::back_inserter(out),
                 ". Digest of all decisions <code>{:016x}</code>: the same scenario and seed give "
                 "it again.</footer>\n",
                 s.digest);
}

}  // namespace

std::string html_report(const HtmlInput& input) {
  const SeriesView view = chart_view(input);
  const std::vector<ChartSection> sections = run_charts(input, view);
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  fmt::format_to(std::back_inserter(out), "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n",
                 html_escape(input.title), kPageStyle);
  append_header(out, input);
  out += "<main>\n";
  append_cards(out, input);
  append_faults(out, input.series);
  append_latency_table(out, input);
  append_charts(out, sections, view);
  append_pool_table(out, input);
  append_memory_table(out, input);
  append_cache_table(out, input);
  out += "</main>\n";
  append_footer(out, input.summary);
  out += "<script type=\"application/json\" id=\"run-data\">";
  out += charts_json(sections, view, input.series.marks());
  fmt::format_to(std::back_inserter(out), "</script>\n<script>{}</script>\n</body>\n</html>\n",
                 kPageScript);
  return out;
}

}  // namespace weft
