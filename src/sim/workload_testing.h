// For tests alone: workloads from a few lines of TOML.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/digest.h"
#include "sim/workload.h"

namespace weft {

inline Result<Workload> workload_from(const std::string& toml, uint64_t seed = 1,
                                      const std::string& folder = "") {
  auto file = ConfigFile::parse("[workload]\n" + toml, "s.toml");
  if (!file) return file.error();
  return Workload::from_config(file->root().table("workload"), seed, folder);
}

// Every arrival, to the end; none and a failed test where there is an error.
inline std::vector<Arrival> arrivals_of(const std::string& toml, uint64_t seed = 1,
                                        const std::string& folder = "") {
  std::vector<Arrival> out;
  auto workload = workload_from(toml, seed, folder);
  if (!workload) {
    ADD_FAILURE() << workload.error().message;
    return out;
  }
  Arrival arrival;
  for (;;) {
    auto more = workload->next(arrival);
    if (!more) {
      ADD_FAILURE() << more.error().message;
      return {};
    }
    if (!*more) return out;
    out.push_back(arrival);
  }
}

// The message of the error that the table, or the stream, ends in; empty when it ends well.
inline std::string error_of(const std::string& toml, const std::string& folder = "") {
  auto workload = workload_from(toml, 1, folder);
  if (!workload) return workload.error().message;
  Arrival arrival;
  for (;;) {
    auto more = workload->next(arrival);
    if (!more) return more.error().message;
    if (!*more) return "";
  }
}

inline uint64_t digest_of(const std::vector<Arrival>& arrivals) {
  Digest digest;
  for (const Arrival& arrival : arrivals) {
    digest.add(arrival.at.ns());
    digest.add(arrival.prompt.count());
    digest.add(arrival.output.count());
    digest.add(int64_t{arrival.priority});
    digest.add(arrival.deadline.count());
    digest.add(arrival.conversation);
    digest.add(arrival.id);
    for (const Segment& segment : arrival.segments) {
      digest.add(segment.content);
      digest.add(segment.tokens.count());
    }
  }
  return digest.value();
}

}  // namespace weft
