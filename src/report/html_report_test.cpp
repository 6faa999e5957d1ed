// The HTML page: whole, safe, and right about what there is to show.
#include "report/html_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/html_page.h"
#include "report/report_testing.h"
#include "report/timeline.h"

namespace weft {
namespace {

using nlohmann::json;

RunSummary some_summary() {
  RunSummary out;
  out.arrived = out.completed = 3;
  out.ttft_ms = {120, 100, 150, 250};
  out.tpot_ms = {20, 20, 25, 30};
  out.simulated_s = 12;
  out.output_tokens = 300;
  out.cost_usd = 0.5;
  out.energy_j = 1000;
  out.slo_attainment = 0.5;
  out.pools.push_back({.role = "prefill", .instances = 1, .packages = 2});
  out.digest = 0xabc;
  return out;
}

json data_of(const std::string& page) {
  const std::string open = "id=\"run-data\">";
  const size_t start = page.find(open) + open.size();
  return json::parse(page.substr(start, page.find("</script>", start) - start));
}

class HtmlReportTest : public testing::Test {
 protected:
  void play() {
    for (int i = 0; i < 40; ++i) {
      const Instant at = Instant() + milliseconds(250 * i);
      timeline_.step_done(TestStep(0, at, milliseconds(80), 500, 0).report());
      timeline_.step_done(TestStep(1, at, milliseconds(200), 0, 8).report());
      timeline_.request_ended(completed(at, milliseconds(90), milliseconds(20), 50, 500, 100));
    }
  }
  [[nodiscard]] std::string page(const RunSummary& summary = some_summary()) const {
    return timeline_.to_html(summary, slo_, title_);
  }

