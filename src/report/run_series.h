// RunSeries: what happened when, in buckets of simulated time. Buckets start narrow and are merged
// in pairs as the run goes on, so that a second and a week take the same memory.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "node/deployment.h"
#include "node/router.h"
#include "report/latency_bins.h"

namespace weft {

constexpr size_t kRoles = 3;

// What one step of an instance did, summed over its ranks.
struct StepTotals {
  int64_t prefill_tokens = 0;
  int64_t decode_tokens = 0;
  int64_t output_tokens = 0;
  int64_t context_tokens = 0;  // held by the step's sequences, its own tokens included
  int64_t prefill_sequences = 0;
  int64_t decode_sequences = 0;
  StepTotals& operator+=(const StepTotals& other);
};
StepTotals sum_up(const StepReport& report);

// One pool in one bucket. A step's share of a bucket is its time there over the time it took.
struct PoolBucket {
  double busy_s = 0;  // all instances together
  double steps = 0;
  double sequence_s = 0;  // sequences of the steps, each for its time
  double context_s = 0;   // as sequence_s, context tokens
  double output_tokens = 0;
  void merge(const PoolBucket& other);
};

struct SeriesBucket {
  int64_t arrived = 0;
  int64_t completed = 0;
  int64_t unserved = 0;                  // rejected, expired, failed
  int64_t cached_tokens = 0;             // of the prompts whose first token came out here
  int64_t computed_tokens = 0;           // the same prompts' other tokens
  LatencyBins ttft;                      // of first tokens that came out here
  LatencyBins tpot;                      // of requests whose last token came out here
  std::array<PoolBucket, kRoles> pools;  // by role
  void merge(const SeriesBucket& later);
};

// Something that the reader of a run should see beside its curves, such as a fault.
struct Mark {
  Instant from;
  Instant until;  // never(): to the end
  std::string label;
};

// Buckets side by side from time 0. All are `width` wide but the last, which ends with the run.
struct SeriesView {
  std::vector<SeriesBucket> buckets;
  Duration width;
  Instant end;
  [[nodiscard]] Instant start_of(size_t bucket) const;
  [[nodiscard]] Instant end_of(size_t bucket) const;
  [[nodiscard]] double seconds_of(size_t bucket) const;
};

class RunSeries {
 public:
  static constexpr size_t kMaxBuckets = 600;
  // 1/512 s, so that doubling reaches whole seconds exactly.
  static constexpr Duration kFirstWidth = Duration(1'953'125);

  explicit RunSeries(const Deployment& deployment);

  void add_request(const RequestRecord& record);
  void add_step(const StepReport& report, const StepTotals& totals);
  void add_mark(Mark mark) { marks_.push_back(std::move(mark)); }

  // At most `points` buckets (points > 0). A last bucket of less than half a width is joined with
  // the one before it, lest its rates be noise.
  [[nodiscard]] SeriesView view(size_t points) const;

  [[nodiscard]] Duration width() const { return width_; }
  [[nodiscard]] Instant end() const { return end_; }
  [[nodiscard]] const std::vector<SeriesBucket>& buckets() const { return buckets_; }
  [[nodiscard]] const std::vector<Mark>& marks() const { return marks_; }

 private:
  SeriesBucket& at(Instant t);
  void reach(Instant t);

  std::vector<size_t> roles_;  // by instance
  std::vector<SeriesBucket> buckets_;
  std::vector<Mark> marks_;
  Duration width_ = kFirstWidth;
  Instant end_;  // the latest instant heard of
};

}  // namespace weft
