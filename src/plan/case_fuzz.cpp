// Any text as a file of cases: cases within their bounds, or one clear error in one line each; and
// a steady step or an operator of any case is a finite time or one such error. Runs under load are
// not played, and no trace is opened.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "plan/prediction.h"

namespace {

void check_error(const weft::Error& error) {
  CHECK(!error.message.empty() && error.message.find('\n') == std::string::npos);
}

void check_case(const weft::Case& one) {
  CHECK(!weft::phase_name(one).empty());
  for (const weft::Published& published : one.published) CHECK(published.value > 0);
  if (one.phase == weft::Phase::kServe) {
    CHECK(one.load.has_value());
    return;
  }
  if (one.phase == weft::Phase::kOperator) {
    CHECK(one.shape.has_value());
    return;
  }
  CHECK(one.input_tokens > 0 && one.layout.packages > 0 && one.reuse < 1);
  CHECK(one.batch_per_device > 0 || one.tokens_per_device > 0);
}

const weft::Catalog& catalog() {
  static const weft::Catalog kCatalog = [] {
    auto found = weft::Catalog::open_default();
    CHECK(found.ok(), "the catalog can be read");
    return std::move(found).value();
  }();
  return kCatalog;
}

// A name that is a path would be read.
bool names_file(const weft::Case& one) {
  for (const std::string* name : {&one.model, &one.hardware, &one.engine}) {
    if (name->find_first_of("/.") != std::string::npos && *name != "deepseek-v3.2") return true;
  }
  return false;
}

void check_prediction(const weft::Case& one) {
  const auto prediction = weft::predict(one, catalog());
  if (!prediction) return check_error(prediction.error());
  for (const weft::Published& metric : prediction->metrics) {
    CHECK(std::isfinite(metric.value) && metric.value >= 0);
  }
  CHECK(prediction->step_ms >= prediction->bound_ms * (1 - 1e-9));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = weft::parse_cases(text, "fuzz");
  if (!file) return check_error(file.error()), 0;
  CHECK(!file->cases.empty() || !file->unusable.empty());
  for (const weft::Error& error : file->unusable) check_error(error);
  for (const weft::Case& one : file->cases) {
    check_case(one);
    if (one.phase != weft::Phase::kServe && !names_file(one)) check_prediction(one);
  }
  return 0;
}
