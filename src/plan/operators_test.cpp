// Operators: metrics that agree with each other, nothing faster than the chip, and one line for
// what a chip or case has not got.
#include <gtest/gtest.h>

#include "plan/plan_testing.h"

namespace weft {
namespace {

std::string on(const std::string& hardware, const std::string& rest) {
  return "[[case]]\nid = \"o\"\nhardware = \"" + hardware + "\"\n" + rest;
}

std::string gemm(const std::string& hardware, int m, const std::string& format) {
  return on(hardware, "phase = \"gemm\"\nm = " + std::to_string(m) +
                          "\nn = 4096\nk = 7168\ngroups = 2\nformat = \"" + format + "\"\n");
}

TEST(Operators, AProductsMetricsAreOneTime) {
  const Prediction p = prediction_of(gemm("cloudmatrix384", 4096, "int8"));
  const double seconds = metric(p, "us") / 1e6;
  const Chip chip = repository().chip("ascend-910c").value();
  const double operations = 2.0 * 2 * 4096 * 4096 * 7168;
  EXPECT_NEAR(metric(p, "utilization"), operations / seconds / chip.ops(Format::kInt8), 1e-9);
  const double bytes = 2.0 * (4096.0 * 7168 + 4096.0 * 7168 + 2 * 4096.0 * 4096);
  EXPECT_NEAR(metric(p, "gb_per_s"), bytes / seconds / 1e9, 1e-6);
  EXPECT_EQ(p.step_ms, 0);
}

TEST(Operators, NoProductUsesMoreThanTheChipHas) {
  for (const char* hardware : {"cloudmatrix384", "h100-8", "b200-8", "mi300x-8"}) {
    for (const int m : {1, 16, 333, 65536}) {
      const Prediction p = prediction_of(gemm(hardware, m, "bf16"));
      EXPECT_GT(metric(p, "utilization"), 0) << hardware << m;
      EXPECT_LE(metric(p, "utilization"), 1) << hardware << m;
    }
  }
}

TEST(Operators, LatentAttentionIsBoundByWhatItsCaseSays) {
  const auto attention = [](const char* bound) {
    return prediction_of(on("cloudmatrix384", std::string("phase = \"attention\"\nmodel = "
                                                          "\"deepseek-r1\"\nbound = \"") +
                                                  bound + "\"\n"));
  };
  const Prediction compute = attention("compute");
  const Prediction memory = attention("memory");
  for (const Prediction& p : {compute, memory}) {
    EXPECT_GT(metric(p, "utilization"), 0.1);
    EXPECT_LE(metric(p, "utilization"), 1);
  }
  EXPECT_GT(metric(compute, "us"), metric(memory, "us"));
  EXPECT_EQ(compute.find("gb_per_s"), nullptr);
  const double peak = repository().chip("ascend-910c")->memory_bandwidth / 1e9;
  EXPECT_NEAR(metric(memory, "gb_per_s"), metric(memory, "utilization") * peak, 1e-6 * peak);
}

std::string exchange(const std::string& phase, int ranks, int tokens, const std::string& engine) {
  return on(engine == "deepseek" ? "16xh800-8" : "cloudmatrix384",
            "phase = \"" + phase + "\"\nmodel = \"deepseek-r1\"\nengine = \"" + engine +
                "\"\nranks = " + std::to_string(ranks) + "\ntokens_per_rank = " +
                std::to_string(tokens) + (engine == "deepseek" ? "\nformat = \"fp8\"\n" : "\n"));
}

TEST(Operators, ExchangesTakeLongerWithMoreTokensAndMoreRanks) {
  for (const char* engine : {"cloudmatrix-infer", "deepseek"}) {
    for (const char* phase : {"dispatch", "combine"}) {
      const auto us = [&](int ranks, int tokens) {
        return metric(prediction_of(exchange(phase, ranks, tokens, engine)), "us");
      };
      EXPECT_LT(us(16, 128), us(16, 1024)) << engine << phase;
      EXPECT_LE(us(16, 128), us(128, 128)) << engine << phase;
      EXPECT_GT(us(16, 1), 0) << engine << phase;
    }
  }
}

TEST(Operators, RowsThatComeBackAreWider) {
  for (const char* engine : {"cloudmatrix-infer", "deepseek"}) {
    EXPECT_LT(metric(prediction_of(exchange("dispatch", 64, 4096, engine)), "us"),
              metric(prediction_of(exchange("combine", 64, 4096, engine)), "us"))
        << engine;
  }
}

TEST(Operators, ATransferIsItsLatencyAndItsBytes) {
  const System system = repository().system("cloudmatrix384").value();
  const auto us = [](const std::string& rest) {
    return metric(prediction_of(on("cloudmatrix384", "phase = \"transfer\"\n" + rest)), "us");
  };
  const double far = to_seconds(system.scale_up.latency_far) * 1e6;
  EXPECT_NEAR(us("bytes = 1e9"), far + 1e15 / system.scale_up.bandwidth, 1e-6);
  EXPECT_NEAR(us("bytes = 1e9\nop = \"write\""), far + 1e15 / system.scale_up.write_bandwidth,
              1e-6);
  EXPECT_NEAR(us("bytes = 1e9\npath = \"npu-cpu\"\nsame_node = true"),
              to_seconds(system.host.latency) * 1e6 + 1e15 / system.host.bandwidth, 1e-6);
  EXPECT_LT(us("bytes = 512\nsame_node = true"), us("bytes = 512"));
}

// Every system can be asked: no transfer takes forever or no time.
TEST(Operators, EveryTransferOnEverySystemIsFinite) {
  for (const CatalogEntry& entry : repository().list()) {
    if (entry.kind != "system") continue;
    for (const char* path : {"npu-npu", "npu-cpu"}) {
      for (const char* op : {"read", "write"}) {
        const Case one = case_from(on(entry.name, std::string("phase = \"transfer\"\nbytes = 1e6\n"
                                                              "path = \"") +
                                                      path + "\"\nop = \"" + op + "\"\n"));
        const auto p = predict(one, repository());
        if (!p) {
          expect_error(p.error().message, {"case \"o\"", path});
          continue;
        }
        EXPECT_GT(metric(*p, "us"), 0) << entry.name << path << op;
        EXPECT_TRUE(std::isfinite(metric(*p, "us"))) << entry.name << path << op;
      }
    }
  }
}

TEST(Operators, WhatAChipOrModelHasNotGotIsOneLine) {
  expect_refused(gemm("cloudmatrix384", 1, "fp8"), {"fp8", "Ascend 910C", "bf16 and int8"});
  expect_refused(gemm("cloudmatrix999", 1, "int8"), {"cloudmatrix999"});
  expect_refused(on("h800-8", "phase = \"attention\"\nmodel = \"llama-3.1-8b\"\n"),
                 {"model", "latent"});
  expect_refused(on("h800-8", "phase = \"attention\"\nmodel = \"lama\"\n"), {"lama"});
  expect_refused(replaced(exchange("dispatch", 8, 1, "deepseek"), "\"deepseek\"", "\"dipseek\""),
                 {"dipseek"});
  expect_refused(replaced(exchange("dispatch", 8, 1, "deepseek"), "deepseek-r1", "llama-3.1-8b"),
                 {"llama-3.1-8b", "experts"});
  expect_refused(exchange("combine", 100000, 1, "deepseek"), {"ranks", "100000", "128"});
}

}  // namespace
}  // namespace weft
