// A heap over clients, keyed (instant, client); each client walks its windows by itself.
#include "sim/servegen.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace weft {
namespace {

enum Stream : uint64_t { kGaps = 11, kLengths = 12 };

constexpr double kMostRequests = 1e12;

}  // namespace

Result<ServegenLoad> ServegenLoad::open(const WorkloadSpec& spec, uint64_t seed) {
  auto data = read_servegen(spec.path);
  if (!data) return data.error();
  return make(std::move(*data), spec, seed);
}

Result<ServegenLoad> ServegenLoad::make(ServegenData data, const WorkloadSpec& spec,
                                        uint64_t seed) {
  ServegenLoad load(std::move(data), spec, seed);
  const double span_s = load.end_s_ - load.start_s_;
  double rate = 0;
  for (const ServegenClient& client : load.data_.clients) rate += load.mean_rate(client);
  if (span_s <= 0 || rate <= 0) {
    return bad_input(
        fmt::format("{}: found no requests from {} s to {} s, expected some (the day has "
                    "{} s)",
                    spec.name, load.start_s_, load.end_s_, load.data_.day_s()));
  }
  if (spec.rate > 0) load.factor_ = spec.rate / rate;
  load.expected_ = rate * load.factor_ * span_s;
  if (load.expected_ > kMostRequests) {
    return bad_input(fmt::format("{}: found about {:.3g} requests, expected at most {:.0g}",
                                 spec.name, load.expected_, kMostRequests));
  }
  for (size_t i = 0; i < load.sources_.size(); ++i) {
    if (load.mean_rate(load.data_.clients[i]) > 0) load.schedule(i);
  }
  return load;
}

ServegenLoad::ServegenLoad(ServegenData data, const WorkloadSpec& spec, uint64_t seed)
    : data_(std::move(data)), start_s_(spec.start_s), speedup_(spec.speedup) {
  end_s_ = spec.end_s ? *spec.end_s : data_.day_s();
  if (spec.duration_s) {
    const double played_s = start_s_ + *spec.duration_s * speedup_;
    end_s_ = spec.end_s ? std::min(end_s_, played_s) : played_s;
  }
  if (spec.clients > 0) keep_busiest(spec.clients);
  for (const ServegenClient& client : data_.clients) {
    const auto number = static_cast<uint64_t>(client.number);
    Source source{Random(mix64(mix64(seed, kGaps), number)),
                  Random(mix64(mix64(seed, kLengths), number))};
    source.window = static_cast<int64_t>(start_s_ / data_.window_s) - 1;  // before the first
    sources_.push_back(source);
  }
}

// Requests per second over the span, at the recorded rates.
double ServegenLoad::mean_rate(const ServegenClient& client) const {
  const double window_s = data_.window_s;
  const double day_s = data_.day_s();
  // The integral of the rate from 0 to `to`: whole days, whole windows, a part of one.
  const auto requests = [&](double to) {
    const double days = std::floor(to / day_s);
    const double in_day = to - days * day_s;
    double day = 0;
    double part = 0;
    for (size_t i = 0; i < data_.windows; ++i) {
      const double from = static_cast<double>(i) * window_s;
      day += client.windows[i].rate * window_s;
      part += client.windows[i].rate * std::clamp(in_day - from, 0.0, window_s);
    }
    return days * day + part;
  };
  return (requests(end_s_) - requests(start_s_)) / (end_s_ - start_s_);
}

void ServegenLoad::keep_busiest(int64_t count) {
  if (static_cast<size_t>(count) >= data_.clients.size() || end_s_ <= start_s_) return;
  std::vector<double> rates;
  rates.reserve(data_.clients.size());
  for (const ServegenClient& client : data_.clients) rates.push_back(mean_rate(client));
  std::vector<size_t> order(data_.clients.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return rates[a] != rates[b] ? rates[a] > rates[b] : a < b; });
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  std::vector<ServegenClient> kept;
  kept.reserve(order.size());
  for (const size_t i : order) kept.push_back(std::move(data_.clients[i]));
  data_.clients = std::move(kept);
}

double ServegenLoad::draw_gap(const ServegenWindow& window, Random& random) {
  const double gap =
      window.weibull ? random.weibull(window.shape, 1.0) : random.gamma(window.shape, 1.0);
  // A gap of 0 comes of underflow at extreme shapes; keep sums positive and finite.
  return std::clamp(gap, 1e-300, 1e300);
}

const ServegenWindow& ServegenLoad::window_of(size_t client) const {
  return data_.clients[client]
      .windows[static_cast<size_t>(sources_[client].window) % data_.windows];
}

// Draws the window's count, and its gaps twice: once for their sum, which sets the scale, and
// again, from the same state, as requests come. So a window needs no memory, however many it has.
void ServegenLoad::enter_window(size_t client) {
  Source& source = sources_[client];
  ++source.window;
  const ServegenWindow& window = window_of(client);
  const double expected = window.rate * factor_ * data_.window_s;
  source.left = expected > 0 ? static_cast<int64_t>(expected + source.gaps.uniform()) : 0;
  if (source.left == 0) return;
  Random copy = source.gaps;
  double sum = 0;
  for (int64_t i = 0; i <= source.left; ++i) sum += draw_gap(window, copy);
  source.scale = data_.window_s / std::min(sum, 1e300);
  source.at_s = 0;
}

void ServegenLoad::schedule(size_t client) {
  Source& source = sources_[client];
  for (;;) {
    while (source.left == 0) {
      const double next_start = static_cast<double>(source.window + 1) * data_.window_s;
      if (next_start >= end_s_) return;
      enter_window(client);
    }
    --source.left;
    const ServegenWindow& window = window_of(client);
    source.at_s += draw_gap(window, source.gaps) * source.scale;
    if (source.left == 0) draw_gap(window, source.gaps);  // the gap to the window's end
    const double in_window = std::clamp(source.at_s, 0.0, data_.window_s);
    const double at_s = static_cast<double>(source.window) * data_.window_s + in_window;
    if (at_s < start_s_) continue;
    if (at_s >= end_s_) return;
    due_.push_back({Instant() + seconds(at_s), client});
    std::push_heap(due_.begin(), due_.end(), later);
    return;
  }
}

bool ServegenLoad::later(const Due& a, const Due& b) {
  return a.at != b.at ? a.at > b.at : a.client > b.client;
}

Result<bool> ServegenLoad::next(Arrival& out) {
  if (due_.empty()) return false;
  std::pop_heap(due_.begin(), due_.end(), later);
  const Due due = due_.back();
  due_.pop_back();
  last_ = due.at;
  const ServegenClient& client = data_.clients[due.client];
  Source& source = sources_[due.client];
  const double in_day = std::fmod(due.at.seconds(), data_.day_s());
  const auto after =
      std::upper_bound(client.lengths.begin(), client.lengths.end(), in_day,
                       [](double s, const ServegenLengths& l) { return s < l.start_s; });
  const ServegenLengths& lengths = after == client.lengths.begin() ? *after : *(after - 1);
  const Duration played = due.at - (Instant() + seconds(start_s_));
  out.at = Instant() + (speedup_ == 1.0 ? played : seconds(to_seconds(played) / speedup_));
  out.prompt = lengths.input.draw(source.lengths);
  out.output = lengths.output.draw(source.lengths);
  out.conversation = 0;
  out.segments.clear();
  schedule(due.client);
  return true;
}

double ServegenLoad::progress() const {
  return std::clamp((last_.seconds() - start_s_) / (end_s_ - start_s_), 0.0, 1.0);
}

}  // namespace weft
