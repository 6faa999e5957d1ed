// Cuts a batch into pieces of work and walks their tiles. A piece is a tile of queries (neighbours
// in one sequence, heads that share a KV head) against its whole context, or, where there are too
// few of those for the threads, against one segment of it, with the merge as a second round.
#include "kernels/paged_attention.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/check.h"
#include "kernels/attention_generic.h"
#include "kernels/attention_reader.h"
#include "kernels/vec_portable.h"

namespace weft {

using namespace kernels;

AttentionKernels kernels::attention_portable() {
  return AttentionEdges<VecPortable, struct Portable>::table();
}

namespace {

constexpr float kLog2E = 1.44269504F;
constexpr int64_t kPiecesPerThread = 4;  // with fewer, contexts are split

AttentionKernels attention_kernels(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return attention_portable();
    case Isa::kAvx2:
      return attention_avx2();
    case Isa::kAvx512:
      return attention_avx512();
    case Isa::kAmx:
      break;
  }
  return attention_amx();
}

// Queries that are computed together, against the segments [first_segment, last_segment).
struct Piece {
  size_t sequence = 0;
  int64_t kv_head = 0;
  int64_t head = 0;  // the first of `heads`
  int64_t heads = 0;
  int64_t token = 0;  // of the sequence's new tokens, the first of `tokens`
  int64_t tokens = 0;
  int64_t keys = 0;  // that the last of them sees
  int64_t first_segment = 0;
  int64_t last_segment = 0;
  int64_t partial = -1;  // where its state goes among the partial results, in floats

  [[nodiscard]] int64_t rows() const { return heads * tokens; }
};

int64_t segments_of(int64_t keys) { return (keys + kSegmentKeys - 1) / kSegmentKeys; }

int64_t state_floats(int64_t rows, int64_t value_dims) {
  return rows * (value_dims + kSumLanes) + (rows + 15) / 16 * 16;
}

SoftmaxState state_at(float* floats, int64_t rows, int64_t value_dims) {
  float* sums = floats + rows * value_dims;
  return {sums + rows * kSumLanes, sums, floats};
}

void clear(const SoftmaxState& state, int64_t rows, int64_t value_dims) {
  std::fill(state.max, state.max + rows, -std::numeric_limits<float>::infinity());
  std::fill(state.sums, state.sums + rows * kSumLanes, 0.0F);
  std::fill(state.out, state.out + rows * value_dims, 0.0F);
}

}  // namespace

class PagedAttention::Impl {
 public:
  Impl(const KvLayout& layout, int64_t heads, float scale, Isa isa, int threads);

  void run(KvBlocks blocks, std::span<const AttentionSequence> sequences, const AttentionRows& rows,
           Workers& workers);

 private:
  // What one thread works with.
  struct Bench {
    Bench(const KvLayout& layout, const AttentionKernels& kernels);
    TileReader reader;
    AlignedVector<float> q;        // [64][padded keys], float or BF16
    AlignedVector<float> scores;   // [64][128]
    AlignedVector<float> weights;  // [64][128], float or BF16
    AlignedVector<float> segment;  // states of 64 rows
    AlignedVector<float> total;
    std::vector<int64_t> limits = std::vector<int64_t>(kTileRows);
  };

  void list_pieces(std::span<const AttentionSequence> sequences);
  void split_pieces();
  void load_queries(const Piece& piece, Bench& bench) const;
  void load_row(const float* from, int64_t n, int64_t at, Bench& bench) const;
  void add_segment(const Piece& piece, int64_t segment, const SoftmaxState& state,
                   Bench& bench) const;
  void compute(const Piece& piece, Bench& bench);
  void merge_partials(const Piece& piece, Bench& bench);
  void write_out(const Piece& piece, const SoftmaxState& total) const;

  const KvLayout layout_;
  const int64_t heads_;
  const float scale_;
  const AttentionKernels kernels_;
  std::vector<std::unique_ptr<Bench>> benches_;  // by thread
  std::vector<Piece> pieces_;                    // whole contexts
  std::vector<Piece> parts_;                     // of pieces_, by segments, where they are split
  AlignedVector<float> partials_;
  int64_t partial_floats_ = 0;
  WorkQueue queue_;
  // Of the run in progress:
  KvBlocks blocks_;
  std::span<const AttentionSequence> sequences_;
  AttentionRows rows_;
};

PagedAttention::Impl::Bench::Bench(const KvLayout& layout, const AttentionKernels& kernels)
    : reader(layout, kernels),
      q(static_cast<size_t>(kTileRows * layout.padded_keys())),
      scores(kTileRows * kTileKeys),
      weights(kTileRows * kTileKeys),
      segment(static_cast<size_t>(state_floats(kTileRows, layout.padded_values()))),
      total(segment.size()) {}

