// Opening a checkpoint's folder: its texts, its shards, and each tensor's place in them.
#include "model/checkpoint.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "model/config_fields.h"
#include "model/tensor_names.h"

namespace weft {
namespace {

namespace fs = std::filesystem;
using simdjson::dom::element;

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr std::string_view kSingleName = "model.safetensors";
constexpr uintmax_t kMaxTextBytes = 256 << 20;

std::string join(const std::string& directory, std::string_view file) {
  return (fs::path(directory) / file).string();
}

std::string in_quotes(std::string_view text) { return describe(FieldValue(std::string(text))); }

// Absent: nullopt.
Result<std::optional<std::string>> read_text(const std::string& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status)) return std::optional<std::string>();
  if (!fs::is_regular_file(status)) return bad_input(fmt::format("{}: not a file", path));
  const uintmax_t size = fs::file_size(path, error);
  if (error || size > kMaxTextBytes) {
    return bad_input(
        error ? fmt::format("{}: {}", path, error.message())
              : fmt::format("{}: found {} bytes, expected at most {}", path, size, kMaxTextBytes));
  }
  std::string text(size, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(text.data(), static_cast<std::streamsize>(size));
  if (!in) return bad_input(fmt::format("{}: could not be read", path));
  return std::optional<std::string>(std::move(text));
}

Status read_texts(const std::string& directory, CheckpointTexts& texts) {
  const std::pair<std::string_view, std::optional<std::string>*> files[] = {
      {"tokenizer.json", &texts.tokenizer},
      {"tokenizer_config.json", &texts.tokenizer_config},
      {"generation_config.json", &texts.generation_config},
      {"chat_template.jinja", &texts.chat_template}};
  for (const auto& [name, text] : files) {
    auto read = read_text(join(directory, name));
    if (!read) return read.error();
    *text = std::move(*read);
  }
  return {};
}

// A file of the same folder: no hostile index reads elsewhere.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0\n", 4)) == std::string_view::npos;
}

}  // namespace

Result<ShardMap> read_shard_index(std::string_view json, const std::string& name) {
  simdjson::dom::parser parser;
  element document;
  if (const auto error = parser.parse(json.data(), json.size()).get(document)) {
    return bad_input(fmt::format("{}: not JSON: {}", name, simdjson::error_message(error)));
  }
  simdjson::dom::object root;
  simdjson::dom::object map;
  if (document.get_object().get(root) || root["weight_map"].get_object().get(map)) {
    return bad_input(fmt::format("{}: weight_map: expected an object of file names", name));
  }
  ShardMap shards;
  for (const auto& [tensor, value] : map) {
    std::string_view file;
    if (value.get_string().get(file) || !is_plain_name(file)) {
      return bad_input(fmt::format("{}: weight_map: {}: expected the name of a file in the folder",
                                   name, in_quotes(tensor)));
    }
    if (!shards.emplace(tensor, file).second) {
      return bad_input(fmt::format("{}: weight_map: {}: named twice", name, in_quotes(tensor)));
    }
  }
  return shards;
}

// Maps one file and takes its tensors; with an index, those that the index looks for in it.
Status Checkpoint::add_file(const std::string& file, const ShardMap* index) {
  const std::string path = join(directory_, file);
  auto mapped = MappedFile::open(path);
  if (!mapped) return mapped.error();
  auto tensors = read_safetensors(mapped->bytes(), path);
  if (!tensors) return tensors.error();
  for (auto& [name, view] : *tensors) {
    if (index != nullptr) {
      const auto place = index->find(name);
      if (place == index->end()) continue;
      if (place->second != file) {
        return bad_input(fmt::format("{}: tensor {}: expected in {} by {}", path, in_quotes(name),
                                     place->second, kIndexName));
      }
    }
    bytes_ += static_cast<int64_t>(view.bytes.size());
    tensors_.emplace(name, std::move(view));
  }
  files_.push_back(std::move(*mapped));
  return {};
}

