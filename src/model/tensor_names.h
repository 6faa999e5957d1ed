// The tensors of a checkpoint, by architecture: their published names and the shapes that
// config.json gives them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/architecture_config.h"
#include "model/shape.h"

namespace weft {

enum class TensorRole {
  kNorm,          // multiplies after an RMS norm
  kBias,          // of a projection
  kProjection,    // [out, in]; FP8 with block scales in FP8 checkpoints
  kEmbedding,     // [vocab, hidden]
  kHead,          // [vocab, hidden]
  kRouter,        // [experts, hidden]
  kRouterBias,    // [experts]: V3's e_score_correction_bias, F32 as published
  kMtpProjection  // [hidden, 2 hidden]: eh_proj, never FP8
};

struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
  TensorRole role = TensorRole::kProjection;
  // May be absent: the copies of embedding and head in MTP layers, which are the model's own.
  bool is_optional = false;
};

// In the order of the layers. An MTP layer's are named as layers after the last:
// model.layers.{layers + i}.…, DeepSeek-V3 alone.
std::vector<TensorSpec> expected_tensors(const ModelShape& shape, const ArchitectureConfig& config);

// "NAME_scale_inv": where the block scales of an FP8 tensor lie.
std::string scale_name(const std::string& name);

}  // namespace weft
