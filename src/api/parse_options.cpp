// Sampling, limits, stops, streams and response formats.
#include "api/parse_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace weft {
namespace {

using Kind = TemplateValue::Kind;

void read_sampling(Fields& fields, GenerationOptions& options) {
  options.temperature = fields.number("temperature", 0, 2);
  options.top_p = fields.number("top_p", 0, 1);
  options.min_p = fields.number("min_p", 0, 1);
  options.repetition_penalty = fields.number("repetition_penalty", 0.01, 100);
  options.presence_penalty = fields.number("presence_penalty", -2, 2);
  options.frequency_penalty = fields.number("frequency_penalty", -2, 2);
  if (const auto top_k = fields.integer("top_k", -1, std::numeric_limits<int32_t>::max())) {
    options.top_k = static_cast<int32_t>(std::max<int64_t>(*top_k, 0));  // -1: all, as in vLLM
  }
  constexpr int64_t kAnyInteger = std::numeric_limits<int64_t>::max();
  if (const auto seed = fields.integer("seed", -kAnyInteger, kAnyInteger)) {
    options.seed = static_cast<uint64_t>(*seed);
  }
}

void read_logit_bias(Fields& fields, FirstError& error, GenerationOptions& options) {
  const TemplateValue* const biases = fields.object("logit_bias");
  if (biases == nullptr) return;
  const auto& entries = biases->as_dict();
  if (entries.size() > kMaxLogitBias) {
    error.set("logit_bias", fmt::format("{} entries", entries.size()),
              fmt::format("at most {}", kMaxLogitBias));
    return;
  }
  for (const auto& [key, value] : entries) {
    int32_t id = -1;
    const auto [last, problem] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (problem != std::errc() || last != key.data() + key.size() || id < 0) {
      error.set("logit_bias", describe_value(TemplateValue::text(key)), "token ids as keys");
      return;
    }
    const bool is_number = value.is(Kind::kInteger) || value.is(Kind::kFloat);
    if (!is_number || !(value.as_number() >= -100 && value.as_number() <= 100)) {
      error.set("logit_bias." + key, describe_value(value), "a number from -100 to 100");
      return;
    }
    options.logit_bias.emplace_back(id, static_cast<float>(value.as_number()));
  }
  std::sort(options.logit_bias.begin(), options.logit_bias.end());
  const auto twice = std::adjacent_find(options.logit_bias.begin(), options.logit_bias.end(),
                                        [](auto& a, auto& b) { return a.first == b.first; });
  if (twice != options.logit_bias.end()) {
    error.set("logit_bias", fmt::format("token {} twice", twice->first), "each token once");
  }
}

void read_stop(Fields& fields, FirstError& error, GenerationOptions& options) {
  const auto add = [&](const TemplateValue& value, const std::string& param) {
    if (!value.is(Kind::kText) || value.as_text().empty() ||
        value.as_text().size() > kMaxStopBytes) {
      error.set(param, describe_value(value),
                fmt::format("a string of 1 to {} bytes", kMaxStopBytes));
    } else {
      options.stop.push_back(value.as_text());
    }
  };
  const TemplateValue* const stop = fields.any("stop");
  if (stop != nullptr && stop->is(Kind::kList)) {
    const TemplateValue* const listed = fields.list("stop", kMaxStopStrings);
    for (size_t i = 0; listed != nullptr && i < listed->as_list().size(); ++i) {
      add(listed->as_list()[i], fmt::format("stop[{}]", i));
    }
  } else if (stop != nullptr) {
    if (!stop->is(Kind::kText)) return fields.fail("stop", *stop, "a string or an array of them");
    add(*stop, "stop");
  }
  if (const TemplateValue* ids = fields.list("stop_token_ids", kMaxLogitBias)) {
    options.stop_token_ids = read_token_ids(*ids, "stop_token_ids", error);
  }
}

void read_stream(Fields& fields, FirstError& error, GenerationOptions& options) {
  options.stream = fields.flag("stream").value_or(false);
  const TemplateValue* const stream_options = fields.object("stream_options");
  if (stream_options == nullptr) return;
  if (!options.stream) return fields.fail("stream_options", *stream_options, "it with stream only");
  Fields inner(*stream_options, "stream_options.", error);
  options.include_usage = inner.flag("include_usage").value_or(false);
  options.continuous_usage = inner.flag("continuous_usage_stats").value_or(false);
}

void read_response_format(Fields& fields, FirstError& error, GenerationOptions& options) {
  ResponseFormat& out = options.response_format;
  if (const TemplateValue* schema = fields.any("guided_json")) {
    out = {ResponseFormat::Kind::kJsonSchema, *schema, "guided_json"};
  }
  const TemplateValue* const format = fields.object("response_format");
  if (format == nullptr) return;
  Fields inner(*format, "response_format.", error);
  const auto type = inner.text("type");
  if (type == "text") return;
  out.param = "response_format";
  if (type == "json_object") {
    out.kind = ResponseFormat::Kind::kJsonObject;
  } else if (type == "json_schema") {
    const TemplateValue* const wrapper = inner.object("json_schema");
    if (wrapper == nullptr) return inner.fail_missing("json_schema", "an object with a schema");
    Fields parts(*wrapper, "response_format.json_schema.", error);
    parts.text("name");
    parts.flag("strict");
    const TemplateValue* const schema = parts.any("schema");
    out.kind =
        schema != nullptr ? ResponseFormat::Kind::kJsonSchema : ResponseFormat::Kind::kJsonObject;
    if (schema != nullptr) out.schema = *schema;
    out.param = "response_format.json_schema.schema";
  } else if (const TemplateValue* found = inner.any("type")) {
    inner.fail("type", *found, "text, json_object or json_schema");
  } else {
    inner.fail_missing("type", "text, json_object or json_schema");
  }
}

void refuse_others(Fields& fields) {
  for (const std::string_view key : {"guided_regex", "guided_choice", "guided_grammar",
                                     "structured_outputs", "structural_tag"}) {
    fields.refuse(key, "nothing: not supported; response_format is");
  }
  for (const std::string_view key : {"prompt_logprobs", "use_beam_search", "truncate_prompt_tokens",
                                     "logits_processors", "bad_words", "allowed_token_ids"}) {
    fields.refuse(key, "nothing: not supported");
  }
}

}  // namespace

