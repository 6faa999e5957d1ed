// ApiMetrics: what Prometheus reads at /metrics. Names are vLLM's where the meaning is the same, so
// that its dashboards work; what is our own begins with "weft:". Times are seconds.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/flat_map.h"
#include "real/cpu_cluster.h"

namespace weft {

// What the cluster says of itself when it is asked.
struct ApiGauges {
  int64_t running = 0;      // sequences in batches
  int64_t waiting = 0;      // requests that wait, at the router and at instances
  double kv_usage = 0;      // share of the blocks in use, 0 to 1
  int64_t preemptions = 0;  // since the start
  int64_t instances = 0;    // that are up
};

// A histogram in Prometheus' way: counts of what is at most each bound.
class PrometheusHistogram {
 public:
  explicit PrometheusHistogram(std::vector<double> bounds);
  void add(double value);
  void append(std::string& out, const std::string& name, const std::string& help,
              const std::string& label) const;

 private:
  std::vector<double> bounds_;
  std::vector<uint64_t> counts_;  // one more, for what is above all
  double sum_ = 0;
};

// All calls on the loop.
class ApiMetrics {
 public:
  explicit ApiMetrics(std::string model);

  void submitted() { ++submitted_; }
  void hear(const TokenNews& news, Instant now);
  void hung_up() { ++hung_up_; }
  [[nodiscard]] std::string text(const ApiGauges& gauges) const;

 private:
  enum End { kStop, kLength, kAbort, kEnds };
  void ended(const TokenNews& news);

  std::string label_;      // {model_name="..."}
  FlatMap<Instant> last_;  // by tag: its last token
  uint64_t submitted_ = 0;
  uint64_t hung_up_ = 0;
  uint64_t rejected_ = 0;
  uint64_t failed_ = 0;
  uint64_t retries_ = 0;
  uint64_t prompt_tokens_ = 0;
  uint64_t output_tokens_ = 0;
  uint64_t cached_tokens_ = 0;
  std::array<uint64_t, kEnds> ends_ = {};
  PrometheusHistogram ttft_;
  PrometheusHistogram gap_;
  PrometheusHistogram tpot_;
  PrometheusHistogram e2e_;
  PrometheusHistogram prompt_;
  PrometheusHistogram output_;
};

}  // namespace weft
