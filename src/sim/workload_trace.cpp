// Rows become arrivals; a repeated file gets contents and conversations of its own on every pass.
#include "sim/workload_trace.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft {
namespace {

constexpr uint64_t kTimesTag = 0x74696d6573ULL;

int64_t to_ns(double s) { return seconds(s).count(); }

}  // namespace

Result<TraceLoad> TraceLoad::open(const WorkloadSpec& spec, uint64_t seed) {
  auto reader = TraceReader::open(spec.path, {spec.served_lengths, spec.hash_tokens});
  if (!reader) return reader.error();
  if (!reader->has_times()) {
    if (!spec.arrivals) {
      return bad_input(
          fmt::format("{}: found lengths without arrival times, expected arrivals = {{ "
                      "… }} in the workload to give them some",
                      spec.path));
    }
    if (spec.start_s > 0 || spec.end_s) {
      return bad_input(
          fmt::format("{}: found lengths without arrival times, expected no start_s and "
                      "no end_s",
                      spec.path));
    }
  }
  if (reader->has_contents() && spec.prefix.share > 0) {
    return bad_input(
        fmt::format("{}: found prompt contents in the trace (hash_ids), expected no "
                    "prefix_reuse beside them",
                    spec.path));
  }
  return TraceLoad(spec, std::move(*reader), seed);
}

TraceLoad::TraceLoad(const WorkloadSpec& spec, TraceReader reader, uint64_t seed)
    : path_(spec.path),
      options_{spec.served_lengths, spec.hash_tokens},
      reader_(std::move(reader)),
      speedup_(spec.speedup),
      start_ns_(to_ns(spec.start_s)),
      end_ns_(spec.end_s ? to_ns(*spec.end_s) : Instant::never().ns()),
      end_(spec.duration_s ? Instant(to_ns(*spec.duration_s)) : Instant::never()),
      repeat_(spec.repeat) {
  if (spec.arrivals) times_.emplace(*spec.arrivals, 1.0, mix64(seed, kTimesTag));
}

Instant TraceLoad::played(int64_t at_ns) const {
  if (speedup_ == 1.0) return Instant(at_ns);
  return Instant() + seconds(static_cast<double>(at_ns) * 1e-9 / speedup_);
}

Result<bool> TraceLoad::next_row() {
  for (;;) {
    auto more = reader_.next(row_);
    if (!more) return more;
    if (*more && row_.at_ns < start_ns_) continue;
    if (*more && row_.at_ns < end_ns_) {
      found_ = true;
      return true;
    }
    if (!repeat_ || !found_) return false;
    auto again = TraceReader::open(path_, options_);
    if (!again) return again.error();
    passed_.failed += reader_.notes().failed;
    passed_.raised += reader_.notes().raised;
    reader_ = std::move(*again);
    ++pass_;
    found_ = false;
  }
}

Result<bool> TraceLoad::next(Arrival& out) {
  auto more = next_row();
  if (!more || !*more) return more;
  out.at = times_ ? times_->next() : played(row_.at_ns - start_ns_);
  last_ = out.at;
  if (out.at >= end_) return false;
  out.prompt = Tokens(row_.prompt);
  out.output = Tokens(row_.output);
  out.priority = row_.priority;
  out.deadline = row_.deadline;
  out.conversation = row_.conversation;
  std::swap(out.segments, row_.segments);
  if (pass_ > 0) {
    if (out.conversation != 0) out.conversation = mix64(out.conversation, pass_) | 1;
    for (Segment& segment : out.segments) segment.content = mix64(segment.content, pass_);
  }
  return true;
}

double TraceLoad::progress() const {
  double share = repeat_ ? 0.0 : reader_.progress();
  if (end_ != Instant::never()) share = std::max(share, last_.seconds() / end_.seconds());
  if (!times_ && end_ns_ != Instant::never().ns()) {
    const auto span = static_cast<double>(end_ns_ - start_ns_) * 1e-9 / speedup_;
    share = std::max(share, last_.seconds() / span);
  }
  return std::clamp(share, 0.0, 1.0);
}

std::vector<std::string> TraceLoad::notes() const {
  std::vector<std::string> out;
  const uint64_t failed = passed_.failed + reader_.notes().failed;
  const uint64_t raised = passed_.raised + reader_.notes().raised;
  if (failed > 0) {
    out.push_back(
        fmt::format("{}: {} rows without an answer were failures and are left out", path_, failed));
  }
  if (raised > 0) {
    out.push_back(
        fmt::format("{}: {} rows have a length of 0 tokens, which counts as 1", path_, raised));
  }
  return out;
}

}  // namespace weft
