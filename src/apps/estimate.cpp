// weft estimate: one steady step, a row per term with its time and what bounds it.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/output.h"
#include "plan/prediction.h"
#include "report/text.h"

namespace weft {
namespace {

using Json = nlohmann::ordered_json;

struct EstimateOptions {
  std::string cases;
  std::string json;
};

Json to_json(const Case& one, const Prediction& prediction) {
  Json terms = Json::array();
  for (const Term& term : prediction.terms) {
    terms.push_back({{"name", term.name},
                     {"count", term.count},
                     {"ms", term.seconds * 1e3},
                     {"bound", bound_name(term.bound)}});
  }
  Json metrics = Json::object();
  for (const Published& metric : prediction.metrics) metrics[metric.metric] = metric.value;
  return {{"id", one.id},
          {"step_ms", prediction.step_ms},
          {"bound_ms", prediction.bound_ms},
          {"terms", terms},
          {"metrics", metrics},
          {"outside", prediction.outside}};
}

void print_terms(const Prediction& prediction) {
  fmt::print("  {:<28} {:>6} {:>12} {:>7}  bound by\n", "term", "count", "ms", "share");
  for (const Term& term : prediction.terms) {
    fmt::print("  {:<28} {:>6} {:>12.4f} {:>6.1f}%  {}\n", term.name, term.count,
               term.seconds * 1e3, 100 * term.seconds * 1e3 / prediction.step_ms,
               bound_name(term.bound));
  }
  fmt::print("  {:<28} {:>6} {:>12.4f}\n", "step", "", prediction.step_ms);
  fmt::print("  {:<28} {:>6} {:>12.4f} {:>6.1f}%\n\n", "least possible", "", prediction.bound_ms,
             100 * prediction.bound_ms / prediction.step_ms);
}

void print(const Case& one, const Prediction& prediction) {
  if (one.phase == Phase::kOperator) {
    fmt::print("{}: {} on {}\n\n", one.id, phase_name(one), one.hardware);
  } else {
    fmt::print("{}: {} on {} of {}, {}\n\n", one.id, one.model, one.layout.packages, one.hardware,
               one.engine);
    print_terms(prediction);
  }
  for (const Published& metric : prediction.metrics) {
    fmt::print("  {:<28} {:>19}", metric.metric, number_text(metric.value));
    for (const Published& published : one.published) {
      if (published.metric != metric.metric) continue;
      fmt::print("  published {} ({:+.1f} %)", number_text(published.value),
                 100 * (metric.value / published.value - 1));
    }
    fmt::print("\n");
  }
  for (const std::string& outside : prediction.outside) fmt::print("  note: {}\n", outside);
  fmt::print("\n");
}

Status estimate(const EstimateOptions& options) {
  if (auto writable = check_output(options.json); !writable) return writable.error();
  auto catalog = Catalog::open_default();
  if (!catalog) return catalog.error();
  auto file = load_cases(options.cases);
  if (!file) return file.error();
  Json all = Json::array();
  std::vector<Error> unusable = file->unusable;
  for (const Case& one : file->cases) {
    if (one.phase == Phase::kServe) {
      unusable.push_back(bad_input(
          fmt::format("{}: case \"{}\": phase: found \"serve\", expected a steady step; weft "
                      "validate plays it",
                      one.where, one.id)));
      continue;
    }
    auto prediction = predict(one, *catalog);
    if (!prediction) {
      unusable.push_back(prediction.error());
      continue;
    }
    all.push_back(to_json(one, *prediction));
    if (options.json != "-") print(one, *prediction);
  }
  if (!all.empty()) {
    Json out = all[0];
    out["cases"] = all;
    if (auto done = write_output(options.json, out.dump(2) + "\n"); !done) return done.error();
  }
  return report_all(unusable);
}

}  // namespace

void add_estimate(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<EstimateOptions>();
  CLI::App* command = app.add_subcommand(
      "estimate", "what a case comes to: a steady step term by term, a run under load");
  command->add_option("--case", options->cases, "a TOML file with one or more [[case]]")
      ->required();
  command->add_option("--json", options->json, "writes the results as JSON (- is standard output)");
  command->footer("Example:\n  weft estimate --case scenarios/decode-case.toml");
  command->callback([options, &exit_code] { exit_code = report_status(estimate(*options)); });
}

}  // namespace weft
