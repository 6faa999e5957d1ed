// Which prediction a case asks for, and with whose constants.
#include "plan/prediction.h"

namespace weft {

const double* Prediction::find(const std::string& metric) const {
  for (const Published& one : metrics) {
    if (one.metric == metric) return &one.value;
  }
  return nullptr;
}

Result<Prediction> predict(const Case& one, const Catalog& catalog) {
  if (one.engine.empty()) return predict_operator(one, catalog);
  auto engine = catalog.engine(one.engine);
  if (!engine) return at_case(one, engine.error());
  return predict(one, catalog, *engine);
}

Result<Prediction> predict(const Case& one, const Catalog& catalog, const Engine& engine) {
  switch (one.phase) {
    case Phase::kPrefill:
    case Phase::kDecode:
      return predict_step(one, catalog, engine);
    case Phase::kServe:
      return predict_run(one, catalog, engine);
    case Phase::kOperator:
      break;
  }
  return predict_operator(one, catalog);
}

}  // namespace weft
