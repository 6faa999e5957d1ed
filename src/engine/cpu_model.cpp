// Loading, and what it came to.
#include "engine/cpu_model.h"

#include "engine/weight_loader.h"

namespace weft {

namespace {

int64_t bytes(const PackedMatrix& matrix) { return static_cast<int64_t>(matrix.bytes()); }

int64_t bytes(std::span<const PackedMatrix> matrices) {
  int64_t sum = 0;
  for (const PackedMatrix& matrix : matrices) sum += bytes(matrix);
  return sum;
}

int64_t bytes(const FfnWeights& ffn) { return bytes(ffn.gate_up.matrix) + bytes(ffn.down.matrix); }

int64_t bytes(const MoeWeights& moe) {
  int64_t sum = bytes(moe.router) + (moe.shared ? bytes(*moe.shared) : 0);
  for (const FfnWeights& expert : moe.experts) sum += bytes(expert);
  return sum;
}

int64_t bytes(const GqaWeights& gqa) { return bytes(gqa.qkv.matrix) + bytes(gqa.output.matrix); }

int64_t bytes(const MlaWeights& mla) {
  return bytes(mla.down.matrix) + bytes(mla.q_up.matrix) + bytes(mla.output.matrix) +
         bytes(mla.k_up) + bytes(mla.v_up);
}

int64_t bytes(const LayerWeights& layer) {
  const auto of = [](const auto& part) { return bytes(part); };
  return std::visit(of, layer.attention) + std::visit(of, layer.ffn);
}

// The cache, if there is one and it fits.
Result<std::optional<WeightCache>> read_cache(const WeightCacheKey& key, Workers& workers,
                                              WeightCacheReport& report) {
  const auto file = MappedFile::open(key.file);
  if (!file.ok()) {
    if (file.error().code != ErrorCode::kNotFound) report.note = file.error().message;
    return std::optional<WeightCache>();
  }
  auto read = WeightCache::read(file->bytes(), key, workers, true);
  if (auto* fault = std::get_if<WeightCache::Fault>(&read)) {
    if (fault->kind == WeightCacheFault::kForeign) return bad_input(fault->message);
    report.note = fault->message + "; packed again";
    return std::optional<WeightCache>();
  }
  return std::optional<WeightCache>(std::get<WeightCache>(std::move(read)));
}

}  // namespace

CpuModel::CpuModel(std::unique_ptr<Checkpoint> checkpoint, ModelWeights weights,
                   EngineFormat format, Isa isa)
    : checkpoint_(std::move(checkpoint)),
      weights_(std::move(weights)),
      format_(format),
      isa_(isa) {}

Result<CpuModel> CpuModel::load(Checkpoint checkpoint, const EngineFormat& format, Isa isa,
                                Workers& workers, WeightCacheReport* cache) {
  auto owned = std::make_unique<Checkpoint>(std::move(checkpoint));
  if (const Status complete = owned->check_tensors(); !complete.ok()) return complete.error();
  std::optional<WeightCache> kept;
  WeightCacheKey key;
  if (cache != nullptr) {
    auto found = weight_cache_key(owned->directory(), format);
    if (!found) return found.error();
    key = std::move(*found);
    cache->file = key.file;
    auto opened = read_cache(key, workers, *cache);
    if (!opened) return opened.error();
    kept = std::move(*opened);
  }
  WeightLoader loader(*owned, format, isa, workers, kept ? &*kept : nullptr);
  ModelWeights weights = loader.model();
  if (loader.error()) return *loader.error();
  if (cache != nullptr) {
    cache->read = loader.packed() == 0;
    if (!cache->read) {
      const Status written = write_weight_cache(key, loader.parts());
      cache->written = written.ok();
      if (!written.ok()) cache->note = written.error().message;
    }
  }
  return CpuModel(std::move(owned), std::move(weights), format, isa);
}

int64_t CpuModel::weight_bytes() const {
  int64_t sum = bytes(weights_.head);
  for (const LayerWeights& layer : weights_.layers) sum += bytes(layer);
  for (const MtpWeights& mtp : weights_.mtp) {
    sum += bytes(mtp.projection.matrix) + bytes(mtp.layer);
  }
  return sum;
}

}  // namespace weft
