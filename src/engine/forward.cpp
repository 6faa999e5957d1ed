// The pass itself: rows laid out, embedded, taken through the layers, and the head.
#include "engine/forward.h"

#include <algorithm>

#include "base/check.h"
#include "engine/rope.h"

namespace weft {

namespace {

constexpr int64_t kFfnRows = 512;

std::vector<float> frequencies(const CpuModel& model) {
  const ModelShape& shape = model.shape();
  const int dims = model.architecture().is_mla() ? shape.rope_dim : shape.head_dim;
  const auto exact = rope_frequencies(model.architecture().rope, dims);
  return {exact.begin(), exact.end()};
}

GateConfig gate_config(const ModelShape& shape, const ExpertRouterConfig& router) {
  GateConfig gate;
  gate.experts = shape.experts;
  gate.top_k = shape.experts_per_token;
  gate.score =
      router.scoring == RouterScoring::kSigmoid ? GateScore::kSigmoid : GateScore::kSoftmax;
  if (router.method != RouterMethod::kGreedy) {
    gate.groups = shape.expert_groups;
    gate.top_groups = shape.expert_groups_per_token;
  }
  gate.group_score =
      router.method == RouterMethod::kGroupLimitedBiased ? GroupScore::kBestTwo : GroupScore::kBest;
  gate.normalize = router.normalizes;
  gate.scale = static_cast<float>(router.scale);
  return gate;
}

size_t product(int64_t a, int64_t b) { return static_cast<size_t>(a * b); }

ProductOutput output(const Linear& linear, float* y, int64_t stride, Epilogue epilogue) {
  return {y, stride, epilogue, linear.bias.empty() ? nullptr : linear.bias.data()};
}

int64_t whole_panels(int64_t ffn) { return (ffn + 15) / 16 * 16; }

// Of a layer's first products, the widest.
int64_t widest(const ModelShape& shape, bool is_mla) {
  const int64_t queries =
      int64_t{shape.heads} * (is_mla ? shape.nope_dim + shape.rope_dim : shape.head_dim);
  const int64_t latent = std::max<int64_t>(queries, shape.q_lora) + shape.kv_lora + shape.rope_dim;
  const int64_t gqa = queries + int64_t{2} * shape.kv_heads * shape.head_dim;
  const int64_t ffn =
      std::max<int64_t>(shape.dense_ffn, int64_t{shape.shared_experts} * shape.expert_ffn);
  return std::max({is_mla ? latent : gqa, whole_panels(ffn), int64_t{2} * shape.hidden});
}

}  // namespace

Forward::Forward(const CpuModel& model, const ForwardLimits& limits, KvMemory& kv, Workers& workers)
    : model_(model),
      shape_(model.shape()),
      config_(model.architecture()),
      kernels_(elementwise(model.isa())),
      kv_(kv),
      workers_(workers),
      isa_(model.isa()),
      rope_(config_.rope.is_interleaved ? RopeStyle::kPairs : RopeStyle::kHalves,
            frequencies(model), static_cast<float>(config_.rope.magnitude)),
      hidden_width_(shape_.hidden),
      x_(product(limits.tokens, shape_.hidden)),
      normed_(x_.size()),
      hidden_(model.has_mtp() ? x_.size() : 0),
      wide_(product(limits.tokens, widest(shape_, config_.is_mla()))),
      logits_(product(limits.logit_rows, shape_.vocab)),
      attention_(kv.layout(), shape_.heads, static_cast<float>(attention_scale(shape_, config_)),
                 isa_, workers) {
  const bool mla = config_.is_mla();
  const int64_t queries =
      int64_t{shape_.heads} * (mla ? shape_.nope_dim + shape_.rope_dim : shape_.head_dim);
  const int64_t values = int64_t{shape_.heads} * (mla ? shape_.v_dim : shape_.head_dim);
  heads_.resize(product(limits.tokens, std::max(queries, values)));
  if (mla) {
    latent_.resize(product(limits.tokens, int64_t{2} * shape_.heads * shape_.kv_lora));
    query_nope_.resize(product(limits.tokens, int64_t{shape_.heads} * shape_.nope_dim));
    query_rope_.resize(product(limits.tokens, int64_t{shape_.heads} * shape_.rope_dim));
  }
  if (shape_.is_moe()) {
    const GateConfig gate = gate_config(shape_, config_.router);
    for (int t = 0; t < workers.threads(); ++t) gates_.emplace_back(gate, kernels_);
    const int64_t slots = limits.tokens * shape_.experts_per_token;
    gate_logits_.resize(product(limits.tokens, shape_.experts));
    chosen_.resize(static_cast<size_t>(slots));
    weights_.resize(static_cast<size_t>(slots));
    slots_.resize(static_cast<size_t>(slots));
    sources_.resize(static_cast<size_t>(slots));
    expert_wide_.resize(product(slots, whole_panels(shape_.expert_ffn)));
    expert_out_.resize(product(slots, shape_.hidden));
  }
  sequences_.reserve(static_cast<size_t>(limits.sequences));
  angles_.reserve(static_cast<size_t>(limits.tokens));
}

void Forward::lay_out(std::span<const ForwardPart> parts) {
  sequences_.clear();
  angles_.clear();
  rows_ = 0;
  int64_t end = 0;
  for (const ForwardPart& part : parts) {
    const auto tokens = static_cast<int64_t>(part.tokens.size());
    sequences_.push_back({part.table, part.context, tokens, rows_});
    rows_ += tokens;
    end = std::max(end, part.context + tokens);
  }
  CHECK(product(rows_, hidden_width_) <= x_.size(), "a step is within the limits");
  rope_.extend(end);
  for (const ForwardPart& part : parts) {
    for (size_t i = 0; i < part.tokens.size(); ++i) {
      angles_.push_back(rope_.row(part.context + static_cast<int64_t>(i)));
    }
  }
}

void Forward::embed(std::span<const ForwardPart> parts, float* out, int64_t stride) {
  const WeightRows& table = *model_.weights().embedding;
  for (const ForwardPart& part : parts) {
    for (const int32_t token : part.tokens) {
      table.read(token, 1, out);
      out += stride;
    }
  }
}

void Forward::norm_rows(const float* x, int64_t stride, int64_t width,
                        const std::vector<float>& weight, float eps, float* out,
                        int64_t out_stride) {
  for_rows(rows_, [&](Range r) {
    kernels_.rms_norm(x + r.begin * stride, stride, r.size(), width, weight.data(), eps,
                      out + r.begin * out_stride, out_stride);
  });
}

void Forward::norm_hidden(const float* x, const std::vector<float>& weight, float* out) {
  norm_rows(x, hidden_width_, hidden_width_, weight, static_cast<float>(config_.rms_norm_eps), out,
            hidden_width_);
}

void Forward::run(std::span<const ForwardPart> parts) {
  lay_out(parts);
  embed(parts, x_.data(), hidden_width_);
  const ModelWeights& weights = model_.weights();
  for (size_t l = 0; l < weights.layers.size(); ++l) layer(weights.layers[l], static_cast<int>(l));
  if (!hidden_.empty()) {
    norm_hidden(x_.data(), weights.final_norm, hidden_.data());
  }
  head(parts, weights.final_norm);
}

void Forward::layer(const LayerWeights& weights, int kv_layer) {
  norm_hidden(x_.data(), weights.attention_norm, normed_.data());
  std::visit([&](const auto& attention) { this->attention(attention, kv_layer); },
             weights.attention);
  norm_hidden(x_.data(), weights.ffn_norm, normed_.data());
  std::visit([&](const auto& ffn) { this->ffn(ffn); }, weights.ffn);
}

void Forward::project(const Linear& linear, const float* x, int64_t stride, float* y,
                      int64_t y_stride) {
  const PackedMatrix& w = linear.matrix;
  rounded_.set(x, rows_, w.k(), stride, w.format(), isa_, workers_);
  multiply(w, rounded_, output(linear, y, y_stride, Epilogue::kSet), workers_);
}

void Forward::project_into_x(const Linear& linear, const Activations& x, int64_t first_row) {
  float* y = x_.data() + first_row * hidden_width_;
  multiply(linear.matrix, x, output(linear, y, hidden_width_, Epilogue::kAdd), workers_);
}

// Some rows at a time: enough to use the weights well, too few to leave the last cache.
void Forward::ffn(const FfnWeights& weights) {
  const PackedMatrix& w = weights.gate_up.matrix;
  const PackedMatrix& down = weights.down.matrix;
  const int64_t width = weights.inner_width();
  for (int64_t first = 0; first < rows_; first += kFfnRows) {
    const int64_t rows = std::min(kFfnRows, rows_ - first);
    rounded_.set(normed_.data() + first * hidden_width_, rows, w.k(), hidden_width_, w.format(),
                 isa_, workers_);
    multiply(w, rounded_, output(weights.gate_up, wide_.data(), width, Epilogue::kSiluMul),
             workers_);
    rounded_wide_.set(wide_.data(), rows, down.k(), width, down.format(), isa_, workers_);
    project_into_x(weights.down, rounded_wide_, first);
  }
}

// The rows whose logits are wanted, normed, through the head.
void Forward::head(std::span<const ForwardPart> parts, const std::vector<float>& norm) {
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  logit_rows_ = 0;
  int64_t end = 0;
  for (const ForwardPart& part : parts) {
    end += static_cast<int64_t>(part.tokens.size());
    for (int64_t row = end - part.logit_rows; row < end; ++row, ++logit_rows_) {
      kernels_.rms_norm(x_.data() + row * hidden_width_, hidden_width_, 1, hidden_width_,
                        norm.data(), eps, normed_.data() + logit_rows_ * hidden_width_,
                        hidden_width_);
    }
  }
  CHECK(product(logit_rows_, shape_.vocab) <= logits_.size(), "a step is within the limits");
  if (logit_rows_ == 0) return;
  const PackedMatrix& w = model_.weights().head;
  rounded_.set(normed_.data(), logit_rows_, hidden_width_, hidden_width_, w.format(), isa_,
               workers_);
  multiply(w, rounded_, {.y = logits_.data(), .stride = shape_.vocab}, workers_);
}

std::span<float> Forward::logits(int64_t row) {
  CHECK(row < logit_rows_, "a row that was asked for");
  return std::span(logits_).subspan(product(row, shape_.vocab), static_cast<size_t>(shape_.vocab));
}

void Forward::run_mtp(std::span<const ForwardPart> parts, std::span<const int64_t> first_rows) {
  const MtpWeights& weights = model_.weights().mtp.front();
  lay_out(parts);
  // [embedding, hidden state], each normed, in wide_.
  const int64_t width = 2 * hidden_width_;
  embed(parts, wide_.data(), width);
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  norm_rows(wide_.data(), width, hidden_width_, weights.embedding_norm, eps, wide_.data(), width);
  int64_t row = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto tokens = static_cast<int64_t>(parts[i].tokens.size());
    kernels_.rms_norm(hidden_.data() + first_rows[i] * hidden_width_, hidden_width_, tokens,
                      hidden_width_, weights.hidden_norm.data(), eps,
                      wide_.data() + row * width + hidden_width_, width);
    row += tokens;
  }
  project(weights.projection, wide_.data(), width, x_.data(), hidden_width_);
  layer(weights.layer, static_cast<int>(model_.weights().layers.size()));
  std::copy_n(x_.data(), rows_ * hidden_width_, hidden_.data());
  head(parts, weights.final_norm);
}

}  // namespace weft
