// Times the engine's kernels one by one, on shapes of a model: matrix products, rounding of their
// activations, attention of prompts and of decoding sequences, writing of keys and values.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/local_model.h"
#include "model/batch.h"

namespace weft {

// Seconds of [m, k] by [k, n], activations rounded before, and of rounding them.
struct ProductPoint {
  double m = 0;
  double n = 0;
  double k = 0;
  double seconds = 0;
  double rounding_seconds = 0;
};

// Seconds of one layer's attention, and of writing the keys and values that it adds.
struct AttentionPoint {
  RankLoad load;
  double seconds = 0;
  double writing_seconds = 0;
  double bytes = 0;  // of KV that it reads
};

struct KernelTimingConfig {
  double seconds = 0.05;  // that one point is timed for, about
  // Gone through in turns, so that weights and KV come from where a model's come from.
  int64_t bytes = int64_t{256} << 20;
  int64_t kv_bytes = int64_t{1} << 30;
  std::vector<int64_t> rows = {1, 4, 16, 64, 128, 256, 512};    // of products
  std::vector<int64_t> prompts = {128, 256, 512, 1024};         // tokens
  std::vector<int64_t> sequences = {1, 4, 16};                  // that decode together
  std::vector<int64_t> contexts = {128, 256, 512, 1024, 2048};  // tokens of each
};

// Of every shape of product in a layer and the head.
std::vector<ProductPoint> time_products(const LocalModel& local, WeightFormat format,
                                        const KernelTimingConfig& config, Workers& workers);

// Of one layer, the model's heads, KV in this format.
std::vector<AttentionPoint> time_attention(const LocalModel& local, KvFormat format,
                                           const KernelTimingConfig& config, Workers& workers);

}  // namespace weft
