// Reads parts of a checkpoint as rows of floats and packs them.
#include "engine/weight_loader.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "kernels/product_output.h"

namespace weft {

namespace {

// The first error of any thread.
class ErrorOfThreads {
 public:
  void note(const Status& status) {
    if (status.ok()) return;
    const std::lock_guard lock(mutex_);
    if (!first_) first_ = status.error();
  }
  [[nodiscard]] const std::optional<Error>& first() const { return first_; }

 private:
  std::mutex mutex_;
  std::optional<Error> first_;
};

// What was packed is not read from the file again, or rarely (rows of the embedding). Linux maps
// pages around the one that is touched, so that those beside are dropped too.
void drop_rows(const WeightRows& of, int64_t first, int64_t rows) {
  constexpr size_t kAround = size_t{64} << 10;
  const auto all = of.bytes();
  const size_t row = all.size() / static_cast<size_t>(of.rows());
  const size_t begin = static_cast<size_t>(first) * row;
  const size_t end = begin + static_cast<size_t>(rows) * row;
  const size_t from = begin - std::min(begin, kAround);
  drop_pages(all.subspan(from, std::min(end + kAround, all.size()) - from));
}

// Rows of several tensors, one after the other, as one matrix.
class PartReader {
 public:
  explicit PartReader(std::vector<WeightRows> parts) : parts_(std::move(parts)) {}

  void read(int64_t first, int64_t rows, float* out) {
    int64_t before = 0;
    for (const WeightRows& part : parts_) {
      const int64_t from = std::max(first, before);
      const int64_t to = std::min(first + rows, before + part.rows());
      if (from < to) {
        error_.note(
            part.read_finite(from - before, to - from, out + (from - first) * part.columns()));
        drop_rows(part, from - before, to - from);
      }
      before += part.rows();
    }
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_.first(); }

 private:
  std::vector<WeightRows> parts_;
  ErrorOfThreads error_;
};

// Gates and ups as Epilogue::kSiluMul takes them; zeros after the last.
class GateUpReader {
 public:
  GateUpReader(WeightRows gate, WeightRows up) : gate_(std::move(gate)), up_(std::move(up)) {}

  void read(int64_t first, int64_t rows, float* out) {
    const int64_t columns = gate_.columns();
    for (int64_t r = first, run = 0; r < first + rows; r += run, out += run * columns) {
      const InterleavedRow row = interleaved_row(r);
      const WeightRows& from = row.is_up ? up_ : gate_;
      run = std::min(16 - r % 16, first + rows - r);
      const int64_t there = std::clamp<int64_t>(from.rows() - row.index, 0, run);
      if (there > 0) {
        error_.note(from.read_finite(row.index, there, out));
        drop_rows(from, row.index, there);
      }
      std::fill(out + there * columns, out + run * columns, 0.0F);
    }
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_.first(); }

