// CpuModel: a checkpoint ready to run on this machine. Instances share it.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "engine/weight_cache.h"
#include "engine/weights.h"
#include "kernels/isa.h"
#include "kernels/workers.h"
#include "model/checkpoint.h"

namespace weft {

class CpuModel {
 public:
  // Packs every weight with all threads. kBadInput names the tensor that is missing, has another
  // shape than config.json says, or holds a value that is not finite.
  // With `cache`, matrices come from the file beside the checkpoint where it fits, and are written
  // there where it does not (weight_cache.h); kBadInput when another file is in its place. What is
  // wrong with the file otherwise is told in cache->note, and costs time alone.
  static Result<CpuModel> load(Checkpoint checkpoint, const EngineFormat& format, Isa isa,
                               Workers& workers, WeightCacheReport* cache = nullptr);

  [[nodiscard]] const Checkpoint& checkpoint() const { return *checkpoint_; }
  [[nodiscard]] const ModelShape& shape() const { return checkpoint_->shape(); }
  [[nodiscard]] const ArchitectureConfig& architecture() const {
    return checkpoint_->architecture();
  }
  [[nodiscard]] const ModelWeights& weights() const { return weights_; }
  [[nodiscard]] const EngineFormat& format() const { return format_; }
  [[nodiscard]] Isa isa() const { return isa_; }
  [[nodiscard]] bool has_mtp() const { return !weights_.mtp.empty(); }
  // Memory of the packed weights.
  [[nodiscard]] int64_t weight_bytes() const;

 private:
  CpuModel(std::unique_ptr<Checkpoint> checkpoint, ModelWeights weights, EngineFormat format,
           Isa isa);

  std::unique_ptr<Checkpoint> checkpoint_;  // embedding rows are read from its file
  ModelWeights weights_;
  EngineFormat format_;
  Isa isa_;
};

}  // namespace weft
