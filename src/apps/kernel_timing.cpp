// Each kernel again and again on data that it has not just seen. What counts is the time that a
// fifth of the runs keep within: others on the machine take from the rest.
#include "apps/kernel_timing.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "apps/engine_timing.h"
#include "engine/kv_memory.h"
#include "engine/rope.h"
#include "kernels/multiply.h"
#include "kernels/paged_attention.h"

namespace weft {

namespace {

constexpr double kQuick = 0.2;
constexpr int64_t kBlock = 16;
constexpr int64_t kWidestHead = 32768;  // rows of the head that are timed; more are alike
constexpr int kLeastRuns = 5;

// Until the time is up; each run says what its parts took.
template <class Run>
std::vector<double> repeat(double budget, size_t parts, Run run) {
  std::vector<std::vector<double>> all(parts);
  const double end = now_seconds() + budget;
  for (int i = 0; i < kLeastRuns || now_seconds() < end; ++i) {
    const std::vector<double> took = run(i);
    for (size_t p = 0; p < parts; ++p) all[p].push_back(took[p]);
  }
  std::vector<double> out;
  for (const auto& seconds : all) out.push_back(quantile(seconds, kQuick));
  return out;
}

using Sizes = std::set<std::pair<int64_t, int64_t>>;  // n, k

void add(const PackedMatrix& matrix, Sizes& sizes) {
  if (matrix.n() > 0) sizes.insert({std::min(matrix.n(), kWidestHead), matrix.k()});
}

void add(const FfnWeights& ffn, Sizes& sizes) {
  add(ffn.gate_up.matrix, sizes);
  add(ffn.down.matrix, sizes);
}

void add(const MoeWeights& moe, Sizes& sizes) {
  add(moe.experts.front(), sizes);
  if (moe.shared) add(*moe.shared, sizes);
}

void add(const GqaWeights& gqa, Sizes& sizes) {
  add(gqa.qkv.matrix, sizes);
  add(gqa.output.matrix, sizes);
}

void add(const MlaWeights& mla, Sizes& sizes) {
  add(mla.down.matrix, sizes);
  add(mla.q_up.matrix, sizes);
  add(mla.output.matrix, sizes);
}

Sizes sizes_of(const ModelWeights& weights) {
  Sizes sizes;
  for (const LayerWeights& layer : weights.layers) {
    std::visit([&](const auto& part) { add(part, sizes); }, layer.attention);
    std::visit([&](const auto& part) { add(part, sizes); }, layer.ffn);
  }
  add(weights.head, sizes);
  return sizes;
}

// Some weight for every place; which does not matter.
void made_up_rows(int64_t first, int64_t rows, int64_t k, float* out) {
  uint32_t state = static_cast<uint32_t>(first) * 2654435761U + 1;
  for (int64_t i = 0; i < rows * k; ++i) {
    state = state * 1664525U + 1013904223U;
    out[i] = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-36F;
  }
}

std::vector<PackedMatrix> made_up_matrices(WeightFormat format, int64_t n, int64_t k, int64_t bytes,
                                           Isa isa, Workers& workers) {
  std::vector<PackedMatrix> out;
  int64_t have = 0;
  while (have < bytes || out.size() < 2) {
    const auto salt = static_cast<int64_t>(out.size()) * n;
    const auto read = [&](int64_t first, int64_t rows, float* to) {
      made_up_rows(salt + first, rows, k, to);
    };
    out.push_back(PackedMatrix::pack(format, isa, n, k, read, workers));
    have += static_cast<int64_t>(out.back().bytes());
  }
  return out;
}

// One layer after another, and then other blocks, so that no KV is found in a cache that a step
// of the model would not find there.
class AttentionTiming {
 public:
  AttentionTiming(const LocalModel& local, KvFormat format, int64_t bytes, Workers& workers)
      : shape_(local.model.shape()),
        layout_(*weft::kv_layout(shape_, local.model.architecture(), kBlock, format)),
        kernels_(elementwise(local.model.isa())),
        layers_(shape_.layers),
        memory_(layout_, layers_, std::max<int64_t>(64, bytes / layers_ / layout_.block_bytes())),
        attention_(layout_, shape_.heads,
                   static_cast<float>(attention_scale(shape_, local.model.architecture())),
                   local.model.isa(), workers),
        workers_(workers) {
    workers_.run([&](int thread) {
      const Range range = split(memory_.blocks(), 1, thread, workers_.threads());
      for (int l = 0; l < layers_; ++l) {
        for (int64_t b = range.begin; b < range.end; ++b) {
          // 0x3c3c is 0.0115 in BF16, and so are four of these bytes as the scale of INT8.
          const auto block = memory_.layer(l).bytes(layout_, static_cast<uint32_t>(b));
          std::memset(block.data(), 0x3c, block.size());
        }
      }
    });
  }

  [[nodiscard]] bool holds(int64_t sequences, int64_t tokens) const {
    return sequences * ceil_div(tokens, kBlock) <= memory_.blocks();
  }

