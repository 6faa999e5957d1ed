// TOML read with care: every key is asked for by name, what is left over is an error, and every
// error names file, line and key, what was found and what was expected.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

struct IntegerRange {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};

struct NumberRange {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool exclusive_min = false;
};

class ConfigFile;

// A view of one table of a ConfigFile. All readers return a usable value even when the document is
// wrong; the first error is kept in the file and comes back from finish().
//
//   auto file = ConfigFile::load("scenario.toml");
//   ConfigTable root = file->root();
//   int n = root.integer("devices", {.min = 1});
//   double speedup = root.number("speedup", 1.0, {.min = 0, .exclusive_min = true});
//   if (auto error = root.finish()) return *error;      // the first thing that was wrong
class ConfigTable {
 public:
  // Required keys.
  int64_t integer(std::string_view key, IntegerRange range = {});
  double number(std::string_view key, NumberRange range = {});
  std::string text(std::string_view key);
  bool boolean(std::string_view key);
  // Keys with a default.
  int64_t integer(std::string_view key, int64_t fallback, IntegerRange range = {});
  double number(std::string_view key, double fallback, NumberRange range = {});
  std::string text(std::string_view key, std::string_view fallback);
  bool boolean(std::string_view key, bool fallback);
  // One of `allowed`; the error lists them.
  std::string choice(std::string_view key, const std::vector<std::string>& allowed,
                     std::string_view fallback);

  std::vector<double> numbers(std::string_view key);     // array of numbers, empty when absent
  std::vector<std::string> texts(std::string_view key);  // array of strings, empty when absent
  ConfigTable table(std::string_view key);               // required sub-table
  std::optional<ConfigTable> find_table(std::string_view key);
  std::vector<ConfigTable> tables(std::string_view key);  // array of tables, empty when absent

  [[nodiscard]] bool has(std::string_view key) const;
  // The value is a string (not a number or table).
  [[nodiscard]] bool is_text(std::string_view key) const;
  [[nodiscard]] bool is_number(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> keys() const;  // in the order of the alphabet

  // Records "file:line: key: message" unless an earlier error stands.
  void fail(std::string_view key, std::string_view message);
  // The first error so far, in this table or any other of the file; or a key of this table (or of
  // a table taken from it) that nobody asked for.
  [[nodiscard]] std::optional<Error> finish();
  // The same, then the file forgets its first error, so that its other tables stand on their own.
  [[nodiscard]] std::optional<Error> finish_apart();
  // "file:line" of the key, or of the table.
  [[nodiscard]] std::string where(std::string_view key = {}) const;
  [[nodiscard]] const ConfigFile& file() const { return *file_; }

 private:
  friend class ConfigFile;
  ConfigTable(ConfigFile* file, const void* node, std::string path);
  const void* take(std::string_view key);  // toml::node, marked as asked for
  const void* peek(std::string_view key) const;
  void missing(std::string_view key, std::string_view expected);
  void wrong(std::string_view key, const void* node, std::string_view expected);
  std::string qualified(std::string_view key) const;

  ConfigFile* file_;
  const void* node_;  // toml::table
  std::string path_;  // "decode[0]." or empty
};

// One parsed document. Tables point into it: keep it alive while they are read.
class ConfigFile {
 public:
  static Result<ConfigFile> load(const std::string& path);
  // `name` stands for the file in messages.
  static Result<ConfigFile> parse(std::string_view text, std::string name);
  ConfigFile(ConfigFile&&) noexcept;
  ConfigFile& operator=(ConfigFile&&) noexcept;
  ~ConfigFile();

  // Overrides one value, as `--set` gives it: "decode.0.max_batch_per_device=64". Dots walk tables,
  // numbers walk arrays of tables; the value is TOML, or a bare word taken as a string.
  Status set(std::string_view assignment);
  [[nodiscard]] ConfigTable root();
  [[nodiscard]] const std::string& name() const;
  // The document as TOML again, overrides included.
  [[nodiscard]] std::string to_toml() const;

 private:
  friend class ConfigTable;
  struct State;
  explicit ConfigFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A short list of what was expected: "a, b or c".
std::string join_alternatives(const std::vector<std::string>& words);

}  // namespace weft
