// Recorded loads as wholes: every trace plays to its end, every request ends once and all blocks
// are free again. Skips where the files are not there: they are no part of the repository.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/trace.h"
#include "sim/world_testing.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

// Debug builds check the invariants after every event; others leave that to the small worlds.
#ifdef NDEBUG
constexpr int64_t kCheckEvery = 0;
#else
constexpr int64_t kCheckEvery = 1 << 16;
#endif

constexpr char kSupernode[] = R"(
model = "deepseek-r1"
hardware = "cloudmatrix384"
[precision]
weights = "int8"
activations = "int8"
[[prefill]]
instances = 6
devices = 16
parallel = { dp = 1, tp = 32, sp = 32, ep = 32 }
max_tokens_per_step = 262144
redundant_experts = 32
[[decode]]
devices = 160
parallel = { dp = 320, tp = 1, ep = 320 }
max_batch_per_device = 96
draft_tokens = 1
redundant_experts = 32
[cache]
tiers = [ { kind = "dram", gib_per_node = 1024 } ]
)";

constexpr char kServer[] = R"(
model = "llama-3.1-8b"
hardware = "h100-8"
[[unified]]
instances = 8
devices = 1
[router]
policy = "prefix_aware"
)";

void play(const std::string& name, const std::string& toml) {
  SCOPED_TRACE(name);
  auto deployment = deploy_text(toml);
  ASSERT_TRUE(deployment.ok()) << deployment.error().message;
  TestWorld world(*deployment, toml);
  const Status ran = world.run(kCheckEvery);
  ASSERT_TRUE(ran.ok()) << ran.error().message;
  const auto asked = workload_of(toml);
  EXPECT_GT(asked.size(), 0u);
  EXPECT_EQ(lost_requests(world, asked), "");
  EXPECT_EQ(world.log().count(RequestEnd::kCompleted), static_cast<int64_t>(asked.size()));
  EXPECT_TRUE(world.world().drained());
}

bool is_text_trace(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".jsonl") || name.ends_with(".csv") || name.ends_with(".csv.gz");
}

// The files whose contents are a trace, in the order of their names.
std::vector<std::string> find_traces(const std::string& folder) {
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || !is_text_trace(entry.path())) continue;
    if (TraceReader::open(entry.path().string()).ok()) found.push_back(entry.path().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

TEST(WorldTraces, EveryTracePlaysToItsEnd) {
  const std::string folder = traces_folder();
  if (folder.empty()) GTEST_SKIP() << "no traces: set WEFT_TRACES to a folder that has them";
  const auto traces = find_traces(folder);
  EXPECT_GE(traces.size(), 1u);
  for (const std::string& trace : traces) {
    const bool long_prompts = trace.find("mooncake") != std::string::npos;
    std::string workload = "[workload]\ntrace = \"" + trace + "\"\n";
    if (TraceReader::open(trace)->format() == TraceFormat::kLengths) {
      workload += "arrivals = { process = \"poisson\", rate = 40 }\n";
    }
    play(trace, (long_prompts ? kSupernode : kServer) + workload);
  }
}

// Five minutes of the recorded day.
TEST(WorldTraces, AServegenMixturePlaysToItsEnd) {
  const std::string path = traces_folder() + "/servegen/deepseek-r1.tar.zst";
  if (!fs::exists(path)) GTEST_SKIP() << "no traces: set WEFT_TRACES to a folder that has them";
  play(path, std::string(kSupernode) + "[workload]\nservegen = \"" + path +
                 "\"\nstart_s = 36000\nend_s = 36300\n");
}

}  // namespace
}  // namespace weft
