// Readers of the two small files.
#include "model/tokenizer_config.h"

#include <fmt/format.h>

#include <limits>

#include "model/json_read.h"

namespace weft {
namespace {

// Reads members, and keeps the first that is of the wrong type.
class Members {
 public:
  Members(JsonObject object, std::string name) : object_(object), name_(std::move(name)) {}

  // A string, or a table with its content.
  void token(std::string_view key, std::optional<std::string>& value) {
    const auto member = json_member(object_, key);
    if (!member) return;
    std::string_view text;
    JsonObject table;
    if (!member->get_string().get(text) ||
        (!member->get_object().get(table) && !table.at_key("content").get_string().get(text))) {
      value = std::string(text);
    } else {
      wrong(key, *member, "a string, or a table with its content");
    }
  }

  void flag(std::string_view key, std::optional<bool>& value) {
    const auto member = json_member(object_, key);
    if (!member) return;
    value = json_flag(object_, key);
    if (!value) wrong(key, *member, "true or false");
  }

  void number(std::string_view key, std::optional<double>& value) {
    const auto member = json_member(object_, key);
    if (!member) return;
    value = json_number(object_, key);
    if (!value) wrong(key, *member, "a number");
  }

  void integer(std::string_view key, std::optional<int32_t>& value) {
    const auto member = json_member(object_, key);
    int64_t whole = 0;
    if (!member) return;
    if (read_integer(*member, whole)) {
      value = static_cast<int32_t>(whole);
    } else {
      wrong(key, *member, "a whole number from 0 to 2147483647");
    }
  }

  // One integer or a list of them.
  void integers(std::string_view key, std::vector<int32_t>& values) {
    const auto member = json_member(object_, key);
    if (!member) return;
    JsonArray list;
    int64_t whole = 0;
    if (read_integer(*member, whole)) {
      values.push_back(static_cast<int32_t>(whole));
    } else if (!member->get_array().get(list)) {
      for (const JsonElement item : list) {
        if (!read_integer(item, whole)) return wrong(key, item, "an id, or a list of them");
        values.push_back(static_cast<int32_t>(whole));
      }
    } else {
      wrong(key, *member, "an id, or a list of them");
    }
  }

  // A template, or a list of named ones.
  void templates(std::vector<std::pair<std::string, std::string>>& values) {
    const auto member = json_member(object_, "chat_template");
    if (!member) return;
    std::string_view text;
    JsonArray list;
    if (!member->get_string().get(text)) {
      values.emplace_back("default", text);
    } else if (!member->get_array().get(list)) {
      for (const JsonElement item : list) {
        JsonObject table;
        const bool is_table = !item.get_object().get(table);
        const auto name = is_table ? json_text(table, "name") : std::nullopt;
        const auto source = is_table ? json_text(table, "template") : std::nullopt;
        if (!name || !source) return wrong("chat_template", item, "a name and a template");
        values.emplace_back(*name, *source);
      }
    } else {
      wrong("chat_template", *member, "a template, or a list of named ones");
    }
  }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  static bool read_integer(JsonElement element, int64_t& value) {
    return !element.get_int64().get(value) && value >= 0 &&
           value <= std::numeric_limits<int32_t>::max();
  }
  void wrong(std::string_view key, JsonElement found, std::string_view expected) {
    if (error_) return;
    error_ = bad_input(
        fmt::format("{}: {}: found {}, expected {}", name_, key, describe_json(found), expected));
  }

  JsonObject object_;
  std::string name_;
  std::optional<Error> error_;
};

Status put_end(const Tokenizer& tokenizer, bool wanted, const std::optional<std::string>& token,
               std::string_view key, std::vector<int32_t>& ids) {
  if (!wanted) return {};
  const auto id = token ? tokenizer.token_id(*token) : std::nullopt;
  if (!id) {
    return bad_input(
        fmt::format("tokenizer_config.json: {}: found {}, expected a token of the "
                    "vocabulary",
                    key, token ? *token : "none"));
  }
  ids.push_back(*id);
  return {};
}

}  // namespace

Result<TokenizerConfig> TokenizerConfig::from_json(std::string_view json, const std::string& name) {
  simdjson::dom::parser parser;
  auto root = parse_json_object(parser, json, name, "a Hugging Face tokenizer_config.json");
  if (!root.ok()) return root.error();
  TokenizerConfig config;
  Members members(*root, name);
  members.token("bos_token", config.bos_token);
  members.token("eos_token", config.eos_token);
  members.token("pad_token", config.pad_token);
  members.flag("add_bos_token", config.add_bos_token);
  members.flag("add_eos_token", config.add_eos_token);
  members.templates(config.chat_templates);
  config.tokenizer_class = std::string(json_text(*root, "tokenizer_class").value_or(""));
  if (members.error()) return *members.error();
  return config;
}

const std::string* TokenizerConfig::chat_template(bool with_tools) const {
  const std::string* found = nullptr;
  for (const auto& [name, source] : chat_templates) {
    if (name == "default" && found == nullptr) found = &source;
    if (name == "tool_use" && with_tools) found = &source;
  }
  return found;
}

void TokenizerConfig::set_chat_template(std::string source) {
  chat_templates.clear();
  chat_templates.emplace_back("default", std::move(source));
}

Status TokenizerConfig::apply(Tokenizer& tokenizer) const {
  const bool minds = tokenizer_class.starts_with("LlamaTokenizer");
  if (!minds || (!add_bos_token && !add_eos_token)) return {};
  std::vector<int32_t> before;
  std::vector<int32_t> after;
  auto status = put_end(tokenizer, add_bos_token.value_or(true), bos_token, "bos_token", before);
  if (!status.ok()) return status;
  status = put_end(tokenizer, add_eos_token.value_or(false), eos_token, "eos_token", after);
  if (!status.ok()) return status;
  tokenizer.set_ends(std::move(before), std::move(after));
  return {};
}

Result<GenerationConfig> GenerationConfig::from_json(std::string_view json,
                                                     const std::string& name) {
  simdjson::dom::parser parser;
  auto root = parse_json_object(parser, json, name, "a Hugging Face generation_config.json");
  if (!root.ok()) return root.error();
  GenerationConfig config;
  Members members(*root, name);
  members.integers("eos_token_id", config.eos_token_ids);
  members.integer("bos_token_id", config.bos_token_id);
  members.flag("do_sample", config.do_sample);
  members.number("temperature", config.temperature);
  members.number("top_p", config.top_p);
  members.number("min_p", config.min_p);
  members.integer("top_k", config.top_k);
  members.number("repetition_penalty", config.repetition_penalty);
  members.integer("max_new_tokens", config.max_new_tokens);
  if (members.error()) return *members.error();
  return config;
}

}  // namespace weft
