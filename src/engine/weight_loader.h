// WeightLoader: packs a checkpoint's tensors by name. It keeps the first error and goes on with
// empty weights, so that an architecture's file reads as a list of what there is.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/weight_cache.h"
#include "engine/weights.h"
#include "kernels/isa.h"
#include "kernels/workers.h"
#include "model/checkpoint.h"

namespace weft {

class WeightLoader {
 public:
  // `cache`, if any, is asked for each matrix before it is packed; it outlives the loader.
  WeightLoader(const Checkpoint& checkpoint, EngineFormat format, Isa isa, Workers& workers,
               WeightCache* cache = nullptr);

  // Part of a linear layer: the tensor PREFIX.weight of `rows` rows, and PREFIX.bias.
  struct Part {
    std::string prefix;
    int64_t rows = 0;
    bool has_bias = false;
  };
  // The parts' rows one after the other, as one matrix over `columns` inputs.
  Linear linear(std::span<const Part> parts, int64_t columns, WeightFormat format);
  Linear linear(std::span<const Part> parts, int64_t columns);
  // A tensor of one dimension.
  std::vector<float> vector(const std::string& name, int64_t size);

  // What the architectures are made of; PREFIX ends without a dot ("model.layers.3.self_attn").
  GqaWeights gqa(const std::string& prefix);
  MlaWeights mla(const std::string& prefix);
  FfnWeights ffn(const std::string& prefix, int64_t width);
  Linear gate_up(const std::string& prefix, int64_t width);
  // DeepSeek's names ("gate", "experts.N", "shared_experts"), which Qwen3's mixtures share.
  MoeWeights moe(const std::string& prefix);
  // `layer` counts MTP modules as layers after the last.
  LayerWeights layer(int layer);
  MtpWeights mtp(int layer);
  ModelWeights model();

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  // Every matrix of the model, wherever it came from; valid as long as the matrices.
  [[nodiscard]] const std::vector<WeightCachePart>& parts() const { return parts_; }
  // Matrices that were packed, not found in the cache.
  [[nodiscard]] int64_t packed() const { return packed_; }

 private:
  // From the cache, or by `read`; `tensors` names what it is made of.
  PackedMatrix matrix(const std::string& tensors, WeightFormat format, int64_t n, int64_t k,
                      const RowReader& read);
  // Rows of one tensor of a matrix.
  std::optional<WeightRows> rows(const std::string& name, int64_t rows, int64_t columns);
  // A head's part of kv_b_proj: `count` rows from `first`; transposed: its columns as rows.
  PackedMatrix head_part(const WeightRows& rows, int64_t first, int64_t count, bool transposed);
  void fail(const Error& error);

  const Checkpoint& checkpoint_;
  const ModelShape& shape_;
  const ArchitectureConfig& config_;
  EngineFormat format_;
  Isa isa_;
  Workers& workers_;
  WeightCache* cache_;
  std::vector<WeightCachePart> parts_;
  int64_t packed_ = 0;
  std::optional<Error> error_;
};

}  // namespace weft