  // `sequences` of `context` tokens in place, of which each computes `tokens` more. Requires that
  // it holds them.
  AttentionPoint time(int64_t sequences, int64_t context, int64_t tokens, double budget) {
    lay_out(sequences, context, tokens);
    const bool latent = layout_.latent;
    const auto rows = static_cast<size_t>(sequences * tokens);
    const int64_t key_width = layout_.kv_heads * layout_.key_dims;
    const int64_t value_width = latent ? layout_.rope_dims : layout_.kv_heads * layout_.value_dims;
    const int64_t q_width = shape_.heads * layout_.key_dims;
    const int64_t rope_width = shape_.heads * layout_.rope_dims;
    const int64_t out_width = shape_.heads * layout_.value_dims;
    const auto floats = [&](int64_t width) {
      return std::vector<float>(rows * static_cast<size_t>(width), 0.25F);
    };
    const std::vector<float> keys = floats(key_width), values = floats(value_width),
                             q = floats(q_width), q_rope = floats(rope_width);
    std::vector<float> out = floats(out_width);
    const KvRows kv = {keys.data(), key_width, values.data(), value_width};
    const auto took = repeat(budget, 2, [&](int run) -> std::vector<double> {
      if (run % layers_ == 0) next_blocks();
      const KvBlocks blocks = memory_.layer(run % layers_);
      const double begin = now_seconds();
      write_kv(layout_, blocks, sequences_, kv, kernels_, workers_);
      const double written = now_seconds();
      attention_.run(blocks, sequences_,
                     {.q = q.data(),
                      .q_stride = q_width,
                      .q_rope = q_rope.data(),
                      .q_rope_stride = rope_width,
                      .out = out.data(),
                      .out_stride = out_width},
                     workers_);
      return {now_seconds() - written, written - begin};
    });
    const auto all = static_cast<double>(sequences * (context + tokens));
    return {load_, took[0], took[1], all * layout_.bytes_per_token()};
  }

 private:
  void lay_out(int64_t sequences, int64_t context, int64_t tokens) {
    const int64_t blocks = ceil_div(context + tokens, kBlock);
    CHECK(holds(sequences, context + tokens));
    table_.resize(static_cast<size_t>(sequences * blocks));
    first_block_ = 0;
    next_blocks();
    sequences_.clear();
    for (int64_t s = 0; s < sequences; ++s) {
      const auto mine = std::span<const uint32_t>(table_).subspan(static_cast<size_t>(s * blocks),
                                                                  static_cast<size_t>(blocks));
      sequences_.push_back({mine, context, tokens, s * tokens});
    }
    load_ = {};
    const auto count = static_cast<int32_t>(sequences);
    if (tokens == 1) {
      load_.decode_sequences = count;
      load_.decode_tokens = sequences;
      load_.decode_context = sequences * (context + 1);
      return;
    }
    const auto mean = static_cast<double>(context) + static_cast<double>(tokens + 1) / 2;
    load_.prefill_sequences = count;
    load_.prefill_tokens = sequences * tokens;
    load_.prefill_context = sequences * context;
    load_.prefill_longest = context + tokens;
    load_.prefill_products = static_cast<double>(sequences * tokens) * mean;
  }

  void next_blocks() {
    const int64_t all = memory_.blocks();
    for (size_t i = 0; i < table_.size(); ++i) {
      table_[i] = static_cast<uint32_t>((first_block_ + static_cast<int64_t>(i)) % all);
    }
    first_block_ = (first_block_ + static_cast<int64_t>(table_.size())) % all;
  }

  const ModelShape& shape_;
  KvLayout layout_;
  const Elementwise& kernels_;
  int layers_;
  KvMemory memory_;
  PagedAttention attention_;
  Workers& workers_;
  std::vector<uint32_t> table_;
  int64_t first_block_ = 0;
  std::vector<AttentionSequence> sequences_;
  RankLoad load_;
};

}  // namespace

std::vector<ProductPoint> time_products(const LocalModel& local, WeightFormat format,
                                        const KernelTimingConfig& config, Workers& workers) {
  const Isa isa = local.model.isa();
  std::vector<ProductPoint> points;
  for (const auto& [n, k] : sizes_of(local.model.weights())) {
    const auto matrices = made_up_matrices(format, n, k, config.bytes, isa, workers);
    for (const int64_t m : config.rows) {
      std::vector<float> x(static_cast<size_t>(m * k), 0.25F);
      std::vector<float> y(static_cast<size_t>(m * n));
      Activations rounded;
      const auto took = repeat(config.seconds, 2, [&](int run) -> std::vector<double> {
        const double begin = now_seconds();
        rounded.set(x.data(), m, k, k, format, isa, workers);
        const double set = now_seconds();
        multiply(matrices[static_cast<size_t>(run) % matrices.size()], rounded,
                 {.y = y.data(), .stride = n}, workers);
        return {now_seconds() - set, set - begin};
      });
      points.push_back({static_cast<double>(m), static_cast<double>(n), static_cast<double>(k),
                        took[0], took[1]});
    }
  }
  return points;
}

std::vector<AttentionPoint> time_attention(const LocalModel& local, KvFormat format,
                                           const KernelTimingConfig& config, Workers& workers) {
  AttentionTiming timing(local, format, config.kv_bytes, workers);
  std::vector<AttentionPoint> points;
  for (const int64_t prompt : config.prompts) {
    if (!timing.holds(1, prompt)) continue;
    points.push_back(timing.time(1, 0, prompt, config.seconds));
    const int64_t chunk = prompt / 4;
    if (chunk > 1) points.push_back(timing.time(1, prompt - chunk, chunk, config.seconds));
  }
  for (const int64_t sequences : config.sequences) {
    for (const int64_t context : config.contexts) {
      if (!timing.holds(sequences, context + 1)) continue;
      points.push_back(timing.time(sequences, context, 1, config.seconds));
    }
  }
  return points;
}

}  // namespace weft
