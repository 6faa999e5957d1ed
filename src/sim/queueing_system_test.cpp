// Queueing at saturation: waits are those of the recursions of Lindley and of Kiefer and Wolfowitz
// to the nanosecond, and in the mean those of M/D/1 and M/M/c (Kleinrock, Queueing Systems, 1975).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "sim/queueing_testing.h"

namespace weft {
namespace {

constexpr double kService_s = 0.010;
constexpr double kLoads[] = {0.5, 0.7, 0.8, 0.9, 0.95};

std::vector<Duration> poisson(double rate, size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<Duration> gaps(count);
  for (Duration& gap : gaps) gap = seconds(random.exponential(1 / rate));
  return gaps;
}

ServiceTimes fixed_service() {
  return [](uint64_t) { return seconds(kService_s); };
}

ServiceTimes exponential_service(uint64_t seed) {
  return [seed](uint64_t n) {
    return seconds(-kService_s * std::log1p(-unit_interval(mix64(seed, n))));
  };
}

// Kiefer and Wolfowitz: each request goes to the server that is free first. With one server it is
// Lindley's W' = max(0, W + S - A). A server is taken for the way of two messages longer.
std::vector<Duration> recursion(int servers, const std::vector<Duration>& gaps,
                                const ServiceTimes& service, Duration message_latency) {
  std::vector<Instant> free_at(static_cast<size_t>(servers));
  std::vector<Duration> waits(gaps.size());
  Instant now;
  for (size_t n = 0; n < gaps.size(); ++n) {
    now = now + gaps[n];
    const auto first = std::min_element(free_at.begin(), free_at.end());
    const Instant start = std::max(now, *first);
    waits[n] = start - now;
    *first = start + service(n) + 2 * message_latency;
  }
  return waits;
}

// Mean wait of M/D/1 (Pollaczek and Khinchine) and of M/M/c (Erlang C).
double md1_wait(double load) { return load * kService_s / (2 * (1 - load)); }

double mmc_wait(int servers, double load) {
  const double offered = servers * load;
  double term = 1;  // offered^k / k!
  double sum = 0;
  for (int k = 0; k < servers; ++k) {
    sum += term;
    term *= offered / (k + 1);
  }
  const double all_busy = term / (1 - load);
  return all_busy / (sum + all_busy) * kService_s / (servers * (1 - load));
}

struct MeanWait {
  double plain = 0;
  double controlled = 0;
};

// The plain mean, and the mean with a control variate: request n's wait is independent of its own
// service S and of the gap A to the next, so W (S/c - A - its mean) has mean zero, while its sum
// follows the chance ups and downs of the queue. What is left needs a hundredth of the samples.
MeanWait mean_wait(int servers, double rate, const std::vector<Duration>& gaps,
                   const ServiceTimes& service, const std::vector<Duration>& waits) {
  const double drift = kService_s / servers - 1 / rate;
  double sum = 0;
  double control = 0;
  const size_t count = waits.size() - 1;
  for (size_t n = 0; n < count; ++n) {
    const double wait = to_seconds(waits[n]);
    sum += wait;
    control += wait * (to_seconds(service(n)) / servers - to_seconds(gaps[n + 1]) - drift);
  }
  const auto samples = static_cast<double>(count);
  return {sum / samples, (sum + control / drift) / samples};
}

void expect_recursion(int servers, const ServiceTimes& service, Duration latency) {
  for (const double load : kLoads) {
    SCOPED_TRACE(fmt::format("{} servers, load {}", servers, load));
    const auto gaps = poisson(load * servers / kService_s, 20'000, 7);
    QueueWorld world(servers, latency, gaps, service);
    EXPECT_EQ(world.run(), recursion(servers, gaps, service, latency));
  }
}

TEST(Queueing, WaitsAreLindleysToTheNanosecond) {
  expect_recursion(1, fixed_service(), Duration{});
  expect_recursion(1, exponential_service(3), Duration{});
}

TEST(Queueing, WaitsBeforeManyServersAreKieferAndWolfowitzs) {
  for (const int servers : {2, 3, 16})
    expect_recursion(servers, exponential_service(5), Duration{});
  expect_recursion(4, fixed_service(), Duration{});
}

TEST(Queueing, MessagesHoldAServerForTheirWay) {
  expect_recursion(1, fixed_service(), microseconds(50));
  expect_recursion(4, exponential_service(9), microseconds(50));
}

// A queue that starts empty in the mean over `samples` requests.
void expect_mean(const char* name, int servers, const ServiceTimes& service, size_t samples,
                 double (*theory)(int servers, double load)) {
  for (const double load : kLoads) {
    const double rate = load * servers / kService_s;
    const auto gaps = poisson(rate, samples, mix64(servers, static_cast<uint64_t>(load * 1000)));
    QueueWorld world(servers, Duration{}, gaps, service);
    const MeanWait found = mean_wait(servers, rate, gaps, service, world.run());
    const double expected = theory(servers, load);
    EXPECT_NEAR(found.controlled / expected, 1, 0.02) << name << " at load " << load;
    // The plain mean is noisier: its standard deviation is about 2 / (1 - load) / sqrt(n) of it,
    // and more where few requests wait at all.
    const double noise = 2 * std::sqrt(servers / static_cast<double>(samples)) / (1 - load);
    EXPECT_NEAR(found.plain / expected, 1, 3 * noise) << name << " at load " << load;
    fmt::print(
        "{:<6} load {:.2f}: mean wait {:8.4f} ms, theory {:8.4f} ({:+.2f} %, plain {:+.2f} %)\n",
        name, load, 1e3 * found.controlled, 1e3 * expected, 100 * (found.controlled / expected - 1),
        100 * (found.plain / expected - 1));
  }
}

TEST(QueueingSlow, MeanWaitsWithFixedServiceAreThoseOfMD1) {
#ifndef NDEBUG
  GTEST_SKIP() << "millions of requests: for optimized builds; the recursions are checked in all";
#endif
  expect_mean("M/D/1", 1, fixed_service(), 500'000,
              [](int, double load) { return md1_wait(load); });
}

TEST(QueueingSlow, MeanWaitsWithExponentialServiceAreThoseOfMMc) {
#ifndef NDEBUG
  GTEST_SKIP() << "millions of requests: for optimized builds; the recursions are checked in all";
#endif
  expect_mean("M/M/1", 1, exponential_service(11), 500'000, mmc_wait);
  expect_mean("M/M/2", 2, exponential_service(12), 500'000, mmc_wait);
  expect_mean("M/M/4", 4, exponential_service(13), 500'000, mmc_wait);
}

}  // namespace
}  // namespace weft