PagedAttention::Impl::Impl(const KvLayout& layout, int64_t heads, float scale, Isa isa, int threads)
    : layout_(layout),
      heads_(heads),
      scale_(scale * kLog2E),
      kernels_(attention_kernels(isa)),
      queue_(threads) {
  CHECK(heads > 0 && heads % layout.kv_heads == 0, "heads that KV heads do not divide");
  for (int thread = 0; thread < threads; ++thread) {
    benches_.push_back(std::make_unique<Bench>(layout_, kernels_));
  }
}

void PagedAttention::Impl::list_pieces(std::span<const AttentionSequence> sequences) {
  pieces_.clear();
  const int64_t group = heads_ / layout_.kv_heads;
  const int64_t heads = std::min(group, kTileRows);
  const int64_t tokens = kTileRows / heads;
  for (size_t s = 0; s < sequences.size(); ++s) {
    const AttentionSequence& sequence = sequences[s];
    CHECK(static_cast<int64_t>(sequence.table.size()) >=
              layout_.blocks_of(sequence.context + sequence.tokens),
          "a sequence with too few blocks");
    int64_t in_group = 0;
    for (int64_t head = 0; head < heads_; head += in_group) {
      in_group = std::min(heads, group - head % group);
      // The longest first: what is left for the end is short.
      for (int64_t end = sequence.tokens; end > 0; end -= std::min(end, tokens)) {
        const int64_t begin = std::max<int64_t>(end - tokens, 0);
        const int64_t keys = sequence.context + end;
        pieces_.push_back(
            {s, head / group, head, in_group, begin, end - begin, keys, 0, segments_of(keys), -1});
      }
    }
  }
}

void PagedAttention::Impl::split_pieces() {
  parts_.clear();
  int64_t floats = 0;
  for (Piece& piece : pieces_) {
    piece.partial = floats;
    for (int64_t segment = 0; segment < segments_of(piece.keys); ++segment) {
      Piece part = piece;
      part.first_segment = segment;
      part.last_segment = segment + 1;
      part.partial = floats;
      parts_.push_back(part);
      floats += state_floats(piece.rows(), layout_.padded_values());
      floats = (floats + 15) / 16 * 16;
    }
  }
  if (floats <= partial_floats_) return;
  partial_floats_ = floats;
  partials_ = AlignedVector<float>(static_cast<size_t>(floats));
}

// A query's floats, times the scale, at element `at` of the tile.
void PagedAttention::Impl::load_row(const float* from, int64_t n, int64_t at, Bench& bench) const {
  if (layout_.format == KvFormat::kF32) {
    float* to = bench.q.data() + at;
    for (int64_t i = 0; i < n; ++i) to[i] = from[i] * scale_;
    std::fill(to + n, to + KvLayout::pad(n), 0.0F);
    return;
  }
  uint16_t* to = reinterpret_cast<uint16_t*>(bench.q.data()) + at;
  kernels_.scale_bf16(from, n, scale_, KvLayout::pad(n), to);
}

void PagedAttention::Impl::load_queries(const Piece& piece, Bench& bench) const {
  const AttentionSequence& sequence = sequences_[piece.sequence];
  int64_t at = 0;
  size_t row = 0;
  for (int64_t token = piece.token; token < piece.token + piece.tokens; ++token) {
    const float* q = rows_.q + (sequence.first_row + token) * rows_.q_stride;
    const float* rope = rows_.q_rope + (sequence.first_row + token) * rows_.q_rope_stride;
    for (int64_t head = piece.head; head < piece.head + piece.heads; ++head, ++row) {
      bench.limits[row] = sequence.context + token + 1;
      load_row(q + head * layout_.key_dims, layout_.key_dims, at, bench);
      if (layout_.latent) {
        load_row(rope + head * layout_.rope_dims, layout_.rope_dims, at + layout_.rope_offset(),
                 bench);
      }
      at += layout_.padded_keys();
    }
  }
}

void PagedAttention::Impl::add_segment(const Piece& piece, int64_t segment,
                                       const SoftmaxState& state, Bench& bench) const {
  clear(state, piece.rows(), layout_.padded_values());
  QueryTile queries;
  queries.rows = piece.rows();
  queries.key_dims = layout_.padded_keys();
  queries.value_dims = layout_.padded_values();
  queries.q = bench.q.data();
  queries.limits = bench.limits.data();
  queries.state = state;
  queries.scores = bench.scores.data();
  queries.weights = bench.weights.data();
  const int64_t end = std::min(piece.keys, (segment + 1) * kSegmentKeys);
  for (int64_t first = segment * kSegmentKeys; first < end; first += kTileKeys) {
    const int64_t keys = std::min(end - first, kTileKeys);
    const KeyTile tile = bench.reader.read(first, (keys + kStepKeys - 1) / kStepKeys);
    if (layout_.format == KvFormat::kF32) {
      kernels_.tile_f32(tile, queries);
    } else {
      kernels_.tile_bf16(tile, queries);
    }
  }
}

