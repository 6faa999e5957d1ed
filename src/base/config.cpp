// The only place that knows toml++.
#include "base/config.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

// Broken documents must come back as errors: its assertions fail on some, and release builds by
// Clang would take them for granted.
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

namespace weft {

struct ConfigFile::State {
  std::string name;
  toml::table document;
  std::optional<Error> error;
  std::set<const toml::node*> asked;
  std::vector<std::pair<const toml::table*, std::string>> opened;  // tables and their paths
};

namespace {

const toml::table& as_table(const void* node) { return *static_cast<const toml::table*>(node); }
const toml::node& as_node(const void* node) { return *static_cast<const toml::node*>(node); }

// An error is one line, whatever the document holds.
std::string on_one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// With a point also where the value is whole; what {:#} prints depends on fmt's version.
std::string describe(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string describe(const toml::node& node) {
  if (node.is_string()) return fmt::format("\"{}\"", on_one_line(node.as_string()->get()));
  if (node.is_integer()) return fmt::format("{}", node.as_integer()->get());
  if (node.is_floating_point()) return describe(node.as_floating_point()->get());
  if (node.is_boolean()) return node.as_boolean()->get() ? "true" : "false";
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  return "a date or time";
}

std::string bound_text(const NumberRange& range) {
  if (range.exclusive_min) {
    return std::isinf(range.max) ? fmt::format("a number above {}", range.min)
                                 : fmt::format("a number above {}, up to {}", range.min, range.max);
  }
  if (std::isinf(range.min) && std::isinf(range.max)) return "a number";
  if (std::isinf(range.max)) return fmt::format("a number of at least {}", range.min);
  if (std::isinf(range.min)) return fmt::format("a number of at most {}", range.max);
  return fmt::format("a number from {} to {}", range.min, range.max);
}

std::string bound_text(const IntegerRange& range) {
  const bool low = range.min != std::numeric_limits<int64_t>::min();
  const bool high = range.max != std::numeric_limits<int64_t>::max();
  if (low && high) return fmt::format("a whole number from {} to {}", range.min, range.max);
  if (low) return fmt::format("a whole number of at least {}", range.min);
  if (high) return fmt::format("a whole number of at most {}", range.max);
  return "a whole number";
}

// toml++ 3.3 is not safe on bytes beyond ASCII outside strings and comments, where TOML allows
// none. The line of the first such byte, or 0.
int stray_byte_line(std::string_view text) {
  int line = 1;
  char quote = 0;  // of the string we are in
  bool triple = false;
  bool comment = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool three = text.substr(i, 3) == std::string(3, c);
    if (c == '\n') {
      ++line;
      comment = false;
      if (!triple) quote = 0;
    } else if (comment) {
      continue;
    } else if (quote != 0) {
      if (c == '\\' && quote == '"') {
        ++i;
        if (i < text.size() && text[i] == '\n') ++line;
      } else if (c == quote && (!triple || three)) {
        if (triple) i += 2;
        quote = 0;
        triple = false;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      triple = three;
      if (three) i += 2;
    } else if (c == '#') {
      comment = true;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      return line;
    }
  }
  return 0;
}

// "key = <value>" parsed as TOML; a bare word becomes a string.
std::optional<toml::table> parse_value(std::string_view value) {
  for (const std::string& text : {fmt::format("v = {}", value), fmt::format("v = '{}'", value)}) {
    if (stray_byte_line(text) > 0) continue;
    try {
      return toml::parse(text);
    } catch (const toml::parse_error&) {
      continue;  // a bare word is not TOML until it is quoted
    }
  }
  return std::nullopt;
}

// "file:line", or just the file for what --set put there.
std::string place(const std::string& name, toml::source_index line) {
  return line == 0 ? name : fmt::format("{}:{}", name, line);
}

}  // namespace

std::string join_alternatives(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

ConfigFile::ConfigFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConfigFile::ConfigFile(ConfigFile&&) noexcept = default;
ConfigFile& ConfigFile::operator=(ConfigFile&&) noexcept = default;
ConfigFile::~ConfigFile() = default;

Result<ConfigFile> ConfigFile::load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return not_found(fmt::format("{}: cannot be opened; expected a readable TOML file", path));
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad() || text.fail()) {
    return not_found(fmt::format("{}: cannot be read; expected a TOML file", path));
  }
  return parse(text.str(), path);
}

Result<ConfigFile> ConfigFile::parse(std::string_view text, std::string name) {
  auto state = std::make_unique<State>();
  state->name = std::move(name);
  if (const int line = stray_byte_line(text); line > 0) {
    return bad_input(fmt::format(
        "{}:{}: not TOML: found a byte beyond ASCII, expected those in strings and comments only",
        state->name, line));
  }
  try {
    state->document = toml::parse(text, state->name);
  } catch (const toml::parse_error& e) {
    return bad_input(fmt::format("{}:{}: not TOML: {}", state->name, e.source().begin.line,
                                 on_one_line(e.description())));
  }
  return ConfigFile(std::move(state));
}

Status ConfigFile::set(std::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return bad_input(fmt::format("--set {}: expected key=value, like seed=2 or decode.0.devices=80",
                                 assignment));
  }
  std::vector<std::string> parts;
  std::istringstream path{std::string(assignment.substr(0, equals))};
  for (std::string part; std::getline(path, part, '.');) parts.push_back(part);
  auto parsed = parse_value(assignment.substr(equals + 1));
  if (!parsed || parts.empty()) return bad_input(fmt::format("--set {}: not a value", assignment));

