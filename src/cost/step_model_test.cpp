// StepModel: terms add up, known effects have their direction, published deployments are near.
#include "cost/step_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cost/fixtures.h"
#include "cost/load_fixtures.h"

namespace weft {
namespace {

using namespace fixtures;  // NOLINT(google-build-using-namespace)

double step_ms(const ModelShape& model, const System& system, const InstanceLayout& layout,
               const RankLoad& load) {
  const Status status = check_layout(layout, model, system);
  EXPECT_TRUE(status.ok()) << status.error().message;
  const std::vector<RankLoad> loads(static_cast<size_t>(layout.parallel.dp), load);
  return to_milliseconds(StepModel(model, system, layout).time(loads));
}

double term_ms(const std::vector<Term>& terms, std::string_view name) {
  for (const Term& term : terms) {
    if (term.name == name) return term.seconds * 1e3;
  }
  return 0;
}

InstanceLayout wide(Role role, int dies, int redundant) {
  InstanceLayout l =
      layout(role, dies, {.dp = dies, .tp = 1, .sp = 1, .ep = dies, .pp = 1}, Format::kFp8);
  l.microbatches = 2;
  l.redundant_experts = redundant;
  return l;
}

TEST(StepModel, TermsAddUpToTheTime) {
  struct Case {
    ModelShape model;
    System system;
    InstanceLayout layout;
    RankLoad load;
  };
  InstanceLayout pipeline =
      layout(Role::kUnified, 8, {.dp = 2, .tp = 2, .sp = 1, .ep = 1, .pp = 2}, Format::kBf16);
  RankLoad mixed = decode_load(20, 3000);
  mixed.prefill_tokens = 1000;
  mixed.prefill_products = 1e6;
  mixed.prefill_context = 500;
  mixed.prefill_longest = 1500;
  mixed.prefill_sequences = 1;
  const InstanceLayout tp8 = layout(Role::kUnified, 8, {.dp = 1, .tp = 8}, Format::kFp8);
  for (const Case& c :
       {Case{deepseek_r1(), cloudmatrix384(), cloudmatrix_decode(), decode_load(48, 4224, 1)},
        Case{deepseek_r1(), cloudmatrix384(), cloudmatrix_prefill(), prompt_load(64, 4096)},
        Case{deepseek_v32(), h200(8), tp8, mixed}, Case{deepseek_v4_pro(), h200(16), tp8, mixed},
        Case{llama_8b(), h100(8), pipeline, mixed}}) {
    ASSERT_TRUE(check_layout(c.layout, c.model, c.system).ok());
    const StepModel model(c.model, c.system, c.layout);
    std::vector<RankLoad> loads(static_cast<size_t>(c.layout.parallel.dp), c.load);
    loads[0].decode_context += 12345;
    double sum = 0;
    for (const Term& term : model.terms(loads)) {
      EXPECT_GT(term.count, 0) << term.name;
      EXPECT_TRUE(std::isfinite(term.seconds)) << term.name;
      sum += term.seconds;
    }
    EXPECT_NEAR(sum, to_seconds(model.time(loads)), 2e-9) << c.model.name;
  }
}

TEST(StepModel, EmptyStepIsShortAndFinite) {
  const StepModel model(deepseek_r1(), cloudmatrix384(), cloudmatrix_decode());
  const std::vector<RankLoad> idle(320);
  EXPECT_GT(model.time(idle).count(), 0);
  EXPECT_LT(to_milliseconds(model.time(idle)), 30);
  EXPECT_EQ(model.speed_of_light(idle).count(), 0);
}

TEST(StepModel, SlowestRankSetsTheStep) {
  const StepModel model(deepseek_r1(), cloudmatrix384(), cloudmatrix_decode());
  std::vector<RankLoad> even(320, decode_load(48, 4096, 1));
  std::vector<RankLoad> uneven = even;
  uneven[17] = decode_load(48, 6144, 1);
  const double slower = to_milliseconds(model.time(uneven)) - to_milliseconds(model.time(even));
  EXPECT_GT(slower, 10);
  EXPECT_NEAR(term_ms(model.terms(uneven), "attention, decode"),
              1.5 * term_ms(model.terms(even), "attention, decode"), 2);
  std::reverse(uneven.begin(), uneven.end());
  EXPECT_NEAR(to_milliseconds(model.time(even)) + slower, to_milliseconds(model.time(uneven)),
              1e-5);
}

// Everything that a rank's load enters is a sum or a maximum, so the order of ranks is nothing.
TEST(StepModel, LargestGroupSetsTheExperts) {
  InstanceLayout l = layout(Role::kDecode, 32, {.dp = 32, .tp = 1, .sp = 1, .ep = 8}, Format::kFp8);
  const StepModel model(deepseek_r1(), h200(32), l);
  std::vector<RankLoad> loads(32, decode_load(8, 2000));
  const double even = term_ms(model.terms(loads), "routed experts");
  for (size_t r = 8; r < 16; ++r) loads[r] = decode_load(64, 2000);
  const double heavy = term_ms(model.terms(loads), "routed experts");
  EXPECT_GT(heavy, even);
  for (size_t r = 16; r < 24; ++r) loads[r] = decode_load(64, 2000);
  EXPECT_EQ(term_ms(model.terms(loads), "routed experts"), heavy);
}

TEST(StepModel, ImbalanceCostsTime) {
  InstanceLayout l = cloudmatrix_prefill();
  double last = 0;
  for (const double imbalance : {1.0, 1.2, 1.5, 2.0, 4.0}) {
    l.expert_imbalance = imbalance;
    const double ms = step_ms(deepseek_r1(), cloudmatrix384(), l, prompt_load(64, 4096));
    EXPECT_GT(ms, last);
    last = ms;
  }
}

TEST(StepModel, MicroBatchesPayInLargeStepsOnly) {
  InstanceLayout two = wide(Role::kDecode, 128, 0);
  two.expert_imbalance = 1;
  InstanceLayout one = two;
  one.microbatches = 1;
  const ModelShape r1 = deepseek_r1();
  const RankLoad large = decode_load(128, 4096);
  EXPECT_LT(step_ms(r1, h800(128), two, large), 0.9 * step_ms(r1, h800(128), one, large));
  const RankLoad small = decode_load(1, 4096);
  EXPECT_EQ(step_ms(r1, h800(128), two, small), step_ms(r1, h800(128), one, small));
}

// Never faster than computation alone or exchange alone.
TEST(StepModel, HidingHasItsLimit) {
  EngineSpec engine;
  engine.costs.overlap_decode = 1;
  const StepModel model(deepseek_r1(), h800(128), wide(Role::kDecode, 128, 0), engine);
  const std::vector<RankLoad> loads(128, decode_load(128, 4096));
  const std::vector<Term> terms = model.terms(loads);
  const double exchange = term_ms(terms, "dispatch") + term_ms(terms, "combine");
  EXPECT_GE(to_milliseconds(model.time(loads)), exchange);
  EXPECT_GE(-term_ms(terms, "hidden by micro-batches"), 0.3 * exchange);
}

// One draft token costs a layer, a head and a wider step; at 0.7 acceptance that pays.
TEST(StepModel, LaunchingExpertsOneByOneBoundsShortPromptsAlone) {
  EngineSpec engine;
  engine.host_overlapped = true;
  const InstanceLayout tp8 = layout(Role::kUnified, 8, {.dp = 1, .tp = 8}, Format::kFp8);
  const auto ms = [&](double eager_experts, const RankLoad& load) {
    engine.costs.eager_experts = eager_experts;
    return to_milliseconds(
        StepModel(deepseek_r1(), h200(8), tp8, engine).time(std::span(&load, 1)));
  };
  const double launching = 1e3 * (61 * engine.costs.eager_layer + 58 * 3e-3);
  EXPECT_NEAR(ms(3e-3, prompt_load(1, 128)), launching, 1e-6);
  EXPECT_EQ(ms(3e-3, prompt_load(4, 8192)), ms(0, prompt_load(4, 8192)));
  EXPECT_EQ(ms(3e-3, decode_load(16, 1000)), ms(0, decode_load(16, 1000))) << "a graph";
}

TEST(StepModel, BlockScalesAreAsPublishedUnlessSaid) {
  InstanceLayout tp8 = layout(Role::kUnified, 8, {.dp = 1, .tp = 8}, Format::kFp8);
  const RankLoad load = prompt_load(4, 4096);
  const double native = step_ms(llama_70b(), h200(8), tp8, load);
  tp8.precision.block_scales = false;
  EXPECT_EQ(step_ms(llama_70b(), h200(8), tp8, load), native);
  tp8.precision.block_scales = true;
  EXPECT_NE(step_ms(llama_70b(), h200(8), tp8, load), native);
}

TEST(StepModel, DraftTokensPay) {
  InstanceLayout with = cloudmatrix_decode();
  InstanceLayout without = with;
  without.draft_tokens = 0;
  for (const int batch : {2, 4, 48}) {
    const double plain =
        step_ms(deepseek_r1(), cloudmatrix384(), without, decode_load(batch, 4224));
    const double drafted =
        step_ms(deepseek_r1(), cloudmatrix384(), with, decode_load(batch, 4224, 1));
    EXPECT_GT(drafted, plain);
    EXPECT_LT(drafted / 1.7, plain);
  }
}

TEST(StepModel, RdmaIsSlowerThanUbForExchange) {
  System ub = cloudmatrix384();
  System rdma = ub;
  rdma.scale_up_packages = 8;
  const InstanceLayout l = cloudmatrix_decode();
  const RankLoad load = decode_load(48, 4224, 1);
  EXPECT_GT(step_ms(deepseek_r1(), rdma, l, load), 1.1 * step_ms(deepseek_r1(), ub, l, load));
}

TEST(StepModel, PipelineKeepsThroughputAndAddsHops) {
  const InstanceLayout tensor = layout(Role::kUnified, 4, {.dp = 1, .tp = 4}, Format::kBf16);
  const InstanceLayout pipeline =
      layout(Role::kUnified, 4, {.dp = 1, .tp = 1, .sp = 1, .ep = 1, .pp = 4}, Format::kBf16);
  const RankLoad prompt = prompt_load(8, 2048);
  const double tensor_ms = step_ms(llama_70b(), h100(8), tensor, prompt);
  const double pipeline_ms = step_ms(llama_70b(), h100(8), pipeline, prompt);
  EXPECT_NEAR(pipeline_ms / tensor_ms, 0.9, 0.2);  // compute-bound: the same operations per die
  const RankLoad decode = decode_load(1, 1000);    // memory-bound: weights of all stages in turn
  EXPECT_GT(step_ms(llama_70b(), h100(8), pipeline, decode),
            2 * step_ms(llama_70b(), h100(8), tensor, decode));
}

// Weight-only formats: fewer bytes, the same operations.
TEST(StepModel, NarrowWeightsHelpDecodeAlone) {
  InstanceLayout wide_weights = layout(Role::kUnified, 1, {}, Format::kBf16);
  InstanceLayout narrow = wide_weights;
  narrow.precision.weights = Format::kInt4;
  const RankLoad decode = decode_load(4, 1000);
  EXPECT_LT(step_ms(llama_8b(), h100(8), narrow, decode),
            0.7 * step_ms(llama_8b(), h100(8), wide_weights, decode));
  const RankLoad prompt = prompt_load(4, 4096);
  EXPECT_NEAR(step_ms(llama_8b(), h100(8), narrow, prompt) /
                  step_ms(llama_8b(), h100(8), wide_weights, prompt),
              1, 0.01);
}

TEST(StepModel, AQuantisedHeadReadsTheBytesOfItsFormat) {
  const InstanceLayout l = layout(Role::kUnified, 1, {}, Format::kFp8);
  const std::vector<RankLoad> decode = {decode_load(1, 1000)};
  EngineSpec quantizes;
  quantizes.quantizes_head = true;
  const StepModel wide(llama_8b(), h100(8), l);
  const StepModel narrow(llama_8b(), h100(8), l, quantizes);
  EXPECT_LT(term_ms(narrow.terms(decode), "head"), 0.7 * term_ms(wide.terms(decode), "head"));
  EXPECT_EQ(term_ms(narrow.terms(decode), "dense ffn"), term_ms(wide.terms(decode), "dense ffn"));
  EXPECT_LT(narrow.speed_of_light(decode), wide.speed_of_light(decode));
}

TEST(StepModel, LongContextIsCheapOnlyWhereAttentionIsSparse) {
  InstanceLayout l = layout(Role::kDecode, 8, {.dp = 1, .tp = 8}, Format::kFp8);
  const RankLoad near = decode_load(4, 8192);
  const RankLoad far = decode_load(4, 131072);
  const double dense =
      step_ms(deepseek_r1(), h200(8), l, far) - step_ms(deepseek_r1(), h200(8), l, near);
  const double sparse =
      step_ms(deepseek_v32(), h200(8), l, far) - step_ms(deepseek_v32(), h200(8), l, near);
  EXPECT_LT(sparse, dense / 3);
}

// What an engine's software and its kernels are short of costs what they bound: a slower host's
// launches, prompts' attention, large products; nothing else.
TEST(StepModel, OlderHostsAndKernelsCostTheirOwnParts) {
  const InstanceLayout l = layout(Role::kUnified, 1, {}, Format::kBf16);
  const std::vector<RankLoad> prompt = {prompt_load(1, 8192)};
  const std::vector<RankLoad> decode = {decode_load(4, 1000)};
  const auto terms = [&](const EngineSpec& engine, const System& system,
                         const std::vector<RankLoad>& loads) {
    return StepModel(llama_8b(), system, l, engine).terms(loads);
  };
  EngineSpec older;
  older.costs.attention_share = 0.5;
  older.costs.products_share = 0.5;
  const auto now = terms({}, h100(8), prompt);
  const auto then = terms(older, h100(8), prompt);
  EXPECT_NEAR(term_ms(then, "attention, prefill"), 2 * term_ms(now, "attention, prefill"), 1e-9);
  EXPECT_NEAR(term_ms(then, "dense ffn") / term_ms(now, "dense ffn"), 2, 0.1);
  EXPECT_EQ(term_ms(then, "norms and activations"), term_ms(now, "norms and activations"));
  EXPECT_LT(term_ms(terms(older, h100(8), decode), "dense ffn"),
            1.1 * term_ms(terms({}, h100(8), decode), "dense ffn"))
      << "bound by memory";
  System slow = h100(8);
  slow.host_speed = 0.5;
  EXPECT_NEAR(term_ms(terms({}, slow, decode), "host"),
              2 * term_ms(terms({}, h100(8), decode), "host"), 1e-9);
}

}  // namespace
}  // namespace weft
