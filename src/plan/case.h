// Case: one published measurement with the conditions it was taken under, as catalog/measurements
// and the files of `weft estimate` and `weft validate` hold them. The keys are those of
// docs/cases.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/result.h"
#include "cost/deployment.h"
#include "sim/workload_spec.h"

namespace weft {

// One steady step of prompts or of decodes, a whole run under load, or one operator.
enum class Phase { kPrefill, kDecode, kServe, kOperator };

// What was measured: a metric by its key, in the unit that the key says.
struct Published {
  std::string metric;  // "tpot_ms", "tokens_per_s_per_device", "us", ...
  double value = 0;
};

enum class OperatorKind { kGemm, kAttention, kDispatch, kCombine, kTransfer };

// One kernel or transfer on one die.
struct OperatorShape {
  OperatorKind kind = OperatorKind::kGemm;
  // kGemm: `groups` products of [m, k] by [k, n] with weights of their own.
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  int groups = 1;
  // kAttention: latent attention of the case's model; "compute" or "memory" bound shape.
  std::string bound;
  // kDispatch, kCombine: over `ranks` dies of `tokens` tokens each.
  int ranks = 1;
  int64_t tokens = 0;
  // kTransfer: `bytes` between two dies, or a die and a host.
  double bytes = 0;
  std::string op;    // "read" or "write"
  std::string path;  // "npu-npu" or "npu-cpu"
  bool same_node = false;
};

struct Case {
  std::string id;
  std::string family;  // what was measured together: a source and engine
  std::string source;
  std::string grade;  // A raw output or audited, B author or vendor, C secondary
  std::string note;
  std::string where;  // "file:line"
  Phase phase = Phase::kDecode;

  std::string hardware;
  std::string model;
  std::string engine;
  int instances = 1;
  InstanceLayout layout;
  std::optional<double> expert_balance;  // hottest rank's load over the mean; none: the engine's

  // kPrefill, kDecode.
  double batch_per_device = 0;   // sequences in flight per package
  double tokens_per_device = 0;  // prompt tokens per package and step
  double input_tokens = 0;
  double output_tokens = 0;
  double context_tokens = 0;  // of a decode step; 0: input + output / 2
  double reuse = 0;           // share of the prompt's tokens found in the cache
  double acceptance = 0;

  // kServe.
  std::optional<WorkloadSpec> load;
  int64_t max_tokens_per_step = 0;  // per instance; 0: the engine's
  int64_t max_batch = 0;            // sequences per instance; 0: the engine's
  std::optional<bool> prefix_caching;
  double memory_share = 0;    // 0: the engine's
  int64_t kv_tokens = 0;      // that a rank's KV holds; 0: what memory leaves
  std::string missing_trace;  // where its trace was looked for in vain; empty: all is there

  std::optional<OperatorShape> shape;  // kOperator
  std::vector<Published> published;
};

struct CaseFile {
  std::vector<Case> cases;
  std::vector<Error> unusable;  // a sentence for each case that cannot be read; the rest stand
};

// Reads a file of cases. An error only when the file itself is none.
Result<CaseFile> load_cases(const std::string& path);
Result<CaseFile> parse_cases(std::string_view text, const std::string& name);

std::string_view phase_name(const Case& one);
// An error with the case's file, line and id before it, each once.
Error at_case(const Case& one, const Error& error);
// The metrics that a case may publish.
const std::vector<std::string>& published_metrics();

}  // namespace weft