  toml::node* at = &state_->document;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    if (auto* array = at->as_array()) {
      size_t index = 0;
      const auto [end, status] =
          std::from_chars(parts[i].data(), parts[i].data() + parts[i].size(), index);
      if (status != std::errc{} || *end != 0 || index >= array->size()) {
        return bad_input(fmt::format("--set {}: \"{}\" is not an index below {}", assignment,
                                     parts[i], array->size()));
      }
      at = array->get(index);
    } else if (auto* table = at->as_table()) {
      if (!table->contains(parts[i])) table->insert(parts[i], toml::table{});
      at = table->get(parts[i]);
    } else {
      return bad_input(fmt::format("--set {}: \"{}\" is not a table", assignment, parts[i]));
    }
  }
  auto* table = at->as_table();
  if (table == nullptr) {
    return bad_input(fmt::format("--set {}: nothing of that name holds keys", assignment));
  }
  parsed->begin()->second.visit(
      [&](auto&& value) { table->insert_or_assign(parts.back(), value); });
  return {};
}

ConfigTable ConfigFile::root() { return {this, &state_->document, ""}; }
const std::string& ConfigFile::name() const { return state_->name; }

std::string ConfigFile::to_toml() const {
  std::ostringstream out;
  out << state_->document;
  return out.str();
}

ConfigTable::ConfigTable(ConfigFile* file, const void* node, std::string path)
    : file_(file), node_(node), path_(std::move(path)) {
  file_->state_->opened.emplace_back(&as_table(node_), path_);
}

const void* ConfigTable::peek(std::string_view key) const { return as_table(node_).get(key); }

const void* ConfigTable::take(std::string_view key) {
  const toml::node* node = as_table(node_).get(key);
  if (node != nullptr) file_->state_->asked.insert(node);
  return node;
}

std::string ConfigTable::qualified(std::string_view key) const {
  return key.empty() ? path_.substr(0, path_.empty() ? 0 : path_.size() - 1)
                     : fmt::format("{}{}", path_, key);
}

std::string ConfigTable::where(std::string_view key) const {
  const void* node = key.empty() ? nullptr : peek(key);
  return place(file_->name(),
               (node != nullptr ? as_node(node) : as_table(node_)).source().begin.line);
}

void ConfigTable::fail(std::string_view key, std::string_view message) {
  auto& error = file_->state_->error;
  if (error) return;
  error = bad_input(fmt::format("{}: {}: {}", where(key), on_one_line(qualified(key)), message));
}

void ConfigTable::missing(std::string_view key, std::string_view expected) {
  fail(key, fmt::format("missing; expected {}", expected));
}

void ConfigTable::wrong(std::string_view key, const void* node, std::string_view expected) {
  fail(key, fmt::format("found {}, expected {}", describe(as_node(node)), expected));
}

int64_t ConfigTable::integer(std::string_view key, IntegerRange range) {
  if (!has(key)) missing(key, bound_text(range));
  return integer(key, std::max<int64_t>(range.min, 0), range);
}

int64_t ConfigTable::integer(std::string_view key, int64_t fallback, IntegerRange range) {
  const void* node = take(key);
  if (node == nullptr) return fallback;
  const auto* value = as_node(node).as_integer();
  if (value == nullptr || value->get() < range.min || value->get() > range.max) {
    wrong(key, node, bound_text(range));
    return fallback;
  }
  return value->get();
}

double ConfigTable::number(std::string_view key, NumberRange range) {
  if (!has(key)) missing(key, bound_text(range));
  return number(key, std::max(range.min, 1.0), range);
}

double ConfigTable::number(std::string_view key, double fallback, NumberRange range) {
  const void* node = take(key);
  if (node == nullptr) return fallback;
  const auto value = as_node(node).is_number() ? as_node(node).value<double>() : std::nullopt;
  const bool good = value && std::isfinite(*value) && *value <= range.max &&
                    (range.exclusive_min ? *value > range.min : *value >= range.min);
  if (!good) {
    wrong(key, node, bound_text(range));
    return fallback;
  }
  return *value;
}

