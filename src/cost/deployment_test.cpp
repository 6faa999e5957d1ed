// Layouts that cannot be are refused with the sentence that names what does not divide.
#include "cost/deployment.h"

#include <gtest/gtest.h>

#include "cost/fixtures.h"

namespace weft {
namespace {

using namespace fixtures;  // NOLINT(google-build-using-namespace)

std::string refusal(const InstanceLayout& layout, const ModelShape& model, const System& system) {
  const Status status = check_layout(layout, model, system);
  if (status.ok()) return "accepted";
  EXPECT_EQ(status.error().code, ErrorCode::kBadInput);
  return status.error().message;
}

TEST(CheckLayout, AcceptsPublishedDeployments) {
  const ModelShape r1 = deepseek_r1();
  EXPECT_EQ(refusal(cloudmatrix_decode(), r1, cloudmatrix384()), "accepted");
  EXPECT_EQ(refusal(cloudmatrix_prefill(), r1, cloudmatrix384()), "accepted");
  InstanceLayout deepseek =
      layout(Role::kDecode, 144, {.dp = 144, .tp = 1, .sp = 1, .ep = 144, .pp = 1}, Format::kFp8);
  deepseek.redundant_experts = 32;
  EXPECT_EQ(refusal(deepseek, r1, h800(144)), "accepted");
  const InstanceLayout tensor = layout(Role::kUnified, 8, {.dp = 1, .tp = 8}, Format::kFp8);
  EXPECT_EQ(refusal(tensor, r1, h200(8)), "accepted");
  InstanceLayout mxfp4 = layout(Role::kUnified, 2, {.dp = 1, .tp = 2}, Format::kBf16);
  mxfp4.precision.weights = Format::kFp4;
  EXPECT_EQ(refusal(mxfp4, gpt_oss_120b(), h100(8)), "accepted");
}

TEST(CheckLayout, CountsDies) {
  InstanceLayout l = cloudmatrix_decode();
  l.parallel.dp = l.parallel.ep = 160;
  EXPECT_EQ(refusal(l, deepseek_r1(), cloudmatrix384()),
            "dp*tp*pp = 160, but 160 devices of 2 dies are 320");
  const InstanceLayout wide =
      layout(Role::kUnified, 16, {.dp = 1, .tp = 16, .sp = 1, .ep = 16}, Format::kFp8);
  EXPECT_EQ(refusal(wide, deepseek_r1(), h200(8)), "16 devices, but H200-8 has 8");
}

TEST(CheckLayout, NamesWhatTheChipHas) {
  InstanceLayout l = cloudmatrix_decode();
  l.precision = {Format::kFp8, Format::kFp8, Format::kBf16};
  EXPECT_EQ(refusal(l, deepseek_r1(), cloudmatrix384()),
            "precision: Ascend 910C does not compute in fp8: it has bf16 and int8");
  l.precision = {Format::kBf16, Format::kInt8, Format::kBf16};
  EXPECT_EQ(
      refusal(l, deepseek_r1(), cloudmatrix384()),
      "precision: int8 activations cannot meet bf16 weights: weights have the same format or a "
      "narrower one");
}

TEST(CheckLayout, DividesHeadsAndExperts) {
  const InstanceLayout tensor = layout(Role::kUnified, 6, {.dp = 1, .tp = 6}, Format::kFp8);
  EXPECT_EQ(refusal(tensor, deepseek_r1(), h200(8)),
            "tp = 6 does not divide the 128 attention heads of deepseek-r1");
  const InstanceLayout experts =
      layout(Role::kDecode, 72, {.dp = 72, .tp = 1, .sp = 1, .ep = 72}, Format::kFp8);
  EXPECT_EQ(refusal(experts, deepseek_r1(), h800(72)),
            "ep = 72 does not divide 256 experts and 0 redundant copies; 32 copies would fit");
  const InstanceLayout group =
      layout(Role::kDecode, 8, {.dp = 8, .tp = 1, .sp = 1, .ep = 3}, Format::kFp8);
  EXPECT_EQ(refusal(group, deepseek_r1(), h800(8)), "ep = 3 does not divide dp*tp = 8");
  const InstanceLayout dense =
      layout(Role::kUnified, 2, {.dp = 2, .tp = 1, .sp = 1, .ep = 2}, Format::kBf16);
  EXPECT_EQ(refusal(dense, llama_8b(), h100(8)), "ep = 2, but llama-3.1-8b has no experts");
}

TEST(CheckLayout, RefusesWhatTheModelLacks) {
  InstanceLayout l = layout(Role::kUnified, 1, {}, Format::kBf16);
  l.draft_tokens = 1;
  EXPECT_EQ(refusal(l, llama_8b(), h100(8)),
            "draft_tokens = 1, but llama-3.1-8b has no MTP module");
  l.draft_tokens = 0;
  l.microbatches = 0;
  EXPECT_EQ(refusal(l, llama_8b(), h100(8)), "microbatches starts at 1, got 0");
  l.microbatches = 1;
  l.expert_imbalance = 0.5;
  EXPECT_EQ(refusal(l, llama_8b(), h100(8)),
            "the hottest rank's expert load over the mean is at least 1, got 0.5");
}

TEST(CheckLayout, SaysWhenAFigureIsUnpublished) {
  System system = h800(16);
  system.scale_out.bandwidth = 0;
  const InstanceLayout l =
      layout(Role::kDecode, 16, {.dp = 16, .tp = 1, .sp = 1, .ep = 16}, Format::kFp8);
  EXPECT_EQ(refusal(l, deepseek_r1(), system),
            "16 dies leave the domain of 8, and nobody has published its scale-out link");
}

}  // namespace
}  // namespace weft
