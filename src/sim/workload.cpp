// Chooses the source, and adds what applies to every one of them.
#include "sim/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace weft {
namespace {

constexpr uint64_t kPriorityTag = 0x7072696f72697479ULL;

}  // namespace

Result<Workload> Workload::from_config(ConfigTable table, uint64_t seed,
                                       const std::string& base_folder) {
  auto spec = read_workload_spec(std::move(table), base_folder);
  if (!spec) return spec.error();
  return from_spec(*spec, seed);
}

Result<Workload::Source> Workload::open(const WorkloadSpec& spec, uint64_t seed) {
  const auto wrap = [](auto load) -> Result<Source> {
    if (!load) return load.error();
    return Source(std::move(*load));
  };
  switch (spec.kind) {
    case WorkloadSpec::Kind::kTrace:
      return wrap(TraceLoad::open(spec, seed));
    case WorkloadSpec::Kind::kServegen:
      return wrap(ServegenLoad::open(spec, seed));
    case WorkloadSpec::Kind::kMade:
      break;
  }
  return wrap(MadeLoad::make(spec, seed));
}

Result<Workload> Workload::from_spec(const WorkloadSpec& spec, uint64_t seed) {
  auto source = open(spec, seed);
  if (!source) return source.error();
  return Workload(spec, std::move(*source), seed);
}

Workload::Workload(const WorkloadSpec& spec, Source source, uint64_t seed)
    : source_(std::move(source)),
      name_(spec.name),
      concurrency_(spec.arrivals ? spec.arrivals->concurrency : 0),
      requests_(spec.requests),
      prefixes_(spec.conversations ? PrefixSpec{} : spec.prefix, seed),
      deadline_(seconds(spec.deadline_s)),
      seed_(seed) {
  double sum = 0;
  for (const double share : spec.priorities) priorities_.push_back(sum += share);
}

// By a hash of the conversation or the request, so that the turns of a conversation agree.
int Workload::draw_priority(const Arrival& arrival) const {
  const uint64_t key = arrival.conversation != 0 ? mix64(arrival.conversation) : arrival.id;
  const double uniform = unit_interval(mix64(seed_ ^ kPriorityTag, key));
  return static_cast<int>(pick_cumulative(priorities_, uniform));
}

Result<bool> Workload::next(Arrival& out) {
  if (requests_ && given_ == *requests_) return false;
  out.priority = 0;
  out.deadline = Duration();
  auto more = std::visit([&](auto& source) { return source.next(out); }, source_);
  if (!more) return more;
  if (!*more) {
    if (given_ > 0) return false;
    return bad_input(
        fmt::format("{}: found no request in the span of the workload, expected at least "
                    "one",
                    name_));
  }
  out.id = given_++;
  if (!prefixes_.empty() && out.segments.empty()) {
    const Segment prefix = prefixes_.pick(out.id, out.prompt);
    if (prefix.tokens.count() > 0) out.segments.push_back(prefix);
  }
  if (out.deadline == Duration()) out.deadline = deadline_;
  if (!priorities_.empty() && out.priority == 0) out.priority = draw_priority(out);
  return true;
}

std::optional<uint64_t> Workload::expected_requests() const {
  if (const auto* servegen = std::get_if<ServegenLoad>(&source_)) {
    const auto expected = static_cast<uint64_t>(std::llround(servegen->expected_requests()));
    return requests_ ? std::min(*requests_, expected) : expected;
  }
  // A trace may end before its limit, and so may a made load that has a span as well.
  const auto* made = std::get_if<MadeLoad>(&source_);
  return made != nullptr && !made->has_span() ? requests_ : std::nullopt;
}

double Workload::progress() const {
  const double source = std::visit([](const auto& load) { return load.progress(); }, source_);
  if (!requests_) return source;
  return std::max(source, static_cast<double>(given_) / static_cast<double>(*requests_));
}

std::vector<std::string> Workload::notes() const {
  const auto* trace = std::get_if<TraceLoad>(&source_);
  return trace == nullptr ? std::vector<std::string>() : trace->notes();
}

}  // namespace weft
