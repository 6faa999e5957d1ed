// Cases: every key is read, what is missing, unknown or wrong is one line with file, line, case and
// key, and a broken case leaves the others as they are.
#include "plan/case.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "plan/plan_testing.h"

namespace weft {
namespace {

// What reading a file of one broken case complains of.
void expect_unusable(const std::string& text, const std::vector<std::string>& words) {
  const auto file = parse_cases(text, "cases.toml");
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_TRUE(file->cases.empty()) << words.front();
  ASSERT_EQ(file->unusable.size(), 1u) << words.front();
  expect_error(file->unusable[0].message, words);
}

TEST(Case, NamesComeFromTheCaseOrElseTheFile) {
  const std::string file = "family = \"f\"\nsource = \"s\"\ngrade = \"B\"\n";
  const Case plain = case_from(file + kDecodeCase);
  EXPECT_EQ(plain.id, "decode");
  EXPECT_EQ(plain.family, "f");
  EXPECT_EQ(plain.source, "s");
  EXPECT_EQ(plain.grade, "B");
  EXPECT_EQ(plain.where, "cases.toml:5") << "the line of its [[case]]";
  const Case own = case_from(file + kDecodeCase +
                             "family = \"F\"\nsource = \"S\"\ngrade = \"A\"\nnote = \"N\"\n");
  EXPECT_EQ(own.family + own.source + own.grade + own.note, "FSAN");
  EXPECT_EQ(case_from(kDecodeCase).family, "cases") << "the file's name";
}

TEST(Case, EveryKeyOfADecodeIsRead) {
  const Case one =
      case_from(std::string(kDecodeCase) + "instances = 3\nexpert_balance = 1.5\nreuse = 0.25\n");
  EXPECT_EQ(one.phase, Phase::kDecode);
  EXPECT_EQ(phase_name(one), "decode");
  EXPECT_EQ(one.hardware, "cloudmatrix384");
  EXPECT_EQ(one.model, "deepseek-r1");
  EXPECT_EQ(one.engine, "cloudmatrix-infer");
  EXPECT_EQ(one.instances, 3);
  const InstanceLayout& l = one.layout;
  EXPECT_EQ(l.role, Role::kDecode);
  EXPECT_EQ(l.packages, 160);
  EXPECT_EQ(l.parallel.dp, 320);
  EXPECT_EQ(l.parallel.tp, 1);
  EXPECT_EQ(l.parallel.sp, 1);
  EXPECT_EQ(l.parallel.ep, 320);
  EXPECT_EQ(l.parallel.pp, 1);
  EXPECT_EQ(l.precision.weights, Format::kInt8);
  EXPECT_EQ(l.precision.activations, Format::kInt8);
  EXPECT_EQ(l.precision.kv, Format::kBf16);
  EXPECT_FALSE(l.precision.attention.has_value());
  const Case wider = case_from(replaced(
      kDecodeCase, "kv = \"bf16\"", "kv = \"bf16\", attention = \"bf16\", block_scales = true"));
  EXPECT_EQ(wider.layout.precision.attention, Format::kBf16);
  EXPECT_EQ(wider.layout.precision.block_scales, true);
  EXPECT_EQ(l.redundant_experts, 32);
  EXPECT_EQ(l.microbatches, 2);
  EXPECT_EQ(l.draft_tokens, 1);
  EXPECT_EQ(one.acceptance, 0.7);
  EXPECT_EQ(one.expert_balance, 1.5);
  EXPECT_EQ(one.batch_per_device, 96);
  EXPECT_EQ(one.input_tokens, 4096);
  EXPECT_EQ(one.output_tokens, 256);
  EXPECT_EQ(one.reuse, 0.25);
  EXPECT_EQ(one.context_tokens, 4096 + 128) << "half of the output is there, in the middle";
  EXPECT_EQ(case_from(std::string(kDecodeCase) + "context_tokens = 5\n").context_tokens, 5);
}

TEST(Case, ExpertBalanceIsTheEnginesPerfectOrANumber) {
  const std::string text = kDecodeCase;
  EXPECT_FALSE(case_from(text).expert_balance.has_value());
  EXPECT_FALSE(case_from(text + "expert_balance = \"default\"\n").expert_balance.has_value());
  EXPECT_EQ(case_from(text + "expert_balance = \"perfect\"\n").expert_balance, 1.0);
  EXPECT_EQ(case_from(text + "expert_balance = 2\n").expert_balance, 2.0);
  expect_unusable(text + "expert_balance = 0.9\n", {"expert_balance", "0.9"});
  expect_unusable(text + "expert_balance = \"bad\"\n", {"expert_balance", "\"bad\""});
}

TEST(Case, EveryKeyOfAPrefillIsRead) {
  const Case one =
      case_from(std::string(kPrefillCase) +
                "parallel = { dp = 1, tp = 2, sp = 2, ep = 4, pp = 8 }\nreuse = 0.5\n");
  EXPECT_EQ(one.phase, Phase::kPrefill);
  EXPECT_EQ(one.layout.role, Role::kPrefill);
  EXPECT_EQ(one.tokens_per_device, 8192);
  EXPECT_EQ(one.input_tokens, 2048);
  EXPECT_EQ(one.reuse, 0.5);
  EXPECT_EQ(one.layout.parallel.sp, 2);
  EXPECT_EQ(one.layout.parallel.pp, 8);
}

TEST(Case, EveryKeyOfARunIsRead) {
  const Case one = case_from(std::string(kServeCase) +
                             "max_tokens_per_step = 2048\nmax_batch = 99\nmemory_share = 0.8\n"
                             "kv_tokens = 91680\nprefix_caching = false\nreuse = 0.5\n");
  EXPECT_EQ(one.phase, Phase::kServe);
  EXPECT_EQ(one.layout.role, Role::kUnified);
  EXPECT_EQ(one.max_tokens_per_step, 2048);
  EXPECT_EQ(one.max_batch, 99);
  EXPECT_EQ(one.memory_share, 0.8);
  EXPECT_EQ(one.kv_tokens, 91680);
  EXPECT_EQ(one.prefix_caching, false);
  ASSERT_TRUE(one.load.has_value());
  EXPECT_EQ(one.load->requests, 64u);
  EXPECT_EQ(one.load->prefix.share, 0.5);
  EXPECT_EQ(one.load->input.mean, 512);
  EXPECT_EQ(one.load->output.mean, 64);
  EXPECT_EQ(one.load->arrivals->process, ArrivalSpec::Process::kClosed);
  EXPECT_EQ(one.load->arrivals->concurrency, 16);
  EXPECT_FALSE(case_from(kServeCase).prefix_caching.has_value());
}

TEST(Case, ARunArrivesByARateOrAtOnceToo) {
  const Case rate = case_from(replaced(kServeCase, "concurrency = 16", "rate = 2.5"));
  EXPECT_EQ(rate.load->arrivals->process, ArrivalSpec::Process::kPoisson);
  EXPECT_EQ(rate.load->arrivals->rate, 2.5);
  const Case once = case_from(replaced(kServeCase, "concurrency = 16", "arrivals = \"at_once\""));
  EXPECT_EQ(once.load->arrivals->process, ArrivalSpec::Process::kFixed);
  expect_unusable(replaced(kServeCase, "concurrency = 16\n", ""),
                  {"case \"serve\"", "concurrency: missing", "rate", "at_once", "trace"});
  expect_unusable(replaced(kServeCase, "concurrency = 16", "arrivals = \"soon\""),
                  {"arrivals", "\"soon\"", "at_once"});
  expect_unusable(std::string(kServeCase) + "rate = 3\n", {"rate: unknown key"});
}

constexpr char kTraceCase[] = R"(
[[case]]
id = "t"
hardware = "h100-8"
model = "llama-3.1-8b"
engine = "vllm"
phase = "serve"
devices = 1
precision = { weights = "bf16", activations = "bf16", kv = "bf16" }
trace = "case-test-trace.csv"
lengths = "served"
)";

TEST(Case, ATraceIsFoundBesideTheFile) {
  const TemporaryFolder folder;
  const std::string trace =
      folder.write("case-test-trace.csv", "arrival_s,input_tokens,output_tokens\n0,10,10\n");
  const auto file = load_cases(folder.write("c.toml", kTraceCase));
  ASSERT_TRUE(file.ok() && file->cases.size() == 1);
  EXPECT_EQ(file->cases[0].missing_trace, "");
  EXPECT_EQ(file->cases[0].load->path, trace);
  EXPECT_TRUE(file->cases[0].load->served_lengths);
  EXPECT_FALSE(file->cases[0].load->requests.has_value()) << "all of it";
}

TEST(Case, ATraceThatIsNotHereIsRememberedAndRefusedOnlyWhenPlayed) {
  const Case one = case_from(kTraceCase);
  expect_error(one.missing_trace, {"cases.toml:10", "case \"t\"", "trace", "case-test-trace.csv"});
  const auto prediction = predict(one, repository());
  ASSERT_FALSE(prediction.ok());
  EXPECT_EQ(prediction.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(prediction.error().message, one.missing_trace);
}

TEST(Case, EveryKeyOfAnOperatorIsRead) {
  const std::string head = "[[case]]\nid = \"o\"\nhardware = \"cloudmatrix384\"\nphase = ";
  const std::string on = "model = \"deepseek-r1\"\nengine = \"deepseek\"\n";
  const auto shape = [&](const std::string& rest) { return *case_from(head + rest).shape; };
  const Case gemm =
      case_from(head + "\"gemm\"\nm = 1\nn = 2\nk = 3\ngroups = 4\nformat = \"int8\"");
  EXPECT_EQ(phase_name(gemm), "gemm");
  EXPECT_EQ(gemm.shape->m * 1000 + gemm.shape->n * 100 + gemm.shape->k * 10 + gemm.shape->groups,
            1234);
  EXPECT_EQ(gemm.layout.precision.activations, Format::kInt8);
  const OperatorShape attention =
      shape("\"attention\"\nmodel = \"deepseek-r1\"\nbound = \"memory\"");
  EXPECT_EQ(attention.kind, OperatorKind::kAttention);
  EXPECT_EQ(attention.bound, "memory");
  const OperatorShape dispatch = shape("\"dispatch\"\nranks = 8\ntokens_per_rank = 128\n" + on);
  EXPECT_EQ(dispatch.kind, OperatorKind::kDispatch);
  EXPECT_EQ(dispatch.ranks, 8);
  EXPECT_EQ(dispatch.tokens, 128);
  EXPECT_EQ(shape("\"combine\"\nranks = 8\ntokens_per_rank = 1\n" + on).kind,
            OperatorKind::kCombine);
  const OperatorShape transfer =
      shape("\"transfer\"\nbytes = 512\nop = \"write\"\npath = \"npu-cpu\"\nsame_node = true\n");
  EXPECT_EQ(transfer.kind, OperatorKind::kTransfer);
  EXPECT_EQ(transfer.bytes, 512);
  EXPECT_EQ(transfer.op, "write");
  EXPECT_EQ(transfer.path, "npu-cpu");
  EXPECT_TRUE(transfer.same_node);
}

TEST(Case, EveryMetricMayBePublishedAndZeroIsNot) {
  std::string text = std::string(kDecodeCase) + "[case.published]\n";
  for (const std::string& name : published_metrics()) text += name + " = 2.5\n";
  const Case all = case_from(text);
  ASSERT_EQ(all.published.size(), published_metrics().size());
  for (const Published& one : all.published) EXPECT_EQ(one.value, 2.5);
  const Case some =
      case_from(std::string(kDecodeCase) + "[case.published]\ntpot_ms = 49.4\nttft_ms = 0.0\n");
  ASSERT_EQ(some.published.size(), 1u);
  EXPECT_EQ(some.published[0].metric, "tpot_ms");
  EXPECT_TRUE(case_from(kDecodeCase).published.empty());
  expect_unusable(std::string(kDecodeCase) + "[case.published]\ntpot_ms = -1\n",
                  {"published.tpot_ms", "-1"});
  expect_unusable(std::string(kDecodeCase) + "[case.published]\nspeed = 1\n",
                  {"published.speed: unknown key"});
}

std::string without(const std::string& text, const std::string& key) {
  const size_t at = text.find("\n" + key + " =");
  CHECK(at != std::string::npos, "the key is there");
  return std::string(text).erase(at, text.find('\n', at + 1) - at);
}

TEST(Case, ANeededKeyThatIsMissingIsNamed) {
  const auto expect = [](const std::string& text, std::vector<std::string> keys) {
    for (const std::string& key : keys) {
      expect_unusable(without(text, key), {": " + key + ": missing"});
    }
  };
  expect(kDecodeCase, {"hardware", "model", "engine", "phase", "devices", "precision",
                       "batch_per_device", "input_tokens"});
  expect(kPrefillCase, {"tokens_per_device", "input_tokens", "engine"});
  expect(kServeCase, {"requests", "input_tokens", "output_tokens"});
  expect_unusable(without(kDecodeCase, "id"), {"case[0].id: missing"});
  expect_unusable(replaced(kDecodeCase, ", kv = \"bf16\"", ""), {"precision.kv: missing", "int8"});
}

TEST(Case, SaysWhetherFp8HasBlockScales) {
  const auto with = [](const std::string& more) {
    return case_from(replaced(kDecodeCase, "kv = \"bf16\"", "kv = \"bf16\"" + more));
  };
  EXPECT_FALSE(with("").layout.precision.block_scales.has_value());
  EXPECT_EQ(with(", block_scales = true").layout.precision.block_scales, true);
  EXPECT_EQ(with(", block_scales = false").layout.precision.block_scales, false);
}

TEST(Case, AnUnknownOrWrongKeyIsNamedWithItsLineAndCase) {
  const std::string text = kDecodeCase;
  expect_unusable(text + "colour = 3\n", {"cases.toml:18: case \"decode\": colour: unknown key"});
  expect_unusable(text + "tokens_per_device = 3\n", {"tokens_per_device: unknown key"});
  expect_unusable(text + "ranks = 3\n", {"ranks: unknown key"});
  expect_unusable(replaced(text, "devices = 160", "devices = 0"), {"cases.toml:8", "devices", "0"});
  expect_unusable(replaced(text, "dp = 320", "dq = 320"), {"parallel.dq: unknown key"});
  expect_unusable(replaced(text, "dp = 320", "dp = -1"), {"parallel.dp", "-1"});
  expect_unusable(replaced(text, "\"int8\"", "\"int7\""), {"precision.weights", "int7", "fp8"});
  expect_unusable(replaced(text, "\"decode\"\nhardware", "7\nhardware"), {"case[0].id", "7"});
  expect_unusable(replaced(text, "phase = \"decode\"", "phase = \"dream\""),
                  {"phase", "\"dream\"", "prefill", "serve", "transfer"});
  expect_unusable(replaced(text, "acceptance = 0.7", "acceptance = 1.7"), {"acceptance", "1.7"});
  expect_unusable(replaced(text, "batch_per_device = 96", "batch_per_device = \"96\""),
                  {"batch_per_device", "\"96\""});
  expect_unusable(text + "reuse = 1.0\n", {"reuse", "1"});
}

TEST(Case, ABrokenCaseLeavesTheOthers) {
  const std::string broken = replaced(kDecodeCase, "\"decode\"", "\"broken\"");
  const auto file = parse_cases(std::string(kDecodeCase) + broken + "colour = 3\n" + kServeCase +
                                    kPrefillCase + "devices_ = 1\n",
                                "cases.toml");
  ASSERT_TRUE(file.ok()) << file.error().message;
  ASSERT_EQ(file->cases.size(), 2u);
  EXPECT_EQ(file->cases[0].id, "decode");
  EXPECT_EQ(file->cases[1].id, "serve");
  ASSERT_EQ(file->unusable.size(), 2u);
  expect_error(file->unusable[0].message, {"case \"broken\": colour"});
  expect_error(file->unusable[1].message, {"case \"prefill\": devices_"});
}

TEST(Case, AFileThatIsNoneIsAnError) {
  const auto message = [](const std::string& text) {
    const auto file = parse_cases(text, "cases.toml");
    return file.ok() ? "" : file.error().message;
  };
  expect_error(message("[[case\n"), {"cases.toml:1"});
  EXPECT_NE(message("").find("[[case]]"), std::string::npos);
  EXPECT_NE(message(std::string("colour = 1\n") + kDecodeCase).find("colour: unknown key"),
            std::string::npos);
  EXPECT_NE(message(std::string("family = 1\n") + kDecodeCase).find("family"), std::string::npos);
  EXPECT_FALSE(load_cases("/no/such.toml").ok());
}

TEST(Case, EveryFileOfTheCatalogsMeasurementsIsUsable) {
  size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator("catalog/measurements")) {
    const auto file = load_cases(entry.path().string());
    ASSERT_TRUE(file.ok()) << file.error().message;
    for (const Error& error : file->unusable) ADD_FAILURE() << error.message;
    for (const Case& one : file->cases) {
      EXPECT_FALSE(one.published.empty()) << one.where << ": " << one.id;
      EXPECT_FALSE(one.source.empty()) << one.where << ": " << one.id;
      EXPECT_FALSE(one.grade.empty()) << one.where << ": " << one.id;
      if (!one.engine.empty()) {
        EXPECT_TRUE(repository().engine(one.engine).ok()) << one.where << ": " << one.engine;
      }
    }
    cases += file->cases.size();
  }
  EXPECT_GT(cases, 500u);
}

}  // namespace
}  // namespace weft