std::optional<TemplateValue> parse_body(std::string_view body, FirstError& error) {
  auto parsed = template_value_from_json(body, "body");
  if (parsed && parsed->is(Kind::kDict)) return *std::move(parsed);
  if (parsed) {
    error.set("body", describe_value(*parsed), "an object");
  } else {
    error.set("body", parsed.error().message.substr(std::string_view("body: ").size()),
              "a JSON object");
  }
  return std::nullopt;
}

std::vector<int32_t> read_token_ids(const TemplateValue& list, const std::string& param,
                                    FirstError& error) {
  std::vector<int32_t> ids;
  ids.reserve(list.as_list().size());
  for (const TemplateValue& item : list.as_list()) {
    const auto id = whole_number(item);
    if (!id || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
      error.set(fmt::format("{}[{}]", param, ids.size()), describe_value(item), "a token id");
      return {};
    }
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

void read_options(Fields& fields, FirstError& error, GenerationOptions& options) {
  options.model = fields.text("model").value_or("");
  read_sampling(fields, options);
  read_logit_bias(fields, error, options);
  options.max_tokens = fields.integer("max_tokens", 1, kMaxOutput);
  options.min_tokens = fields.integer("min_tokens", 0, kMaxOutput).value_or(0);
  options.n = static_cast<int32_t>(fields.integer("n", 1, kMaxChoices).value_or(1));
  read_stop(fields, error, options);
  options.ignore_eos = fields.flag("ignore_eos").value_or(false);
  options.include_stop_in_output = fields.flag("include_stop_str_in_output").value_or(false);
  options.skip_special_tokens = fields.flag("skip_special_tokens").value_or(true);
  read_stream(fields, error, options);
  options.priority = fields.integer("priority", -1'000'000, 1'000'000).value_or(0);
  options.user = fields.text("user").value_or("");
  read_response_format(fields, error, options);
  refuse_others(fields);
}

SamplingParams GenerationOptions::sampling(SamplingParams defaults, uint64_t otherwise_seed) const {
  constexpr double kLeastTopP = 1e-9;  // 0 is the likeliest token alone
  SamplingParams out = std::move(defaults);
  out.temperature = temperature.value_or(out.temperature);
  out.top_k = top_k.value_or(out.top_k);
  out.top_p = std::max(top_p.value_or(out.top_p), kLeastTopP);
  out.min_p = min_p.value_or(out.min_p);
  out.repetition_penalty = repetition_penalty.value_or(out.repetition_penalty);
  out.presence_penalty = presence_penalty.value_or(out.presence_penalty);
  out.frequency_penalty = frequency_penalty.value_or(out.frequency_penalty);
  out.logit_bias = logit_bias;
  out.seed = seed.value_or(otherwise_seed);
  out.logprobs = logprobs;
  return out;
}

}  // namespace weft
