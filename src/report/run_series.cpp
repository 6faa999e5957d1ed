// Filling buckets, and merging them when they become many.
#include "report/run_series.h"

#include <algorithm>

#include "base/check.h"

namespace weft {

namespace {

void merge_pairs(std::vector<SeriesBucket>& buckets) {
  for (size_t i = 0; i < buckets.size(); i += 2) {
    if (i > 0) buckets[i / 2] = std::move(buckets[i]);
    if (i + 1 < buckets.size()) buckets[i / 2].merge(buckets[i + 1]);
  }
  buckets.resize((buckets.size() + 1) / 2);
}

}  // namespace

StepTotals& StepTotals::operator+=(const StepTotals& other) {
  prefill_tokens += other.prefill_tokens;
  decode_tokens += other.decode_tokens;
  output_tokens += other.output_tokens;
  context_tokens += other.context_tokens;
  prefill_sequences += other.prefill_sequences;
  decode_sequences += other.decode_sequences;
  return *this;
}

StepTotals sum_up(const StepReport& report) {
  StepTotals out;
  for (const RankLoad& load : report.batch.loads) {
    out.prefill_tokens += load.prefill_tokens;
    out.decode_tokens += load.decode_tokens;
    out.prefill_sequences += load.prefill_sequences;
    out.decode_sequences += load.decode_sequences;
    out.context_tokens +=
        load.prefill_context + load.prefill_tokens + load.decode_context + load.decode_sequences;
  }
  for (const SequenceOutput& output : report.outputs) out.output_tokens += output.tokens;
  return out;
}

void PoolBucket::merge(const PoolBucket& other) {
  busy_s += other.busy_s;
  steps += other.steps;
  sequence_s += other.sequence_s;
  context_s += other.context_s;
  output_tokens += other.output_tokens;
}

void SeriesBucket::merge(const SeriesBucket& later) {
  arrived += later.arrived;
  completed += later.completed;
  unserved += later.unserved;
  cached_tokens += later.cached_tokens;
  computed_tokens += later.computed_tokens;
  ttft.merge(later.ttft);
  tpot.merge(later.tpot);
  for (size_t r = 0; r < kRoles; ++r) pools[r].merge(later.pools[r]);
}

Instant SeriesView::start_of(size_t bucket) const {
  return Instant(static_cast<int64_t>(bucket) * width.count());
}

Instant SeriesView::end_of(size_t bucket) const {
  return bucket + 1 == buckets.size() ? end : start_of(bucket + 1);
}

double SeriesView::seconds_of(size_t bucket) const {
  return to_seconds(end_of(bucket) - start_of(bucket));
}

RunSeries::RunSeries(const Deployment& deployment) {
  for (const InstancePlace& place : deployment.instances) {
    roles_.push_back(static_cast<size_t>(deployment.groups[place.group].config.role));
  }
}

void RunSeries::reach(Instant t) {
  CHECK(t >= Instant(), "time begins at 0");
  end_ = std::max(end_, t);
  while (t.ns() / width_.count() >= static_cast<int64_t>(kMaxBuckets)) {
    merge_pairs(buckets_);
    width_ = 2 * width_;
  }
  const auto needed = static_cast<size_t>(t.ns() / width_.count()) + 1;
  if (needed > buckets_.size()) buckets_.resize(needed);
}

SeriesBucket& RunSeries::at(Instant t) {
  reach(t);
  return buckets_[static_cast<size_t>(t.ns() / width_.count())];
}

// A record does not say when an unserved request ended: it ended now, the latest instant known.
void RunSeries::add_request(const RequestRecord& record) {
  ++at(record.arrival).arrived;
  if (record.end != RequestEnd::kCompleted) {
    ++at(end_).unserved;
    return;
  }
  SeriesBucket& first = at(record.first_token);
  first.ttft.add(record.first_token - record.arrival);
  first.cached_tokens += record.cached;
  first.computed_tokens += record.prompt - record.cached;
  SeriesBucket& last = at(record.last_token);
  ++last.completed;
  if (record.output > 1) {
    last.tpot.add((record.last_token - record.first_token) / (record.output - 1));
  }
}

void RunSeries::add_step(const StepReport& report, const StepTotals& totals) {
  const int64_t start = report.start.ns();
  const int64_t end = start + report.took.count();
  reach(Instant(end));
  const size_t role = roles_[report.node.value() - 1];  // the router is node 0
  const auto sequences = static_cast<double>(totals.prefill_sequences + totals.decode_sequences);
  int64_t from = start;
  do {
    const int64_t bucket = from / width_.count();
    const int64_t until = std::min(end, (bucket + 1) * width_.count());
    const double time = to_seconds(Duration(until - from));
    const double share = end == start ? 1.0 : time / to_seconds(report.took);
    buckets_[static_cast<size_t>(bucket)].pools[role].merge(
        {time, share, sequences * time, static_cast<double>(totals.context_tokens) * time,
         static_cast<double>(totals.output_tokens) * share});
    from = until;
  } while (from < end);
}

SeriesView RunSeries::view(size_t points) const {
  SeriesView out{buckets_, width_, end_};
  if (out.buckets.empty()) return out;
  while (out.buckets.size() > points) {
    merge_pairs(out.buckets);
    out.width = 2 * out.width;
  }
  const size_t last = out.buckets.size() - 1;
  if (out.buckets.size() > 1 && out.end - out.start_of(last) < out.width / 2) {
    out.buckets[last - 1].merge(out.buckets[last]);
    out.buckets.pop_back();
  }
  return out;
}

}  // namespace weft
