// Checkpoint: a folder as published on Hugging Face. config.json, model.safetensors (or its shards
// and model.safetensors.index.json), and the texts beside them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/architecture_config.h"
#include "model/safetensors.h"
#include "model/shape.h"
#include "model/weight_rows.h"

namespace weft {

// Texts beside the weights; absent when the folder does not have them.
struct CheckpointTexts {
  std::optional<std::string> tokenizer;          // tokenizer.json
  std::optional<std::string> tokenizer_config;   // tokenizer_config.json
  std::optional<std::string> generation_config;  // generation_config.json
  std::optional<std::string> chat_template;      // chat_template.jinja
};

// Reads model.safetensors.index.json (text): tensor name -> file name. kBadInput when it is not
// that, names a tensor twice, or names a file outside its folder.
using ShardMap = std::map<std::string, std::string, std::less<>>;
Result<ShardMap> read_shard_index(std::string_view json, const std::string& name);

// Move-only. Views and WeightRows that it gave out live as long as it does, moves included. Any
// number of threads may call the const members at once.
class Checkpoint {
 public:
  // Maps every file and checks every header; no weight is read. kNotFound or kBadInput names the
  // file, what was found and what was expected: missing folder, config.json or shard, a tensor that
  // lies in another shard than the index says, or in two.
  static Result<Checkpoint> open(const std::string& directory);

  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const ModelShape& shape() const { return shape_; }
  [[nodiscard]] const ArchitectureConfig& architecture() const { return architecture_; }
  [[nodiscard]] const CheckpointTexts& texts() const { return texts_; }

  [[nodiscard]] bool has(std::string_view name) const { return tensors_.contains(name); }
  [[nodiscard]] std::vector<std::string> names() const;   // in the order of the alphabet
  [[nodiscard]] int64_t bytes() const { return bytes_; }  // of all tensors

  // kBadInput "DIRECTORY: NAME: missing ..." or "... found shape [2, 3], expected [3, 3] by
  // config.json".
  [[nodiscard]] Result<TensorView> tensor(std::string_view name,
                                          std::span<const int64_t> shape) const;
  // The same as floats, with the block scales of FP8 tensors; integers are refused.
  [[nodiscard]] Result<WeightRows> weight(std::string_view name,
                                          std::span<const int64_t> shape) const;
  // Lets the system take back the memory of what was read so far; it is read again from the files.
  void drop_pages() const;
  // Whether every tensor of expected_tensors() is there, has its shape and is a weight; the first
  // that is not. Tensors that no architecture knows are left alone.
  [[nodiscard]] Status check_tensors() const;

 private:
  Checkpoint() = default;
  Status add_file(const std::string& file, const ShardMap* index);
  Status add_shards();

  std::string directory_;
  ModelShape shape_;
  ArchitectureConfig architecture_;
  CheckpointTexts texts_;
  std::vector<MappedFile> files_;
  TensorMap tensors_;
  int64_t bytes_ = 0;
};

}  // namespace weft
