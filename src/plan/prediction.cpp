// Which prediction a case asks for, and with whose constants.
#include "plan/prediction.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft {

const double* Prediction::find(const std::string& metric) const {
  for (const Published& one : metrics) {
    if (one.metric == metric) return &one.value;
  }
  return nullptr;
}

Result<Prediction> predict(const Case& one, const Catalog& catalog) {
  if (one.engine.empty()) return predict_operator(one, catalog);
  auto engine = catalog.engine(one.engine, one.hardware);
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

std::vector<std::string> borrowed_kernels(const Chip& chip, const Precision& precision,
                                          AttentionKind attention) {
  std::vector<std::string> lenders;
  const auto note = [&](const std::string& lender) {
    const bool own = lender == chip.name || lender.empty();
    if (!own && std::ranges::find(lenders, lender) == lenders.end()) lenders.push_back(lender);
  };
  const GemmKind kind = gemm_kind(precision.weights, precision.activations, false);
  note(chip.kernels.gemm.of(kind).chip);
  const bool gqa = attention == AttentionKind::kGqa;
  const DecodeKernel kernel = gqa ? DecodeKernel::kGqa : DecodeKernel::kMla;
  note(chip.kernels.attention.decode(kernel, precision.kv).chip);
  if (lenders.empty()) return {};
  return {
      fmt::format("kernels of {} were not all measured: those of {} stand for them, as shares "
                  "of its own peaks",
                  chip.title, join_alternatives(lenders))};
}

}  // namespace weft
