// Who computes what: the product is cut into pieces of one panel by some rows, threads take pieces,
// and a piece runs through k in blocks whose weights stay in the first cache.
#include "kernels/multiply.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/block_kernels.h"

namespace weft {
namespace {

constexpr int64_t kJobRows = 32;
constexpr int64_t kColumns = PackedMatrix::kPanelColumns;
constexpr int64_t kStepsPerPart = 8;             // 16 KiB of a panel, and as much of x
constexpr int64_t kLargestX = int64_t{1} << 20;  // bytes of x that a piece reads again and again
constexpr int64_t kMostRows = 512;
constexpr int64_t kRowsToShare = 128;     // a thread's, worth reading all weights for
constexpr int64_t kPrefetchAhead = 2048;  // bytes of a panel

// Rows of a piece: so many that weights are seldom read again, so few that x stays in the second
// cache and there is work for every thread. The sums do not depend on it.
int64_t rows_per_piece(int64_t rows, int64_t steps, int64_t panels, int threads) {
  int64_t most = std::min(kLargestX / (steps * kLineBytes), kMostRows) / kJobRows * kJobRows;
  // Of many rows each thread takes its own, whose y it will most likely read again.
  const int64_t of_thread = (rows + threads * kJobRows - 1) / (threads * kJobRows) * kJobRows;
  if (rows >= kRowsToShare * threads) most = std::min(most, of_thread);
  most = std::max(most, kJobRows);
  while (most > kJobRows && (rows + most - 1) / most * panels < 4 * threads) {
    most = std::max(kJobRows, most / 2 / kJobRows * kJobRows);
  }
  return most;
}

bool is_integer(const PackedMatrix& w) {
  return w.format() == WeightFormat::kInt8 || w.format() == WeightFormat::kInt4;
}

bool fits(const PackedMatrix& w, const Activations& x, const ProductOutput& out) {
  return w.k() == x.k() && w.format() == x.weights() &&
         (out.epilogue != Epilogue::kSiluMul || w.n() % kColumns == 0);
}

// What one thread needs to compute pieces.
class PieceWorker {
 public:
  PieceWorker(const Activations& x, int64_t piece_rows, const ProductOutput& out, Workers& workers,
              int thread)
      : x_(x),
        kernels_(block_kernels(x.isa())),
        store_(row_kernels(x.isa()).store[static_cast<size_t>(out.epilogue)]),
        out_(out) {
    const int64_t sums = piece_rows * kColumns * 4;
    const int64_t weights = kStepsPerPart * kPanelStepBytes;
    const int64_t gathered = piece_rows * x.steps() * kLineBytes;
    std::byte* scratch = workers.scratch(thread, static_cast<size_t>(sums + weights + gathered));
    sums_ = scratch;
    weights_ = scratch + sums;
    gathered_ = scratch + sums + weights;
    kernels_.prepare();
  }
  ~PieceWorker() { kernels_.finish(); }
  PieceWorker(const PieceWorker&) = delete;
  PieceWorker& operator=(const PieceWorker&) = delete;

  // Rows [first, first + rows) of x as they lie; first is a multiple of 32.
  void multiply(const PackedMatrix& w, int64_t panel, int64_t first, int64_t rows) {
    blocks_ = x_.block(first / Activations::kBlockRows);
    sum(w, panel, rows);
    StoreJob job = store_job(w, panel, rows);
    if (job.row_scales != nullptr) job.row_scales += first;
    job.y += first * out_.stride;
    store_(job);
  }

  // Rows [first, first + rows) of an expert's list.
  void multiply(const ExpertRows& expert, int64_t panel, int64_t first, int64_t rows) {
    const auto sources = expert.sources.subspan(static_cast<size_t>(first));
    gather(sources.first(static_cast<size_t>(rows)));
    blocks_ = gathered_;
    sum(*expert.w, panel, rows);
    StoreJob job = store_job(*expert.w, panel, rows);
    job.sources = sources.data();
    job.destinations = expert.destinations.data() + first;
    store_(job);
  }

 private:
  void gather(std::span<const int32_t> sources);
  void sum(const PackedMatrix& w, int64_t panel, int64_t rows);
  void run(WeightFormat format, const BlockJob& job) const;

  // All rows of y; the caller says which.
  [[nodiscard]] StoreJob store_job(const PackedMatrix& w, int64_t panel, int64_t rows) const {
    StoreJob job = {};
    job.sums = sums_;
    job.rows = rows;
    if (is_integer(w)) {
      job.row_scales = x_.scales();
      job.column_scales = w.scales(panel);
    }
    if (out_.bias != nullptr) job.bias = out_.bias + panel * kColumns;
    job.columns = std::min(kColumns, w.n() - panel * kColumns);
    job.y = out_.y + panel * (out_.epilogue == Epilogue::kSiluMul ? kColumns / 2 : kColumns);
    job.stride = out_.stride;
    return job;
  }

