// Predicting every case and comparing.
#include "plan/validation.h"

#include <algorithm>
#include <cmath>

namespace weft {

Validation validate(const std::vector<Case>& cases, const Catalog& catalog,
                    const EngineOf& engine_of, const std::function<void(size_t)>& progress) {
  Validation out;
  size_t done = 0;
  for (const Case& one : cases) {
    const Engine* engine = engine_of ? engine_of(one) : nullptr;
    auto prediction = engine != nullptr ? predict(one, catalog, *engine) : predict(one, catalog);
    if (progress) progress(++done);
    if (!prediction) {
      out.unusable.push_back(prediction.error());
      continue;
    }
    for (const Published& published : one.published) {
      const double* value = prediction->find(published.metric);
      if (value == nullptr) {
        out.unusable.push_back(
            at_case(one, bad_input("published." + published.metric + ": found in phase " +
                                   std::string(phase_name(one)) + ", which has no such figure")));
        continue;
      }
      out.rows.push_back({one.id, one.family, published.metric, published.value, *value,
                          !prediction->outside.empty()});
    }
  }
  return out;
}

ErrorSummary summarize(const std::vector<Comparison>& rows) {
  ErrorSummary sum;
  std::vector<double> sizes;
  for (const Comparison& row : rows) {
    const double size = std::abs(row.error());
    sizes.push_back(size);
    sum.mean_abs += size;
    sum.bias += row.error();
    if (size <= sum.max_abs) continue;
    sum.max_abs = size;
    sum.worst = row.id + " " + row.metric;
  }
  sum.rows = static_cast<int>(rows.size());
  if (rows.empty()) return sum;
  sum.mean_abs /= static_cast<double>(rows.size());
  sum.bias /= static_cast<double>(rows.size());
  std::ranges::sort(sizes);
  sum.median_abs = (sizes[sizes.size() / 2] + sizes[(sizes.size() - 1) / 2]) / 2;
  return sum;
}

std::map<std::string, std::vector<Comparison>> by_family(const std::vector<Comparison>& rows) {
  std::map<std::string, std::vector<Comparison>> families;
  for (const Comparison& row : rows) families[row.family].push_back(row);
  return families;
}

}  // namespace weft
