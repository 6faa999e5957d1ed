// A machine of four states: before anything, in text, in a marked call, in a bare object.
#include "api/tool_parser.h"

#include <fmt/format.h>

#include <optional>

#include "base/random.h"
#include "model/template_value.h"

namespace weft {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// Markers while text comes: the first one opens a call, others are left out.
std::vector<std::string> opening_of(ToolFormat format) {
  switch (format) {
    case ToolFormat::kHermes:
      return {"<tool_call>"};
    case ToolFormat::kLlama:
      return {"<|python_tag|>"};
    case ToolFormat::kDeepseek:
      return {"<｜tool▁call▁begin｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"};
    case ToolFormat::kNone:
      break;
  }
  return {};
}

std::vector<std::string> closing_of(ToolFormat format) {
  if (format == ToolFormat::kHermes) return {"</tool_call>"};
  if (format == ToolFormat::kDeepseek) return {"<｜tool▁call▁end｜>"};
  return {};
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Follows brackets and strings of a JSON text.
struct BracketScan {
  int depth = 0;
  bool in_string = false;
  bool escaped = false;

  // Whether the outermost bracket closes with this letter.
  bool closes(char letter) {
    if (in_string) {
      if (!escaped && letter == '"') in_string = false;
      escaped = !escaped && letter == '\\';
      return false;
    }
    if (letter == '"') in_string = true;
    if (letter == '{' || letter == '[') ++depth;
    if (letter != '}' && letter != ']') return false;
    return --depth == 0;
  }
};

// The spelling of a member's value in a JSON object that is known to be well-formed.
std::string_view raw_member(std::string_view object, std::string_view key) {
  const std::string quoted = fmt::format("\"{}\"", key);
  BracketScan scan;
  size_t begin = std::string_view::npos;  // of the value
  size_t word = 1;                        // of the last key
  for (size_t i = 0; i < object.size(); ++i) {
    const bool is_outer = !scan.in_string && scan.depth == 1;
    const bool ends = is_outer && (object[i] == ',' || object[i] == '}');
    if (ends && begin != std::string_view::npos) return trimmed(object.substr(begin, i - begin));
    if (ends) word = i + 1;
    const bool is_colon = is_outer && object[i] == ':' && begin == std::string_view::npos;
    if (is_colon && trimmed(object.substr(word, i - word)) == quoted) begin = i + 1;
    scan.closes(object[i]);
  }
  return {};
}

struct Named {
  std::string name;
  std::string arguments;
};

// {"name": ..., "arguments" or "parameters": an object, perhaps as a string}.
std::optional<Named> read_object(std::string_view body) {
  using Kind = TemplateValue::Kind;
  body = trimmed(body);
  const auto value = template_value_from_json(body, "call");
  if (!value || !value->is(Kind::kDict)) return std::nullopt;
  const TemplateValue* const name = value->find("name");
  if (name == nullptr || !name->is(Kind::kText) || name->as_text().empty()) return std::nullopt;
  for (const std::string_view key : {"arguments", "parameters"}) {
    const TemplateValue* const arguments = value->find(key);
    if (arguments == nullptr) continue;
    if (arguments->is(Kind::kText)) return Named{name->as_text(), arguments->as_text()};
    if (!arguments->is(Kind::kDict)) return std::nullopt;
    const auto raw = raw_member(body, key);
    if (raw.empty()) return std::nullopt;
    return Named{name->as_text(), std::string(raw)};
  }
  return Named{name->as_text(), "{}"};
}

// function<sep>NAME and a block of JSON (V3), or NAME<sep>JSON (V3.1).
std::optional<Named> read_deepseek(std::string_view body) {
  constexpr std::string_view kSeparator = "<｜tool▁sep｜>";
  constexpr std::string_view kFence = "```";
  const size_t at = body.find(kSeparator);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view name = trimmed(body.substr(0, at));
  std::string_view arguments = trimmed(body.substr(at + kSeparator.size()));
  if (name == "function") {
    const size_t line = arguments.find('\n');
    if (line == std::string_view::npos) return std::nullopt;
    name = trimmed(arguments.substr(0, line));
    arguments = trimmed(arguments.substr(line));
    if (arguments.starts_with(kFence)) {
      const size_t first = arguments.find('\n');
      const size_t last = arguments.rfind(kFence);
      if (first == std::string_view::npos || last < first) return std::nullopt;
      arguments = trimmed(arguments.substr(first, last - first));
    }
  }
  const auto value = template_value_from_json(arguments, "arguments");
  if (name.empty() || !value || !value->is(TemplateValue::Kind::kDict)) return std::nullopt;
  return Named{std::string(name), std::string(arguments)};
}

}  // namespace

ToolParser::ToolParser(ToolFormat format, uint64_t seed)
    : format_(format),
      seed_(seed),
      state_(format == ToolFormat::kLlama ? State::kStart : State::kText),
      opening_(opening_of(format)),
      closing_(closing_of(format)) {}

ToolOutput ToolParser::add(std::string_view piece) {
  ToolOutput out;
  std::string text(piece);
  while (!text.empty()) {  // each takes all, or leaves what comes after a change of state
    switch (state_) {
      case State::kStart:
        take_start(text, out);
        break;
      case State::kText:
        take_text(text, out);
        break;
      case State::kCall:
        take_call(text, out);
        break;
      case State::kObject:
        take_object(text, out);
        break;
    }
  }
  return out;
}

ToolOutput ToolParser::finish() {
  ToolOutput out;
  if (state_ == State::kCall) {
    body_ += closing_.finish();
    if (!put_call(body_, out)) put_text(opened_ + body_, out);
  } else if (state_ == State::kObject) {
    put_text(opened_ + body_, out);
  }
  put_text(opening_.finish(), out);
  if (calls_ == 0) out.content += blanks_;
  body_.clear();
  blanks_.clear();
  enter_text();
  return out;
}

void ToolParser::enter_text() {
  state_ = State::kText;
  opening_.restart();
}

// Blanks at the end wait for what comes: before a call they are left out.
void ToolParser::put_text(std::string_view text, ToolOutput& out) {
  if (text.empty()) return;
  if (format_ == ToolFormat::kNone) {
    out.content += text;
    return;
  }
  blanks_ += text;
  const size_t last = blanks_.find_last_not_of(kBlanks);
  if (last == std::string::npos) return;
  out.content.append(blanks_, 0, last + 1);
  blanks_.erase(0, last + 1);
}

bool ToolParser::put_call(std::string_view body, ToolOutput& out) {
  auto named = format_ == ToolFormat::kDeepseek ? read_deepseek(body) : read_object(body);
  if (!named) return false;
  blanks_.clear();
  const uint64_t high = mix64(seed_, calls_);
  std::string id = fmt::format("call_{:016x}{:08x}", high, mix64(high) >> 32);
  out.calls.push_back({std::move(id), std::move(named->name), std::move(named->arguments)});
  ++calls_;
  return true;
}

// Llama 3: a bare object counts at the very beginning, and after another one.
void ToolParser::take_start(std::string& text, ToolOutput& out) {
  const size_t first = text.find_first_not_of(calls_ == 0 ? kBlanks : " \t\r\n;");
  blanks_.append(text, 0, first);
  text.erase(0, first);
  if (text.empty()) return;
  if (text.front() != '{') {
    const std::string before = std::exchange(blanks_, {});
    enter_text();
    text.insert(0, before);
    return take_text(text, out);
  }
  state_ = State::kObject;
  opened_ = std::exchange(blanks_, {});
}

void ToolParser::take_text(std::string& text, ToolOutput& out) {
  put_text(opening_.add(text), out);
  text.clear();
  if (!opening_.found()) return;
  const size_t marker = *opening_.found();
  text = opening_.rest();
  opening_.restart();
  if (marker != 0) return;
  opened_ = opening_of(format_).front();
  state_ = format_ == ToolFormat::kLlama ? State::kObject : State::kCall;
  body_.clear();
}

void ToolParser::take_call(std::string& text, ToolOutput& out) {
  body_ += closing_.add(text);
  text.clear();
  if (!closing_.found()) return;
  text = closing_.rest();
  closing_.restart();
  if (!put_call(body_, out)) put_text(opened_ + body_ + closing_of(format_).front(), out);
  body_.clear();
  enter_text();
}

// What follows <|python_tag|> may be code instead: then it is text.
void ToolParser::take_object(std::string& text, ToolOutput& out) {
  body_ += std::exchange(text, {});
  const size_t first = body_.find_first_not_of(kBlanks);
  if (first == std::string::npos) return;
  BracketScan scan{depth_, in_string_, escaped_};
  bool is_whole = false;
  const bool is_object = body_[first] == '{';
  while (is_object && !is_whole && scanned_ < body_.size())
    is_whole = scan.closes(body_[scanned_++]);
  depth_ = scan.depth;
  in_string_ = scan.in_string;
  escaped_ = scan.escaped;
  if (is_object && !is_whole) return;
  text = body_.substr(scanned_);
  body_.resize(scanned_);
  const bool is_call = is_whole && put_call(body_, out);
  if (is_call) {
    state_ = State::kStart;
  } else {
    enter_text();
    put_text(opened_ + body_, out);
  }
  body_.clear();
  opened_.clear();
  scanned_ = 0;
  depth_ = 0;
  in_string_ = false;
  escaped_ = false;
}

}  // namespace weft
