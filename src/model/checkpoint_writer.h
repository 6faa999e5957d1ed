// Writes a checkpoint's folder: safetensors files made piece by piece on several threads, the index
// of the shards, and texts. The folder has its name only once it is whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/safetensors.h"

namespace weft {

struct TensorToWrite {
  std::string name;  // letters, digits, '.', '_' and '-'
  TensorType type = TensorType::kBf16;
  std::vector<int64_t> shape;
};

struct CheckpointToWrite {
  std::vector<TensorToWrite> tensors;
  std::map<std::string, std::string> texts;  // file name -> content
  // Tensors of a file, unless a single one is larger. One file is model.safetensors, more are
  // model-00001-of-0000N.safetensors with an index.
  int64_t shard_bytes = int64_t{2} << 30;
  int threads = 1;
};

// Writes the values of `tensors[tensor]` from `first_value` on to `out`, as its type has them.
// Called from several threads at once.
using FillTensor =
    std::function<void(size_t tensor, int64_t first_value, std::span<std::byte> out)>;

// kBadInput when `directory` is there and not empty. When writing fails nothing is left behind.
Status write_checkpoint(const std::string& directory, const CheckpointToWrite& contents,
                        const FillTensor& fill);

}  // namespace weft
