// weft validate: predictions beside published measurements, with the error of each.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/output.h"
#include "plan/engine_fit.h"
#include "plan/validation.h"
#include "report/text.h"

namespace weft {
namespace {

using Json = nlohmann::ordered_json;

struct ValidateOptions {
  std::string cases;
  std::string only;
  std::string json;
  bool summary = false;
  bool leave_one_out = false;
  std::string fit;
};

// The catalog's measurements, or the user's file. Of the catalog's, cases whose trace is not on
// this machine are left out, with a word.
Result<CaseFile> load(const ValidateOptions& options, const Catalog& catalog) {
  CaseFile all;
  if (!options.cases.empty()) {
    auto file = load_cases(options.cases);
    if (!file) return file.error();
    all = std::move(*file);
  } else {
    std::vector<std::string> paths;
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::path(catalog.folder()) / "measurements";
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".toml") paths.push_back(entry.path().string());
    }
    if (paths.empty()) return not_found(folder.string() + ": no measurements there");
    std::ranges::sort(paths);
    size_t missing = 0;
    for (const std::string& path : paths) {
      auto file = load_cases(path);
      if (!file) return file.error();
      for (Case& one : file->cases) {
        missing += one.missing_trace.empty() ? 0 : 1;
        if (one.missing_trace.empty()) all.cases.push_back(std::move(one));
      }
      all.unusable.insert(all.unusable.end(), file->unusable.begin(), file->unusable.end());
    }
    if (missing > 0) {
      fmt::print(stderr,
                 "weft: {} cases left out: their traces are not here (WEFT_TRACES names the folder "
                 "of traces)\n",
                 missing);
    }
  }
  if (options.only.empty()) return all;
  std::erase_if(all.cases, [&](const Case& one) {
    return one.id.find(options.only) == std::string::npos &&
           one.family.find(options.only) == std::string::npos;
  });
  if (!all.cases.empty()) return all;
  return not_found(
      fmt::format("--only {}: found no case whose id or family contains it", options.only));
}

void print_rows(const std::vector<Comparison>& rows) {
  for (const auto& [family, members] : by_family(rows)) {
    fmt::print("{}\n", family);
    for (const Comparison& row : members) {
      fmt::print("  {:<52} {:<24} {:>12} {:>12} {:>+8.1f} %{}\n", row.id, row.metric,
                 number_text(row.published), number_text(row.predicted), 100 * row.error(),
                 row.outside ? "  outside the fitted range" : "");
    }
  }
  fmt::print("\n");
}

void print_summary(const char* name, const ErrorSummary& sum) {
  fmt::print("{:<36} {:>5} {:>8.1f} % {:>8.1f} % {:>8.1f} % {:>+7.1f} %  {}\n", name, sum.rows,
             100 * sum.mean_abs, 100 * sum.median_abs, 100 * sum.max_abs, 100 * sum.bias,
             sum.worst);
}

void print_summaries(const std::vector<Comparison>& rows) {
  fmt::print("{:<36} {:>5} {:>10} {:>10} {:>10} {:>9}  worst\n", "family", "rows", "mean |err|",
             "median", "max", "bias");
  for (const auto& [family, members] : by_family(rows)) {
    print_summary(family.c_str(), summarize(members));
  }
  print_summary("all", summarize(rows));
}

Json to_json(const std::vector<Comparison>& rows) {
  Json cases = Json::array();
  for (const Comparison& row : rows) {
    cases.push_back({{"id", row.id},
                     {"family", row.family},
                     {"metric", row.metric},
                     {"published", row.published},
                     {"predicted", row.predicted},
                     {"error", row.error()},
                     {"outside_fitted_range", row.outside}});
  }
  const ErrorSummary sum = summarize(rows);
  Json families = Json::object();
  for (const auto& [family, members] : by_family(rows)) {
    const ErrorSummary part = summarize(members);
    families[family] = {{"rows", part.rows},
                        {"mean_abs_error", part.mean_abs},
                        {"max_abs_error", part.max_abs},
                        {"bias", part.bias}};
  }
  return {{"cases", cases},
          {"families", families},
          {"mean_abs_error", sum.mean_abs},
          {"max_abs_error", sum.max_abs}};
}

Status show(const ValidateOptions& options, const std::vector<Comparison>& rows) {
  if (options.json != "-") {
    if (!options.summary) print_rows(rows);
    print_summaries(rows);
  }
  return write_output(options.json, to_json(rows).dump(2) + "\n");
}

Status validate(const ValidateOptions& options) {
  if (auto writable = check_output(options.json); !writable) return writable.error();
  auto catalog = Catalog::open_default();
  if (!catalog) return catalog.error();
  auto file = load(options, *catalog);
  if (!file) return file.error();
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const auto progress = [&](size_t done) {
    if (terminal) fmt::print(stderr, "\r{} of {} cases ", done, file->cases.size());
  };
  if (!options.fit.empty()) {
    auto fitted = fit_engine(file->cases, *catalog, options.fit);
    if (!fitted) return fitted.error();
    fmt::print("{}", constants_text(*fitted));
    return report_all(file->unusable);
  }
  Validation result;
  if (options.leave_one_out) {
    auto left = leave_one_out(file->cases, *catalog, [&](const std::string& family) {
      if (terminal) fmt::print(stderr, "\rwithout {} \033[K", family);
    });
    if (!left) return left.error();
    result = std::move(*left);
  } else {
    result = validate(file->cases, *catalog, {}, progress);
  }
  if (terminal) fmt::print(stderr, "\r\033[K");
  for (const Error& error : result.unusable) file->unusable.push_back(error);
  if (!result.rows.empty() || file->unusable.empty()) {
    if (auto shown = show(options, result.rows); !shown) return shown.error();
  }
  return report_all(file->unusable);
}

}  // namespace

void add_validate(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ValidateOptions>();
  CLI::App* command =
      app.add_subcommand("validate", "predictions beside published measurements, and their errors");
  command->add_option("--cases", options->cases, "a TOML file of cases instead of the catalog's");
  command->add_option("--only", options->only, "cases whose id or family contains this");
  command->add_option("--json", options->json, "writes the results as JSON (- is standard output)");
  command->add_flag("--summary", options->summary, "families alone, not every case");
  command->add_flag("--leave-one-out", options->leave_one_out,
                    "predicts each family with the engines' constants fitted without it");
  command->add_option("--fit", options->fit, "fits this engine's constants and prints them");
  command->footer("Example:\n  weft validate --only cloudmatrix");
  command->callback([options, &exit_code] { exit_code = report_status(validate(*options)); });
}

}  // namespace weft