 private:
  WeightRows gate_;
  WeightRows up_;
  ErrorOfThreads error_;
};

}  // namespace

WeightLoader::WeightLoader(const Checkpoint& checkpoint, EngineFormat format, Isa isa,
                           Workers& workers, WeightCache* cache)
    : checkpoint_(checkpoint),
      shape_(checkpoint.shape()),
      config_(checkpoint.architecture()),
      format_(format),
      isa_(isa),
      workers_(workers),
      cache_(cache) {}

void WeightLoader::fail(const Error& error) {
  if (!error_) error_ = error;
}

std::optional<WeightRows> WeightLoader::rows(const std::string& name, int64_t rows,
                                             int64_t columns) {
  const std::array<int64_t, 2> shape = {rows, columns};
  auto found = checkpoint_.weight(name, shape);
  if (found.ok()) return std::move(found).value();
  fail(found.error());
  return std::nullopt;
}

std::vector<float> WeightLoader::vector(const std::string& name, int64_t size) {
  std::vector<float> out(static_cast<size_t>(size));
  const std::array<int64_t, 1> shape = {size};
  const auto found = checkpoint_.weight(name, shape);
  if (!found.ok()) return fail(found.error()), out;
  const Status finite = found->read_finite(0, 1, out.data());
  if (!finite.ok()) fail(finite.error());
  return out;
}

PackedMatrix WeightLoader::matrix(const std::string& tensors, WeightFormat format, int64_t n,
                                  int64_t k, const RowReader& read) {
  const WeightCacheName name = weight_cache_name(tensors, n, k, format);
  std::optional<PackedMatrix> out;
  if (cache_ != nullptr) out = cache_->take(name);
  const bool fits = out && out->n() == n && out->k() == k && out->format() == format;
  if (!fits) {
    out = PackedMatrix::pack(format, isa_, n, k, read, workers_);
    ++packed_;
  }
  parts_.push_back({name, out->serialized()});
  return *std::move(out);
}

Linear WeightLoader::linear(std::span<const Part> parts, int64_t columns, WeightFormat format) {
  Linear out;
  std::string names;
  std::vector<WeightRows> tensors;
  int64_t total = 0;
  for (const Part& part : parts) {
    auto tensor = rows(part.prefix + ".weight", part.rows, columns);
    if (!tensor) return out;
    if (cache_ == nullptr) want_pages(tensor->bytes());
    tensors.push_back(std::move(*tensor));
    names += part.prefix + " ";
    total += part.rows;
  }
  PartReader reader(std::move(tensors));
  const auto read = [&reader](int64_t first, int64_t rows, float* to) {
    reader.read(first, rows, to);
  };
  out.matrix = matrix(names, format, total, columns, read);
  if (reader.error()) fail(*reader.error());
  if (std::ranges::none_of(parts, &Part::has_bias)) return out;
  for (const Part& part : parts) {
    const auto bias = part.has_bias ? vector(part.prefix + ".bias", part.rows)
                                    : std::vector<float>(static_cast<size_t>(part.rows));
    out.bias.insert(out.bias.end(), bias.begin(), bias.end());
  }
  return out;
}

Linear WeightLoader::linear(std::span<const Part> parts, int64_t columns) {
  return linear(parts, columns, format_.weights);
}

GqaWeights WeightLoader::gqa(const std::string& prefix) {
  const int64_t queries = int64_t{shape_.heads} * shape_.head_dim;
  const int64_t keys = int64_t{shape_.kv_heads} * shape_.head_dim;
  GqaWeights out;
  out.qkv = linear({{{prefix + ".q_proj", queries, config_.qkv_bias},
                     {prefix + ".k_proj", keys, config_.qkv_bias},
                     {prefix + ".v_proj", keys, config_.qkv_bias}}},
                   shape_.hidden);
  out.output = linear({{{prefix + ".o_proj", shape_.hidden, config_.o_bias}}}, queries);
  if (config_.qk_norm) {
    out.q_norm = vector(prefix + ".q_norm.weight", shape_.head_dim);
    out.k_norm = vector(prefix + ".k_norm.weight", shape_.head_dim);
  }
  return out;
}

PackedMatrix WeightLoader::head_part(const WeightRows& rows, int64_t first, int64_t count,
                                     bool transposed) {
  const int64_t columns = rows.columns();
  std::vector<float> values;
  std::once_flag once;
  // Read when it is first asked for: not at all where the cache has the matrix.
  const auto fill = [&] {
    values.resize(static_cast<size_t>(count * columns));
    const Status finite = rows.read_finite(first, count, values.data());
    if (!finite.ok()) fail(finite.error());
    drop_rows(rows, first, count);
  };
  const auto plain = [&](int64_t from, int64_t n, float* out) {
    std::call_once(once, fill);
    std::copy_n(values.data() + from * columns, n * columns, out);
  };
  const auto turned = [&](int64_t from, int64_t n, float* out) {
    std::call_once(once, fill);
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = 0; c < count; ++c) {
        out[r * count + c] = values[static_cast<size_t>(c * columns + from + r)];
      }
    }
  };
  const bool exact = format_.weights == WeightFormat::kF32;
  const WeightFormat format = exact ? WeightFormat::kF32 : WeightFormat::kBf16;
  const std::string name = rows.name() + " rows " + std::to_string(first);
  return transposed ? matrix(name + " turned", format, columns, count, turned)
                    : matrix(name, format, count, columns, plain);
}

MlaWeights WeightLoader::mla(const std::string& prefix) {
  const int64_t queries = int64_t{shape_.heads} * (shape_.nope_dim + shape_.rope_dim);
  const int64_t head_rows = shape_.nope_dim + shape_.v_dim;
  const Part latent = {prefix + ".kv_a_proj_with_mqa", shape_.kv_lora + shape_.rope_dim,
                       config_.qkv_bias};
  MlaWeights out;
  if (shape_.q_lora > 0) {
    out.down =
        linear({{{prefix + ".q_a_proj", shape_.q_lora, config_.qkv_bias}, latent}}, shape_.hidden);
    out.q_norm = vector(prefix + ".q_a_layernorm.weight", shape_.q_lora);
    out.q_up = linear({{{prefix + ".q_b_proj", queries}}}, shape_.q_lora);
  } else {
    out.down = linear({{{prefix + ".q_proj", queries}, latent}}, shape_.hidden);
  }
  out.kv_norm = vector(prefix + ".kv_a_layernorm.weight", shape_.kv_lora);
  out.output = linear({{{prefix + ".o_proj", shape_.hidden, config_.o_bias}}},
                      int64_t{shape_.heads} * shape_.v_dim);
  const auto up = rows(prefix + ".kv_b_proj.weight", shape_.heads * head_rows, shape_.kv_lora);
  if (!up) return out;
  for (int64_t head = 0; head < shape_.heads; ++head) {
    const int64_t first = head * head_rows;
    out.k_up.push_back(head_part(*up, first, shape_.nope_dim, true));
    out.v_up.push_back(head_part(*up, first + shape_.nope_dim, shape_.v_dim, false));
  }
  return out;
}