  Deployment deployment_ = test_deployment(0, 1, 1);
  Timeline timeline_{deployment_};
  SloBounds slo_{200, 40};
  std::string title_ = "a run";
};

TEST_F(HtmlReportTest, TextFromOutsideStaysText) {
  const std::string evil = "</script></title><script>alert('\"1&')</script>";
  title_ = evil;
  deployment_.model.name = evil;
  deployment_.systems[0].title = evil;
  timeline_.add_mark({Instant(), Instant::never(), evil});
  RunSummary summary = some_summary();
  summary.tiers.push_back({evil, 0.5, 1e9});
  play();
  const std::string text = page(summary);
  EXPECT_EQ(text.find("<script>alert"), std::string::npos);
  EXPECT_EQ(count_of(text, "</script>"), 2U);
  EXPECT_NE(text.find("&lt;script&gt;alert(&#39;&quot;1&amp;&#39;)"), std::string::npos);
  EXPECT_EQ(data_of(text).at("marks")[0].at("label"), evil);
}

TEST_F(HtmlReportTest, NeedsNoNetwork) {
  play();
  const std::string text = page();
  EXPECT_EQ(count_of(text, "http"), count_of(text, "http://www.w3.org/2000/svg"));
  for (const char* part : {"src=", "href=", "url(", "@import", "import("}) {
    EXPECT_EQ(text.find(part), std::string::npos) << part;
  }
}

TEST_F(HtmlReportTest, TagsThatAreOpenedAreClosed) {
  play();
  timeline_.add_mark({Instant(), Instant() + seconds(2), "prefill/0 down"});
  RunSummary summary = some_summary();
  summary.tiers.push_back({"dram", 0.5, 1e9});
  const std::string text = page(summary);
  const std::string body = text.substr(0, text.find("id=\"run-data\""));
  for (const std::string tag : {"head", "style", "header", "main", "section", "figure", "table",
                                "tbody", "tr", "ul", "dl", "dd", "div", "span", "p", "h2", "h3"}) {
    const size_t opened = count_of(body, "<" + tag + ">") + count_of(body, "<" + tag + " ");
    EXPECT_EQ(opened, count_of(body, "</" + tag + ">")) << tag;
  }
}

TEST_F(HtmlReportTest, EveryFigureHasAChartWithAValueForEachPoint) {
  play();
  const std::string text = page();
  const json data = data_of(text);
  const size_t count = data.at("count");
  EXPECT_GT(count, 10U);
  EXPECT_EQ(data.at("charts").size(), count_of(text, "<figure data-chart="));
  for (const json& chart : data.at("charts")) {
    EXPECT_FALSE(chart.at("title").get<std::string>().empty());
    EXPECT_FALSE(chart.at("unit").get<std::string>().empty());
    const bool over_time = chart.at("kind") != "distribution";
    for (const json& line : chart.at("lines")) {
      EXPECT_EQ(line.at("values").size(), over_time ? count : chart.at("x").size());
    }
  }
  EXPECT_EQ(data.at("charts")[0].at("limit"), 200.0);
  EXPECT_EQ(data.at("charts")[1].at("limit"), 40.0);
}

TEST_F(HtmlReportTest, ChartsShowWhatHappened) {
  play();
  const json data = data_of(page());
  const auto values = [&](const std::string& title, const std::string& line) {
    for (const json& chart : data.at("charts")) {
      if (chart.at("title") != title) continue;
      for (const json& each : chart.at("lines")) {
        if (each.at("name") == line) return each.at("values").get<std::vector<json>>();
      }
    }
    ADD_FAILURE() << title << ": " << line;
    return std::vector<json>(9);
  };
  EXPECT_NEAR(values("TTFT over time", "p50")[5].get<double>(), 90, 1.5);
  EXPECT_NEAR(values("TPOT over time", "p99")[8].get<double>(), 20, 0.3);
  EXPECT_NEAR(values("Busy", "prefill")[5].get<double>(), 32, 0.1);
  EXPECT_NEAR(values("Busy", "decode")[5].get<double>(), 80, 0.1);
  EXPECT_NEAR(values("Step time", "decode")[5].get<double>(), 200, 0.1);
  EXPECT_NEAR(values("Requests", "arrived")[5].get<double>(), 4, 0.01);
  EXPECT_NEAR(values("Output tokens", "output")[5].get<double>(), 32, 0.1);
  EXPECT_NEAR(values("Prompt tokens", "from the cache")[5].get<double>(), 400, 1);
  EXPECT_NEAR(values("TTFT distribution", "requests").back().get<double>(), 100, 1e-9);
}

TEST_F(HtmlReportTest, ARunInWhichNothingHappenedSaysSo) {
  const std::string text = page(RunSummary{});
  const json data = data_of(text);
  EXPECT_EQ(data.at("count"), 0);
  for (const json& chart : data.at("charts")) EXPECT_NE(chart.at("empty"), "");
  for (const char* wrong : {">nan", ">inf", "nan%", "-nan", ">0 ms"}) {
    EXPECT_EQ(text.find(wrong), std::string::npos) << wrong;
  }
}

TEST_F(HtmlReportTest, ALoneRequestOfOneTokenHasNoTpot) {
  timeline_.request_ended(completed(Instant() + seconds(1), milliseconds(90), Duration{}, 1));
  const json data = data_of(page());
  for (const json& value : data.at("charts")[1].at("lines")[0].at("values")) {
    EXPECT_TRUE(value.is_null());
  }
  EXPECT_TRUE(data.at("charts")[3].at("x").empty());
  EXPECT_EQ(data.at("charts")[2].at("x").size(), 2U);
}

TEST_F(HtmlReportTest, PercentilesAreHeldAgainstTheirBound) {
  const std::string text = page();
  EXPECT_EQ(count_of(text, ">over the bound<"), 1U);  // p99 of TTFT
  EXPECT_EQ(count_of(text, ">within the bound<"), 5U);
  slo_ = {};
  const std::string free = page();
  EXPECT_EQ(count_of(free, "the bound<"), 0U);
  EXPECT_NE(free.find("the scenario sets no bound"), std::string::npos);
}

TEST_F(HtmlReportTest, WhatIsNotKnownIsNotZero) {
  RunSummary summary = some_summary();
  summary.cost_usd = summary.energy_j = 0;
  EXPECT_EQ(count_of(page(summary), "not known"), 2U);
}

}  // namespace
}  // namespace weft