Status Checkpoint::add_shards() {
  const std::string index_path = join(directory_, kIndexName);
  auto text = read_text(index_path);
  if (!text) return text.error();
  if (!text->has_value()) {
    return not_found(
        fmt::format("{}: found neither {} nor {}", directory_, kSingleName, kIndexName));
  }
  const auto index = read_shard_index(**text, index_path);
  if (!index) return index.error();
  std::set<std::string> files;
  for (const auto& [tensor, file] : *index) files.insert(file);
  for (const std::string& file : files) {
    std::error_code ignored;
    if (!fs::exists(join(directory_, file), ignored)) {
      return not_found(
          fmt::format("{}: shard {} is missing; {} names it", directory_, file, kIndexName));
    }
    if (auto status = add_file(file, &*index); !status) return status;
  }
  for (const auto& [tensor, file] : *index) {
    if (tensors_.contains(tensor)) continue;
    return bad_input(fmt::format("{}: tensor {} is missing; expected by {}", join(directory_, file),
                                 in_quotes(tensor), kIndexName));
  }
  return {};
}

Result<Checkpoint> Checkpoint::open(const std::string& directory) {
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;
  std::error_code ignored;
  if (!fs::is_directory(directory, ignored)) {
    return not_found(
        fmt::format("{}: not a folder; expected one with config.json and "
                    "model.safetensors",
                    in_quotes(directory)));
  }
  const std::string config_path = join(directory, "config.json");
  const auto config = read_text(config_path);
  if (!config) return config.error();
  if (!config->has_value()) return not_found(fmt::format("{}: missing", config_path));
  if (const auto runs = check_runs(**config, config_path); !runs) return runs.error();
  auto shape = shape_from_config_json(**config, config_path);
  if (!shape) return shape.error();
  auto architecture = architecture_from_config_json(**config, config_path, *shape);
  if (!architecture) return architecture.error();
  checkpoint.shape_ = std::move(*shape);
  checkpoint.architecture_ = std::move(*architecture);
  if (const auto status = read_texts(directory, checkpoint.texts_); !status) return status.error();
  const bool is_single = fs::exists(join(directory, kSingleName), ignored);
  const auto status =
      is_single ? checkpoint.add_file(std::string(kSingleName), nullptr) : checkpoint.add_shards();
  if (!status) return status.error();
  return checkpoint;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [name, view] : tensors_) names.push_back(name);
  return names;
}

Result<TensorView> Checkpoint::tensor(std::string_view name, std::span<const int64_t> shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return bad_input(
        fmt::format("{}: tensor {} is missing; expected one of shape {} by config.json", directory_,
                    name, describe_shape(shape)));
  }
  const TensorView& view = found->second;
  if (!std::equal(view.shape.begin(), view.shape.end(), shape.begin(), shape.end())) {
    return bad_input(fmt::format("{}: tensor {}: found shape {}, expected {} by config.json",
                                 directory_, name, describe_shape(view.shape),
                                 describe_shape(shape)));
  }
  return view;
}

Result<WeightRows> Checkpoint::weight(std::string_view name, std::span<const int64_t> shape) const {
  const auto values = tensor(name, shape);
  if (!values) return values.error();
  std::optional<TensorView> scales;
  if (values->type == TensorType::kF8E4m3) {
    if (!architecture_.fp8) {
      return bad_input(
          fmt::format("{}: tensor {}: found F8_E4M3, expected a quantization_config in "
                      "config.json to say the blocks of its scales",
                      directory_, name));
    }
    const auto found = tensors_.find(scale_name(std::string(name)));
    if (found == tensors_.end()) {
      return bad_input(fmt::format("{}: tensor {} is missing; expected beside FP8 weights",
                                   directory_, scale_name(std::string(name))));
    }
    scales = found->second;
  }
  return WeightRows::make(fmt::format("{}: tensor {}", directory_, name), *values, scales,
                          architecture_.fp8.value_or(ScaleBlocks{}));
}

Status Checkpoint::check_tensors() const {
  for (const TensorSpec& spec : expected_tensors(shape_, architecture_)) {
    if (spec.is_optional && !has(spec.name)) continue;
    if (const auto rows = weight(spec.name, spec.shape); !rows) return rows.error();
  }
  return {};
}

void Checkpoint::drop_pages() const {
  for (const MappedFile& file : files_) weft::drop_pages(file.bytes());
}

}  // namespace weft