FfnWeights WeightLoader::ffn(const std::string& prefix, int64_t width) {
  return {gate_up(prefix, width),
          linear({{{prefix + ".down_proj", shape_.hidden, config_.mlp_bias}}}, width)};
}

Linear WeightLoader::gate_up(const std::string& prefix, int64_t width) {
  Linear out;
  const auto gate = rows(prefix + ".gate_proj.weight", width, shape_.hidden);
  const auto up = rows(prefix + ".up_proj.weight", width, shape_.hidden);
  if (!gate || !up) return out;
  if (cache_ == nullptr) want_pages(gate->bytes()), want_pages(up->bytes());
  const int64_t total = (width + 15) / 16 * 32;
  GateUpReader reader(*gate, *up);
  const auto read = [&reader](int64_t first, int64_t rows, float* to) {
    reader.read(first, rows, to);
  };
  const std::string names = prefix + ".gate_proj and " + prefix + ".up_proj, interleaved";
  out.matrix = matrix(names, format_.weights, total, shape_.hidden, read);
  if (reader.error()) fail(*reader.error());
  if (!config_.mlp_bias) return out;
  const auto of_gate = vector(prefix + ".gate_proj.bias", width);
  const auto of_up = vector(prefix + ".up_proj.bias", width);
  out.bias.resize(static_cast<size_t>(total));
  for (int64_t r = 0; r < total; ++r) {
    const InterleavedRow row = interleaved_row(r);
    if (row.index >= width) continue;
    out.bias[static_cast<size_t>(r)] =
        (row.is_up ? of_up : of_gate)[static_cast<size_t>(row.index)];
  }
  return out;
}

MoeWeights WeightLoader::moe(const std::string& prefix) {
  MoeWeights out;
  out.router =
      linear({{{prefix + ".gate", shape_.experts}}}, shape_.hidden, WeightFormat::kF32).matrix;
  if (config_.router.method == RouterMethod::kGroupLimitedBiased) {
    out.router_bias = vector(prefix + ".gate.e_score_correction_bias", shape_.experts);
  }
  for (int expert = 0; expert < shape_.experts && !error_; ++expert) {
    out.experts.push_back(ffn(prefix + ".experts." + std::to_string(expert), shape_.expert_ffn));
  }
  if (shape_.shared_experts > 0) {
    out.shared =
        ffn(prefix + ".shared_experts", int64_t{shape_.shared_experts} * shape_.expert_ffn);
  }
  return out;
}

LayerWeights WeightLoader::layer(int layer) {
  const std::string prefix = "model.layers." + std::to_string(layer);
  LayerWeights out;
  out.attention_norm = vector(prefix + ".input_layernorm.weight", shape_.hidden);
  out.ffn_norm = vector(prefix + ".post_attention_layernorm.weight", shape_.hidden);
  if (config_.is_mla()) {
    out.attention = mla(prefix + ".self_attn");
  } else {
    out.attention = gqa(prefix + ".self_attn");
  }
  const auto last = config_.moe_layers.size() - 1;
  if (config_.moe_layers[std::min(static_cast<size_t>(layer), last)]) {
    out.ffn = moe(prefix + ".mlp");
  } else {
    out.ffn = ffn(prefix + ".mlp", shape_.dense_ffn);
  }
  checkpoint_.drop_pages();
  return out;
}

MtpWeights WeightLoader::mtp(int layer) {
  const std::string prefix = "model.layers." + std::to_string(layer);
  const WeightFormat format =
      format_.weights == WeightFormat::kF32 ? WeightFormat::kF32 : WeightFormat::kBf16;
  MtpWeights out;
  out.embedding_norm = vector(prefix + ".enorm.weight", shape_.hidden);
  out.hidden_norm = vector(prefix + ".hnorm.weight", shape_.hidden);
  out.projection = linear({{{prefix + ".eh_proj", shape_.hidden}}}, 2 * shape_.hidden, format);
  out.layer = this->layer(layer);
  out.final_norm = vector(prefix + ".shared_head.norm.weight", shape_.hidden);
  return out;
}

ModelWeights WeightLoader::model() {
  ModelWeights out;
  out.embedding = rows("model.embed_tokens.weight", shape_.vocab, shape_.hidden);
  out.final_norm = vector("model.norm.weight", shape_.hidden);
  const std::string head = config_.tied_embeddings ? "model.embed_tokens" : "lm_head";
  out.head = linear({{{head, shape_.vocab}}}, shape_.hidden).matrix;
  for (int l = 0; l < shape_.layers && !error_; ++l) out.layers.push_back(layer(l));
  // Its rows are read one by one, in no order, by the steps to come.
  if (out.embedding) want_pages(out.embedding->bytes());
  if (!format_.loads_mtp) return out;
  for (int m = 0; m < shape_.mtp_layers && !error_; ++m) {
    out.mtp.push_back(mtp(shape_.layers + m));
  }
  return out;
}

}  // namespace weft
