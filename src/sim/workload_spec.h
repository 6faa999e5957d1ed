// WorkloadSpec: the [workload] table of a scenario as plain data, checked. The keys are described
// in workload.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/result.h"
#include "sim/trace_text.h"

namespace weft {

struct ArrivalSpec {
  enum class Process { kPoisson, kGamma, kWeibull, kFixed, kClosed };
  Process process = Process::kPoisson;
  double rate = 0;      // requests per second, > 0; not for kClosed
  double cv = 1;        // kGamma: deviation of the gaps over their mean
  double shape = 1;     // kWeibull
  int concurrency = 0;  // kClosed: requests in flight
};

struct LengthSpec {
  enum class Kind { kFixed, kUniform, kLognormal, kExponential, kEmpirical, kFile };
  Kind kind = Kind::kFixed;
  double mean = 1;   // kFixed (the value), kLognormal, kExponential
  double sigma = 0;  // kLognormal: deviation of the logarithm
  int64_t min = 1;   // clamps of every kind, the range of kUniform
  int64_t max = kMostTokens;
  std::vector<double> values;   // kEmpirical
  std::vector<double> weights;  // kEmpirical: as many, or none for equal ones
  std::string file, column;     // kFile: a CSV and the name of its column
};

struct PrefixSpec {
  double share = 0;  // of a prompt's tokens; 0: nothing is shared
  int64_t prefixes = 16;
  double skew = 1;  // the k-th most popular is drawn with weight k^-skew
};

struct ConversationSpec {
  double turns = 1;              // mean, geometric
  double think_s = 0;            // mean from one turn's arrival to the next's, exponential
  int64_t max_tokens = 131'072;  // a conversation ends before a prompt longer than this
};

struct WorkloadSpec {
  enum class Kind { kTrace, kMade, kServegen };
  Kind kind = Kind::kMade;
  std::string name;  // for messages: the file, or the scenario's "file:line"

  // Trace and ServeGen: a path that was found.
  std::string path;
  double speedup = 1;
  double start_s = 0;  // on the recording's clock, like end_s
  std::optional<double> end_s;
  bool served_lengths = false;
  int64_t hash_tokens = 0;
  bool repeat = false;
  // ServeGen.
  double rate = 0;      // 0: as recorded
  int64_t clients = 0;  // 0: all
  // Made, or a trace with other arrival times.
  std::optional<ArrivalSpec> arrivals;
  // Made.
  LengthSpec input, output;
  std::optional<ConversationSpec> conversations;
  // All.
  std::optional<uint64_t> requests;
  std::optional<double> duration_s;  // as played
  PrefixSpec prefix;
  std::vector<double> priorities;  // share of the requests at priority 0, 1, …; empty: all at 0
  double deadline_s = 0;
};

// The length distribution under `key`: a table as in a scenario, or a number for a fixed length.
LengthSpec read_length_spec(ConfigTable& table, std::string_view key,
                            const std::string& base_folder);

// Reads and checks the whole table; file names are resolved (see find_trace_file) but not opened.
Result<WorkloadSpec> read_workload_spec(ConfigTable table, const std::string& base_folder);

}  // namespace weft