std::string ConfigTable::text(std::string_view key) {
  if (!has(key)) missing(key, "a string");
  return text(key, "");
}

std::string ConfigTable::text(std::string_view key, std::string_view fallback) {
  const void* node = take(key);
  if (node == nullptr) return std::string(fallback);
  if (const auto* value = as_node(node).as_string()) return value->get();
  wrong(key, node, "a string");
  return std::string(fallback);
}

bool ConfigTable::boolean(std::string_view key) {
  if (!has(key)) missing(key, "true or false");
  return boolean(key, false);
}

bool ConfigTable::boolean(std::string_view key, bool fallback) {
  const void* node = take(key);
  if (node == nullptr) return fallback;
  if (const auto* value = as_node(node).as_boolean()) return value->get();
  wrong(key, node, "true or false");
  return fallback;
}

std::string ConfigTable::choice(std::string_view key, const std::vector<std::string>& allowed,
                                std::string_view fallback) {
  std::string word = text(key, fallback);
  for (const std::string& good : allowed) {
    if (word == good) return word;
  }
  fail(key,
       fmt::format("found \"{}\", expected {}", on_one_line(word), join_alternatives(allowed)));
  return std::string(fallback);
}

std::vector<double> ConfigTable::numbers(std::string_view key) {
  const void* node = take(key);
  if (node == nullptr) return {};
  std::vector<double> out;
  const auto* array = as_node(node).as_array();
  if (array == nullptr) return wrong(key, node, "an array of numbers"), out;
  for (const toml::node& item : *array) {
    const auto value = item.is_number() ? item.value<double>() : std::nullopt;
    if (!value || !std::isfinite(*value)) return wrong(key, &item, "a number"), out;
    out.push_back(*value);
  }
  return out;
}

std::vector<std::string> ConfigTable::texts(std::string_view key) {
  const void* node = take(key);
  if (node == nullptr) return {};
  std::vector<std::string> out;
  const auto* array = as_node(node).as_array();
  if (array == nullptr) return wrong(key, node, "an array of strings"), out;
  for (const toml::node& item : *array) {
    const auto* value = item.as_string();
    if (value == nullptr) return wrong(key, &item, "a string"), out;
    out.push_back(value->get());
  }
  return out;
}

ConfigTable ConfigTable::table(std::string_view key) {
  if (auto found = find_table(key)) return *found;
  if (!has(key)) missing(key, "a table");
  static const toml::table kEmpty;
  return {file_, &kEmpty, qualified(key) + "."};
}

std::optional<ConfigTable> ConfigTable::find_table(std::string_view key) {
  const void* node = take(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* found = as_node(node).as_table()) {
    return ConfigTable(file_, found, qualified(key) + ".");
  }
  wrong(key, node, "a table");
  return std::nullopt;
}

std::vector<ConfigTable> ConfigTable::tables(std::string_view key) {
  const void* node = take(key);
  if (node == nullptr) return {};
  std::vector<ConfigTable> out;
  const auto* array = as_node(node).as_array();
  if (array == nullptr) return wrong(key, node, "an array of tables ([[...]])"), out;
  for (size_t i = 0; i < array->size(); ++i) {
    const auto* item = array->get(i)->as_table();
    if (item == nullptr) return wrong(key, array->get(i), "a table"), out;
    out.push_back(ConfigTable(file_, item, fmt::format("{}[{}].", qualified(key), i)));
  }
  return out;
}

bool ConfigTable::has(std::string_view key) const { return peek(key) != nullptr; }

bool ConfigTable::is_text(std::string_view key) const {
  const void* node = peek(key);
  return node != nullptr && as_node(node).is_string();
}

bool ConfigTable::is_number(std::string_view key) const {
  const void* node = peek(key);
  return node != nullptr && as_node(node).is_number();
}

std::vector<std::string> ConfigTable::keys() const {
  std::vector<std::string> out;
  for (const auto& [key, node] : as_table(node_)) out.emplace_back(key.str());
  return out;
}

std::optional<Error> ConfigTable::finish() {
  const auto& state = *file_->state_;
  if (state.error) return state.error;
  for (const auto& [table, path] : state.opened) {
    if (!path.starts_with(path_)) continue;
    for (const auto& [key, node] : *table) {
      if (state.asked.contains(&node)) continue;
      return bad_input(fmt::format("{}: {}: unknown key",
                                   place(state.name, key.source().begin.line),
                                   on_one_line(path + std::string(key.str()))));
    }
  }
  return std::nullopt;
}

std::optional<Error> ConfigTable::finish_apart() {
  auto error = finish();
  file_->state_->error.reset();
  return error;
}

}  // namespace weft
