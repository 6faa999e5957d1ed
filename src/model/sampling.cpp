// The ranges of sampling parameters.
#include "model/sampling.h"

#include <fmt/format.h>

#include <string_view>

namespace weft {
namespace {

Error wrong(std::string_view name, double found, std::string_view expected) {
  return bad_input(fmt::format("{}: found {}, expected {}", name, found, expected));
}

bool is_within(double value, double low, double high) { return value >= low && value <= high; }

}  // namespace

Status check_sampling(const SamplingParams& params, int32_t vocab) {
  if (!is_within(params.temperature, 0, 100)) {
    return wrong("temperature", params.temperature, "0 to 100");
  }
  if (params.top_k < 0) return wrong("top_k", params.top_k, "0 for all, or more");
  if (!(params.top_p > 0 && params.top_p <= 1)) {
    return wrong("top_p", params.top_p, "more than 0, at most 1");
  }
  if (!is_within(params.min_p, 0, 1)) return wrong("min_p", params.min_p, "0 to 1");
  if (!is_within(params.repetition_penalty, 0.01, 100)) {
    return wrong("repetition_penalty", params.repetition_penalty, "0.01 to 100");
  }
  if (!is_within(params.presence_penalty, -2, 2)) {
    return wrong("presence_penalty", params.presence_penalty, "-2 to 2");
  }
  if (!is_within(params.frequency_penalty, -2, 2)) {
    return wrong("frequency_penalty", params.frequency_penalty, "-2 to 2");
  }
  if (!is_within(params.logprobs, -1, kMaxLogprobs)) {
    return wrong("logprobs", params.logprobs, fmt::format("-1 to {}", kMaxLogprobs));
  }
  int32_t last = -1;
  for (const auto& [id, bias] : params.logit_bias) {
    if (id <= last || id >= vocab) {
      return wrong("logit_bias", id, fmt::format("rising token ids below {}", vocab));
    }
    if (!is_within(bias, -100, 100)) return wrong("logit_bias", bias, "-100 to 100");
    last = id;
  }
  return {};
}

}  // namespace weft
