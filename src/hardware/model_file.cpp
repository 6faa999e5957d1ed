// catalog/models: the fields of a published config.json with grade and source, and the totals that
// were published beside them.
#include <fmt/format.h>

#include <cmath>

#include "hardware/figures.h"
#include "hardware/records.h"
#include "model/config_shape.h"

namespace weft {
namespace {

std::optional<FieldKind> kind_of(std::string_view name) {
  for (const FieldName& field : config_field_names()) {
    if (field.name == name) return field.kind;
  }
  return std::nullopt;
}

std::vector<int64_t> read_integers(ConfigTable& table, std::string_view key) {
  std::vector<int64_t> out;
  for (const double number : table.numbers(key)) {
    const bool is_whole = std::abs(number) < 1e15 && number == std::floor(number);
    if (!is_whole) table.fail(key, fmt::format("found {}, expected whole numbers", number));
    out.push_back(is_whole ? static_cast<int64_t>(number) : 0);
  }
  return out;
}

FieldValue read_value(ConfigTable& table, std::string_view key, FieldKind kind) {
  switch (kind) {
    case FieldKind::kInteger:
      return table.integer(key);
    case FieldKind::kNumber:
      return table.number(key);
    case FieldKind::kBoolean:
      return table.boolean(key);
    case FieldKind::kText:
      return table.text(key);
    case FieldKind::kIntegers:
      return read_integers(table, key);
    case FieldKind::kTexts:
      break;
  }
  return table.texts(key);
}

// One [[config]] block: the fields that one source gives, under their names in config.json;
// quantization_config is a table of its own. Keys that are no field stay unread: unknown keys.
void read_block(ConfigTable block, ConfigFields& fields, std::vector<Figure>& figures) {
  Figure figure;
  figure.grade = block.choice("grade", figure_grades(), "");
  figure.source = block.text("source");
  const auto take = [&](ConfigTable& table, const std::string& prefix, const std::string& key) {
    const std::string name = prefix + key;
    const auto kind = kind_of(name);
    if (!kind) return;
    FieldValue value = read_value(table, key, *kind);
    figure.key = name;
    figure.value = describe(value);
    figures.push_back(figure);
    if (fields.has(name)) table.fail(key, "given twice");
    fields.set(name, std::move(value));
  };
  for (const std::string& key : block.keys()) {
    if (key != "quantization_config") take(block, "", key);
  }
  if (auto quantization = block.find_table("quantization_config")) {
    for (const std::string& key : quantization->keys()) {
      take(*quantization, "quantization_config.", key);
    }
  }
}

}  // namespace

Result<Record<ModelShape>> read_model(ConfigFile& file, const std::string& name) {
  Record<ModelShape> record;
  ConfigTable root = file.root();
  record.title = root.text("title");
  record.note = root.text("note", "");
  ConfigFields fields(file.name());
  for (ConfigTable& block : root.tables("config")) read_block(block, fields, record.figures);
  if (auto published = root.find_table("published")) {
    FigureReader reader(*published, &record.figures, "published.");
    for (const char* key : {"total_parameters_b", "active_parameters_b", "kv_bf16_bytes_per_token",
                            "kv_fp8_bytes_per_token"}) {
      if (reader.has(key)) reader.number(key);
    }
  }
  if (auto error = root.finish()) return *error;
  auto shape = shape_from_fields(std::move(fields));
  if (!shape.ok()) return shape.error();
  record.thing = std::move(shape).value();
  record.thing.name = name;
  return record;
}

}  // namespace weft
