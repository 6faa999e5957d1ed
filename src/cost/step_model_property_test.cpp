// Over 100,000 random models, systems, layouts and loads: a step's time is finite and positive, no
// faster than light, and never falls when any part of the load grows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "cost/fixtures.h"
#include "cost/step_model.h"

namespace weft {
namespace {

int pick(Random& random, std::initializer_list<int> values) {
  return values.begin()[random.below(values.size())];
}

bool flip(Random& random) { return random.below(2) == 1; }

void random_attention(Random& random, ModelShape& m) {
  m.attention = static_cast<AttentionKind>(random.below(3));
  m.heads = pick(random, {8, 16, 64, 128});
  m.kv_heads = pick(random, {1, 2, 8});
  m.head_dim = pick(random, {64, 128, 512});
  m.q_lora = flip(random) ? 1536 : 0;
  m.kv_lora = pick(random, {256, 512});
  m.nope_dim = m.v_dim = 128;
  m.rope_dim = 64;
  m.index_heads = 32;
  m.index_dim = 128;
  m.attention_groups.clear();
  for (int left = m.layers; left > 0;) {
    AttentionGroup group;
    group.layers = static_cast<int>(1 + random.below(static_cast<uint64_t>(left)));
    group.window = flip(random) ? 128 : 0;
    group.top_k = flip(random) ? 512 : 0;
    group.runs_indexer = group.top_k > 0;
    if (m.attention == AttentionKind::kCompressed) {
      group.compression = pick(random, {0, 1, 4, 128});
      group.window = 128;
    }
    left -= group.layers;
    m.attention_groups.push_back(group);
  }
  if (m.attention == AttentionKind::kCompressed && flip(random)) {
    m.o_lora = 1024;
    m.o_groups = 8;
  }
}

ModelShape random_model(Random& random) {
  ModelShape m;
  m.name = "random";
  m.hidden = pick(random, {1024, 4096, 7168});
  m.layers = static_cast<int>(1 + random.below(60));
  m.vocab = pick(random, {32000, 151936});
  random_attention(random, m);
  m.dense_ffn = pick(random, {4096, 16384});
  m.dense_layers = m.layers;
  m.mtp_layers = 1;
  m.native_weights = flip(random) ? Format::kFp8 : Format::kBf16;
  if (flip(random)) return m;
  m.dense_layers = static_cast<int>(random.below(static_cast<uint64_t>(m.layers)));
  m.experts = pick(random, {8, 64, 256});
  m.experts_per_token = pick(random, {1, 2, 8});
  m.expert_ffn = pick(random, {512, 2048});
  m.shared_experts = pick(random, {0, 1, 2});
  return m;
}

System random_system(Random& random) {
  System s = flip(random) ? fixtures::cloudmatrix384() : fixtures::h200(384);
  const auto& kernels = fixtures::catalog_kernels();
  auto some = kernels.begin();
  std::advance(some, static_cast<std::ptrdiff_t>(random.below(kernels.size())));
  s.chip.kernels = some->second;
  s.chip.cores = pick(random, {8, 24, 132, 304});
  s.chip.memory_bandwidth *= 0.1 + random.uniform();
  return s;
}

InstanceLayout random_layout(Random& random, const System& system) {
  InstanceLayout l;
  l.role = static_cast<Role>(random.below(3));
  l.parallel.dp = pick(random, {1, 2, 8, 32});
  l.parallel.tp = pick(random, {1, 2, 8});
  l.parallel.sp = flip(random) ? l.parallel.tp : 1;
  l.parallel.ep = pick(random, {1, 2, 8, 64, 256});
  l.parallel.pp = pick(random, {1, 1, 2, 4});
  const int dies = l.parallel.dp * l.parallel.tp * l.parallel.pp;
  l.packages = std::max(1, dies / system.chip.dies);
  l.precision.activations = static_cast<Format>(random.below(3));
  l.precision.weights = flip(random) ? l.precision.activations : Format::kInt4;
  l.precision.kv = static_cast<Format>(random.below(3));
  l.redundant_experts = pick(random, {0, 0, 32, 56});
  l.microbatches = pick(random, {1, 2, 4});
  l.draft_tokens = pick(random, {0, 1, 3});
  l.expert_imbalance = flip(random) ? 0 : 1 + 2 * random.uniform();
  return l;
}

RankLoad random_load(Random& random) {
  RankLoad load;
  if (random.below(4) == 0) return load;
  if (flip(random)) {
    load.prefill_sequences = static_cast<int32_t>(1 + random.below(8));
    load.prefill_tokens = static_cast<int64_t>(1 + random.below(1u << random.below(18)));
    load.prefill_context = static_cast<int64_t>(random.below(1u << random.below(20)));
    load.prefill_products = static_cast<double>(load.prefill_tokens) * 100 * random.uniform();
    load.prefill_longest = load.prefill_tokens + load.prefill_context;
    load.sampled = static_cast<int32_t>(random.below(4));
  }
  if (flip(random)) {
    load.decode_sequences = static_cast<int32_t>(1 + random.below(256));
    load.decode_tokens = load.decode_sequences * static_cast<int64_t>(1 + random.below(4));
    load.decode_context = load.decode_sequences * static_cast<int64_t>(random.below(200000));
    load.sampled += load.decode_sequences;
  }
  return load;
}

void grow(Random& random, RankLoad& load) {
  const int64_t more = static_cast<int64_t>(1 + random.below(1u << random.below(12)));
  const auto few = static_cast<int32_t>(1 + random.below(16));
  switch (random.below(9)) {
    case 0:
      load.prefill_tokens += more;
      break;
    case 1:
      load.prefill_products += static_cast<double>(more);
      break;
    case 2:
      load.prefill_context += more;
      break;
    case 3:
      load.prefill_sequences += few;
      break;
    case 4:  // as long as those that are there: shorter ones would shorten the mean chain of keys
      load.decode_context += few * (load.decode_context / std::max(1, load.decode_sequences) + 1);
      load.decode_sequences += few;
      break;
    case 5:
      load.decode_tokens += more;
      break;
    case 6:
      load.prefill_longest += more;
      break;
    case 7:
      load.decode_context += more;
      break;
    default:
      load.sampled += few;
      break;
  }
}

// One exchange for prompts and decodes: where they differ, a first prompt changes the kernel.
EngineSpec random_engine(Random& random) {
  EngineSpec engine;
  engine.prefill_exchange = engine.decode_exchange = static_cast<ExchangeKind>(random.below(6));
  engine.all_reduce = static_cast<AllReduceKind>(random.below(3));
  engine.host_overlapped = flip(random);
  return engine;
}

// TensorRT-LLM's decode of grouped heads over BF16 KV changes to a faster kernel as a load grows
// (cost/attention_layers.h); nothing else may fall.
bool changes_kernel(const ModelShape& model, const InstanceLayout& layout,
                    const EngineSpec& engine) {
  return model.attention == AttentionKind::kGqa && model.kv_heads < model.heads &&
         engine.expert_kernels != ExpertKernels::kOpen && layout.precision.kv == Format::kBf16;
}

// A case that check_layout() accepts, or nothing.
struct Case {
  ModelShape model;
  System system;
  InstanceLayout layout;
};

Case random_case(Random& random) {
  while (true) {
    Case c{random_model(random), random_system(random), {}};
    for (int tries = 0; tries < 20; ++tries) {
      c.layout = random_layout(random, c.system);
      if (check_layout(c.layout, c.model, c.system).ok()) return c;
    }
  }
}

TEST(StepModelProperty, FiniteMonotoneAndNoFasterThanLight) {
  Random random(20250726);
  constexpr int kCases = 100000;
  constexpr int kLoads = 4;
  int exchanging = 0;
  for (int i = 0; i < kCases; ++i) {
    const Case c = random_case(random);
    EngineSpec engine = random_engine(random);
    engine.expert_kernels = i % 2 == 0 ? ExpertKernels::kTrtllm : ExpertKernels::kOpen;
    const bool may_fall = changes_kernel(c.model, c.layout, engine);
    const StepModel model(c.model, c.system, c.layout, engine);
    if (Sharding(c.model, c.system.chip, c.layout).exchanges) ++exchanging;
    std::vector<RankLoad> loads(static_cast<size_t>(c.layout.parallel.dp));
    for (RankLoad& load : loads) load = random_load(random);
    Duration last = model.time(loads);
    ASSERT_GT(last.count(), 0);
    for (int j = 0; j < kLoads; ++j) {
      ASSERT_GE(last, model.speed_of_light(loads)) << "case " << i << ", load " << j;
      ASSERT_LT(to_seconds(last), 1e7);
      grow(random, loads[random.below(loads.size())]);
      const Duration now = model.time(loads);
      ASSERT_TRUE(now >= last || may_fall) << "case " << i << ", load " << j;
      last = now;
    }
  }
  EXPECT_GT(exchanging, kCases / 20);
}

TEST(StepModelProperty, TermsAddUpAndAreNotNegative) {
  Random random(7);
  for (int i = 0; i < 2000; ++i) {
    const Case c = random_case(random);
    const StepModel model(c.model, c.system, c.layout);
    std::vector<RankLoad> loads(static_cast<size_t>(c.layout.parallel.dp));
    for (RankLoad& load : loads) load = random_load(random);
    double sum = 0;
    for (const Term& term : model.terms(loads)) {
      ASSERT_TRUE(term.seconds > 0 || term.name == "hidden by micro-batches") << term.name;
      sum += term.seconds;
    }
    const double time = to_seconds(model.time(loads));
    ASSERT_NEAR(sum, time, 1e-9 + 1e-9 * time) << "case " << i;
  }
}

}  // namespace
}  // namespace weft