void PagedAttention::Impl::compute(const Piece& piece, Bench& bench) {
  load_queries(piece, bench);
  bench.reader.open(blocks_, sequences_[piece.sequence], piece.kv_head);
  const int64_t rows = piece.rows();
  const int64_t dims = layout_.padded_values();
  if (piece.partial >= 0) {
    const SoftmaxState state = state_at(partials_.data() + piece.partial, rows, dims);
    add_segment(piece, piece.first_segment, state, bench);
    return;
  }
  const SoftmaxState total = state_at(bench.total.data(), rows, dims);
  const SoftmaxState state = state_at(bench.segment.data(), rows, dims);
  clear(total, rows, dims);
  for (int64_t segment = piece.first_segment; segment < piece.last_segment; ++segment) {
    add_segment(piece, segment, state, bench);
    kernels_.merge(total, state, rows, dims);
  }
  write_out(piece, total);
}

void PagedAttention::Impl::merge_partials(const Piece& piece, Bench& bench) {
  const int64_t rows = piece.rows();
  const int64_t dims = layout_.padded_values();
  const SoftmaxState total = state_at(bench.total.data(), rows, dims);
  clear(total, rows, dims);
  const int64_t size = (state_floats(rows, dims) + 15) / 16 * 16;
  for (int64_t segment = 0; segment < segments_of(piece.keys); ++segment) {
    float* partial = partials_.data() + piece.partial + segment * size;
    kernels_.merge(total, state_at(partial, rows, dims), rows, dims);
  }
  write_out(piece, total);
}

void PagedAttention::Impl::write_out(const Piece& piece, const SoftmaxState& total) const {
  const AttentionSequence& sequence = sequences_[piece.sequence];
  int64_t row = 0;
  for (int64_t token = piece.token; token < piece.token + piece.tokens; ++token) {
    float* out = rows_.out + (sequence.first_row + token) * rows_.out_stride;
    for (int64_t head = piece.head; head < piece.head + piece.heads; ++head, ++row) {
      kernels_.finish(total.out + row * layout_.padded_values(), total.sums + row * kSumLanes,
                      layout_.value_dims, out + head * layout_.value_dims);
    }
  }
}

void PagedAttention::Impl::run(KvBlocks blocks, std::span<const AttentionSequence> sequences,
                               const AttentionRows& rows, Workers& workers) {
  CHECK(workers.threads() <= static_cast<int>(benches_.size()), "more threads than benches");
  blocks_ = blocks;
  sequences_ = sequences;
  rows_ = rows;
  list_pieces(sequences);
  const auto count = static_cast<int64_t>(pieces_.size());
  const bool is_long = std::any_of(pieces_.begin(), pieces_.end(),
                                   [](const Piece& piece) { return piece.last_segment > 1; });
  const bool split =
      is_long && workers.threads() > 1 && count < kPiecesPerThread * workers.threads();
  if (split) split_pieces();
  const std::vector<Piece>& work = split ? parts_ : pieces_;
  queue_.reset(static_cast<int64_t>(work.size()));
  workers.run([&](int thread) {
    Bench& bench = *benches_[static_cast<size_t>(thread)];
    kernels_.begin();
    for (int64_t i = queue_.take(thread); i >= 0; i = queue_.take(thread)) {
      compute(work[static_cast<size_t>(i)], bench);
    }
    kernels_.end();
  });
  if (!split) return;
  queue_.reset(count);
  workers.run([&](int thread) {
    Bench& bench = *benches_[static_cast<size_t>(thread)];
    for (int64_t i = queue_.take(thread); i >= 0; i = queue_.take(thread)) {
      merge_partials(pieces_[static_cast<size_t>(i)], bench);
    }
  });
}

PagedAttention::PagedAttention(const KvLayout& layout, int64_t heads, float scale, Isa isa,
                               const Workers& workers)
    : impl_(std::make_unique<Impl>(layout, heads, scale, isa, workers.threads())) {}

PagedAttention::~PagedAttention() = default;

void PagedAttention::run(KvBlocks blocks, std::span<const AttentionSequence> sequences,
                         const AttentionRows& rows, Workers& workers) {
  impl_->run(blocks, sequences, rows, workers);
}

}  // namespace weft