  const Activations& x_;
  const BlockKernels& kernels_;
  void (*store_)(const StoreJob&);
  const ProductOutput& out_;
  std::byte* sums_ = nullptr;      // [rows of a piece][32]
  std::byte* weights_ = nullptr;   // INT4 of a part of the panel as INT8
  std::byte* gathered_ = nullptr;  // an expert's rows in blocks
  const std::byte* blocks_ = nullptr;
  std::span<const int32_t> gathered_rows_;  // which those are
};

// Pieces of one expert follow each other, so its rows are seldom copied twice.
void PieceWorker::gather(std::span<const int32_t> sources) {
  if (sources.data() == gathered_rows_.data() && sources.size() == gathered_rows_.size()) return;
  gathered_rows_ = sources;
  const int64_t block_bytes = x_.steps() * kBlockStepBytes;
  for (size_t i = 0; i < sources.size(); ++i) {
    const int64_t source = sources[i], to_row = static_cast<int64_t>(i);
    const std::byte* from = x_.block(source / 16) + source % 16 * kLineBytes;
    std::byte* to = gathered_ + to_row / 16 * block_bytes + to_row % 16 * kLineBytes;
    for (int64_t step = 0; step < x_.steps(); ++step) {
      std::memcpy(to + step * kBlockStepBytes, from + step * kBlockStepBytes, kLineBytes);
    }
  }
}

void PieceWorker::run(WeightFormat format, const BlockJob& job) const {
  switch (format) {
    case WeightFormat::kF32:
      return kernels_.f32(job);
    case WeightFormat::kBf16:
      return kernels_.bf16(job);
    case WeightFormat::kInt8:
      return kernels_.int8(job);
    case WeightFormat::kInt4:
      return kernels_.int4(job);
  }
}

// Few rows: one pass over the panel, from front to back. Many: part after part of k, whose weights
// all rows use before the next; INT4 is unpacked once for all.
void PieceWorker::sum(const PackedMatrix& w, int64_t panel, int64_t rows) {
  const bool once = rows <= kJobRows;
  const bool unpack = !once && w.format() == WeightFormat::kInt4;
  const int64_t block_bytes = x_.steps() * kBlockStepBytes;
  const int64_t step_bytes =
      w.format() == WeightFormat::kInt4 ? kInt4ChunkBytes / 2 : kPanelStepBytes;
  const int64_t part = once ? x_.steps() : kStepsPerPart;
  for (int64_t step = 0; step < x_.steps(); step += part) {
    BlockJob job = {};
    job.steps = std::min(part, x_.steps() - step);
    job.start = is_integer(w) ? w.offsets(panel) : nullptr;
    job.resume = step > 0;
    job.panel = w.panel(panel) + step * step_bytes;
    if (unpack) {
      kernels_.expand_int4(job.panel, job.steps / 2, weights_);
      job.panel = weights_;
    }
    // With few rows what lies a little further on; with many the next part, by and by.
    const int64_t lines = (job.steps * step_bytes + kLineBytes - 1) / kLineBytes;
    const int64_t jobs = (rows + kJobRows - 1) / kJobRows;
    job.ahead_lines = (lines + jobs * job.steps - 1) / (jobs * job.steps);
    job.ahead =
        w.panel(panel) + step * step_bytes + (once ? kPrefetchAhead : job.steps * step_bytes);
    for (int64_t row = 0; row < rows; row += kJobRows) {
      job.rows = static_cast<int>(std::min(kJobRows, rows - row));
      job.blocks[0] = blocks_ + row / 16 * block_bytes + step * kBlockStepBytes;
      job.blocks[1] = job.rows > 16 ? job.blocks[0] + block_bytes : nullptr;
      job.sums = sums_ + row * kColumns * 4;
      run(unpack ? WeightFormat::kInt8 : w.format(), job);
      job.ahead += job.ahead_lines * job.steps * kLineBytes;
    }
  }
}

}  // namespace

void multiply(const PackedMatrix& w, const Activations& x, const ProductOutput& out,
              Workers& workers) {
  CHECK(fits(w, x, out));
  if (x.rows() == 0) return;
  const int64_t piece_rows = rows_per_piece(x.rows(), x.steps(), w.panels(), workers.threads());
  workers.queue().reset((x.rows() + piece_rows - 1) / piece_rows * w.panels());
  workers.run([&](int thread) {
    PieceWorker worker(x, std::min(piece_rows, x.rows() + kJobRows), out, workers, thread);
    for (int64_t piece = 0; (piece = workers.queue().take(thread)) >= 0;) {
      const int64_t first = piece / w.panels() * piece_rows;
      worker.multiply(w, piece % w.panels(), first, std::min(piece_rows, x.rows() - first));
    }
  });
}

void multiply_experts(std::span<ExpertRows> experts, const Activations& x, const ProductOutput& out,
                      Workers& workers) {
  CHECK(out.bias == nullptr);
  int64_t panels = 0;
  size_t most_rows = 0;
  for (const ExpertRows& expert : experts) {
    CHECK(expert.w != nullptr && fits(*expert.w, x, out));
    CHECK(expert.sources.size() == expert.destinations.size());
    if (!expert.sources.empty()) panels += expert.w->panels();
    most_rows = std::max(most_rows, expert.sources.size());
  }
  if (panels == 0) return;
  const int64_t piece_rows =
      rows_per_piece(static_cast<int64_t>(most_rows), x.steps(), panels, workers.threads());
  int64_t pieces = 0;
  for (ExpertRows& expert : experts) {
    expert.pieces_before = pieces;
    const auto rows = static_cast<int64_t>(expert.sources.size());
    pieces += (rows + piece_rows - 1) / piece_rows * expert.w->panels();
  }
  workers.queue().reset(pieces);
  workers.run([&](int thread) {
    PieceWorker worker(x, piece_rows, out, workers, thread);
    for (int64_t piece = 0; (piece = workers.queue().take(thread)) >= 0;) {
      // The last expert that begins at or before the piece: those without rows come before it.
      const auto after = std::partition_point(
          experts.begin(), experts.end(),
          [&](const ExpertRows& expert) { return expert.pieces_before <= piece; });
      const ExpertRows& expert = *(after - 1);
      const int64_t local = piece - expert.pieces_before, of_chunk = expert.w->panels();
      const int64_t first = local / of_chunk * piece_rows;
      const auto rows = static_cast<int64_t>(expert.sources.size());
      worker.multiply(expert, local % of_chunk, first, std::min(piece_rows, rows - first));
    }
  });
}

}  // namespace weft
