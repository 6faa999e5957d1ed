// Reading by simdjson: members that are of another type than expected count as absent.
#include "real/completion_chunk.h"

#include <fmt/format.h>
#include <simdjson.h>

namespace weft {

namespace {

using Element = simdjson::dom::element;
using Object = simdjson::dom::object;

constexpr size_t kShownBytes = 80;

std::optional<Object> object_of(const Element& element) {
  Object object;
  if (element.get_object().get(object) != simdjson::SUCCESS) return std::nullopt;
  return object;
}

std::optional<Object> object_at(Object object, std::string_view key) {
  Element element;
  if (object[key].get(element) != simdjson::SUCCESS) return std::nullopt;
  return object_of(element);
}

std::optional<std::string_view> text_at(Object object, std::string_view key) {
  std::string_view text;
  if (object[key].get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

// Counts are never negative; one that is counts as absent.
std::optional<int64_t> count_at(Object object, std::string_view key) {
  int64_t count = 0;
  if (object[key].get_int64().get(count) != simdjson::SUCCESS || count < 0) return std::nullopt;
  return count;
}

bool has_text(Object object, std::string_view key) {
  return !text_at(object, key).value_or("").empty();
}

bool has_items(Object object, std::string_view key) {
  simdjson::dom::array items;
  return object[key].get_array().get(items) == simdjson::SUCCESS && items.size() > 0;
}

void read_choice(Object choice, CompletionChunk& out) {
  out.choice = true;
  if (has_text(choice, "finish_reason")) out.finished = true;
  if (has_text(choice, "text")) out.content = true;
  if (const auto delta = object_at(choice, "delta")) {
    for (const char* key : {"content", "reasoning_content", "reasoning"}) {
      if (has_text(*delta, key)) out.content = true;
    }
    if (has_items(*delta, "tool_calls")) out.content = true;
  }
}

void read_usage(Object usage, CompletionChunk& out) {
  out.prompt_tokens = count_at(usage, "prompt_tokens");
  out.completion_tokens = count_at(usage, "completion_tokens");
  if (const auto details = object_at(usage, "prompt_tokens_details")) {
    out.cached_tokens = count_at(*details, "cached_tokens");
  }
}

// {"error": {"message"}}, {"error": "…"}, {"object": "error", "message"} or {"detail": "…"}.
std::optional<std::string> error_of(Object object) {
  if (const auto error = object_at(object, "error")) {
    return std::string(text_at(*error, "message").value_or("an error without a message"));
  }
  if (const auto error = text_at(object, "error")) return std::string(*error);
  if (text_at(object, "object") == "error") {
    return std::string(text_at(object, "message").value_or("an error without a message"));
  }
  if (const auto detail = text_at(object, "detail")) return std::string(*detail);
  return std::nullopt;
}

}  // namespace

struct CompletionReader::Parser {
  simdjson::dom::parser parser;

  std::optional<Object> object(std::string_view json) {
    Element element;
    if (parser.parse(json.data(), json.size()).get(element) != simdjson::SUCCESS) {
      return std::nullopt;
    }
    return object_of(element);
  }
};

std::string shown_bytes(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, kShownBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte >= 0x7f ? '.' : c;
  }
  return bytes.size() > kShownBytes ? out + "..." : out;
}

CompletionReader::CompletionReader() : parser_(std::make_unique<Parser>()) {}
CompletionReader::~CompletionReader() = default;

Result<CompletionChunk> CompletionReader::read(std::string_view json) {
  const auto found = [json] { return shown_bytes(json); };
  const auto object = parser_->object(json);
  if (!object) {
    return bad_input(fmt::format("found \"{}\" in the stream, expected a JSON object", found()));
  }
  CompletionChunk out;
  if (const auto error = error_of(*object)) {
    out.error = shown_bytes(error->empty() ? "an error without a message" : *error);
    return out;
  }
  simdjson::dom::array choices;
  const bool has_choices = (*object)["choices"].get_array().get(choices) == simdjson::SUCCESS;
  if (has_choices) {
    for (const Element choice : choices) {
      if (const auto fields = object_of(choice)) read_choice(*fields, out);
    }
  }
  const auto usage = object_at(*object, "usage");
  if (usage) read_usage(*usage, out);
  if (!has_choices && !usage) {
    return bad_input(
        fmt::format("found \"{}\" in the stream, expected an object with choices", found()));
  }
  return out;
}

std::string CompletionReader::read_error(std::string_view body) {
  const auto object = parser_->object(body);
  if (!object) return shown_bytes(body);
  const auto error = error_of(*object);
  return shown_bytes(error ? *error : body);
}

Result<std::vector<std::string>> CompletionReader::read_models(std::string_view body) {
  const Error wrong =
      bad_input(fmt::format("found \"{}\", expected an OpenAI list of models", shown_bytes(body)));
  const auto object = parser_->object(body);
  simdjson::dom::array models;
  if (!object || (*object)["data"].get_array().get(models) != simdjson::SUCCESS) return wrong;
  std::vector<std::string> out;
  for (const Element model : models) {
    const auto fields = object_of(model);
    const auto id = fields ? text_at(*fields, "id") : std::nullopt;
    if (!id) return wrong;
    out.emplace_back(*id);
  }
  return out;
}

Result<int64_t> CompletionReader::read_token_count(std::string_view body) {
  const auto object = parser_->object(body);
  if (object) {
    if (const auto count = count_at(*object, "count")) return *count;
    simdjson::dom::array tokens;
    if ((*object)["tokens"].get_array().get(tokens) == simdjson::SUCCESS) {
      int64_t count = 0;
      for ([[maybe_unused]] const Element token : tokens) ++count;  // size() stops at 2^24
      return count;
    }
  }
  return bad_input(fmt::format("found \"{}\", expected a count of tokens", shown_bytes(body)));
}

}  // namespace weft
