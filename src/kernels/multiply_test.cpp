// Products of every format on every instruction set of this machine: against the plain reference
// over random shapes, and the same bits whatever else is in the batch and however many threads.
#include "kernels/multiply.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <numeric>

#include "kernels/multiply_testing.h"

namespace weft {
namespace {

using testing::kFormats;
using testing::normal_values;
using testing::pack;
using testing::product;
using testing::read_rows;
using testing::same_bits;

// More of them: multiply_system_test.cpp.
TEST(Multiply, EveryVariantIsNearTheReference) {
  Random random(7);
  for (int i = 0; i < 8; ++i) {
    const auto any = [&](uint64_t most) { return static_cast<int64_t>(1 + random.below(most)); };
    const int64_t m = any(79), n = any(149), k = any(399);
    EXPECT_LT(testing::worst_error(m, n, k, random), 1e-5) << m << " x " << n << " x " << k;
  }
}

TEST(Multiply, AccumulateAddsToWhatIsThere) {
  Random random(1);
  Workers workers(2, false);
  const std::vector<float> x = normal_values(5 * 96, random), w = normal_values(45 * 96, random);
  for (WeightFormat format : kFormats) {
    for (Isa isa : available_isas()) {
      const PackedMatrix packed = pack(format, isa, 45, 96, w, workers);
      const std::vector<float> alone = product(x, packed, isa, 5, workers);
      std::vector<float> added = product(x, packed, isa, 5, workers, true, 2.5F);
      for (size_t i = 0; i < added.size(); ++i) EXPECT_EQ(added[i], 2.5F + alone[i]);
    }
  }
}

// Batch sizes around the edges of blocks, jobs and pieces; k longer than a part of a panel.
TEST(Multiply, ARowsBitsDependOnNothingButTheRow) {
  Random random(2);
  const int64_t n = 70, m = 70;
  Workers one(1, false), two(2, false), three(3, false);
  for (int64_t k : {64, 2240}) {
    const std::vector<float> x = normal_values(m * k, random), w = normal_values(n * k, random);
    for (WeightFormat format : kFormats) {
      for (Isa isa : available_isas()) {
        const PackedMatrix packed = pack(format, isa, n, k, w, two);
        const std::vector<float> all = product(x, packed, isa, m, two);
        EXPECT_TRUE(same_bits(all, product(x, packed, isa, m, one)));
        EXPECT_TRUE(same_bits(all, product(x, packed, isa, m, three)));
        for (const auto& [first, rows] :
             {std::pair{0, 1}, {69, 1}, {13, 2}, {3, 9}, {7, 16}, {20, 17}, {1, 33}, {5, 64}}) {
          const std::vector<float> some(x.begin() + first * k, x.begin() + (first + rows) * k);
          const std::vector<float> expected(all.begin() + first * n,
                                            all.begin() + (first + rows) * n);
          EXPECT_TRUE(same_bits(expected, product(some, packed, isa, rows, two)))
              << format_name(format) << " " << isa_name(isa) << " k " << k << ": " << rows
              << " rows from " << first;
        }
      }
    }
  }
}

TEST(Multiply, IntegerFormatsGiveTheSameBitsOnEveryInstructionSet) {
  Random random(3);
  Workers workers(2, false);
  const int64_t m = 40, n = 50, k = 1100;
  const std::vector<float> x = normal_values(m * k, random), w = normal_values(n * k, random);
  for (WeightFormat format : {WeightFormat::kInt8, WeightFormat::kInt4}) {
    const PackedMatrix packed = pack(format, Isa::kPortable, n, k, w, workers);
    const std::vector<float> expected = product(x, packed, Isa::kPortable, m, workers);
    for (Isa isa : available_isas()) {
      EXPECT_TRUE(same_bits(expected, product(x, packed, isa, m, workers))) << isa_name(isa);
    }
  }
}

TEST(Multiply, LargestSumsDoNotOverflow) {
  Workers workers(2, false);
  const int64_t k = PackedMatrix::kLargestK;
  const std::vector<float> x(static_cast<size_t>(k), 1.0F);
  std::vector<float> w(static_cast<size_t>(2 * k), 1.0F);
  std::fill(w.begin() + k, w.end(), -1.0F);
  for (Isa isa : available_isas()) {
    const PackedMatrix packed = pack(WeightFormat::kInt8, isa, 2, k, w, workers);
    const std::vector<float> y = product(x, packed, isa, 1, workers);
    EXPECT_NEAR(y[0] / static_cast<float>(k), 1, 1e-5) << isa_name(isa);
    EXPECT_NEAR(y[1] / static_cast<float>(k), -1, 1e-5) << isa_name(isa);
  }
}

TEST(Multiply, ExpertsGiveTheBitsOfOneProductEach) {
  Random random(4);
  const int64_t m = 90, n = 60, k = 160;
  const std::vector<float> x = normal_values(m * k, random);
  Workers workers(3, false);
  for (WeightFormat format : kFormats) {
    for (Isa isa : available_isas()) {
      std::vector<PackedMatrix> matrices;
      std::vector<std::vector<int32_t>> sources, destinations;
      int32_t next = 0;
      for (int64_t rows : {3, 0, 70, 1, 0, 17}) {
        matrices.push_back(pack(format, isa, n, k, normal_values(n * k, random), workers));
        sources.emplace_back();
        destinations.emplace_back();
        for (int64_t i = 0; i < rows; ++i) {
          sources.back().push_back(static_cast<int32_t>(random.below(m)));
          destinations.back().push_back(next++);
        }
      }
      std::vector<ExpertRows> experts;
      for (size_t e = 0; e < matrices.size(); ++e) {
        experts.push_back({&matrices[e], sources[e], destinations[e]});
      }
      Activations activations;
      activations.set(x.data(), m, k, k, format, isa, workers);
      std::vector<float> y(static_cast<size_t>(next * n));
      multiply_experts(experts, activations, {.y = y.data(), .stride = n}, workers);
      for (size_t e = 0; e < matrices.size(); ++e) {
        const std::vector<float> all = product(x, matrices[e], isa, m, workers);
        for (size_t i = 0; i < sources[e].size(); ++i) {
          EXPECT_EQ(std::memcmp(y.data() + destinations[e][i] * n, all.data() + sources[e][i] * n,
                                static_cast<size_t>(n) * sizeof(float)),
                    0)
              << format_name(format) << " " << isa_name(isa) << " expert " << e << " row " << i;
        }
      }
    }
  }
}

// What quantisation costs, on normal values: the error of y over its size.
TEST(Multiply, QuantisationErrorsAreWithinTheirBounds) {
  Random random(5);
  Workers workers(2, false);
  const int64_t m = 16, n = 64, k = 1024;
  const std::vector<float> x = normal_values(m * k, random), w = normal_values(n * k, random);
  const std::vector<double> exact = reference::multiply(x, w, m, n, k);
  const double size = std::sqrt(std::inner_product(exact.begin(), exact.end(), exact.begin(), 0.0));
  for (const auto& [format, bound] : {std::pair{WeightFormat::kF32, 1e-6},
                                      {WeightFormat::kBf16, 0.003},
                                      {WeightFormat::kInt8, 0.013},
                                      {WeightFormat::kInt4, 0.115}}) {
    const PackedMatrix packed = pack(format, best_isa(), n, k, w, workers);
    const std::vector<float> y = product(x, packed, best_isa(), m, workers);
    double error = 0;
    for (size_t i = 0; i < y.size(); ++i) error += (y[i] - exact[i]) * (y[i] - exact[i]);
    EXPECT_LT(std::sqrt(error) / size, bound) << format_name(format);
    RecordProperty(std::string(format_name(format)), std::to_string(std::sqrt(error) / size));
  }
}

// SwiGLU's inner layer and a bias, stored with the product, against the product stored plainly.
RC_GTEST_PROP(Multiply, SiluMulAndBiasAreThoseOfThePlainProduct, ()) {
  const int64_t width = 16 * *rc::gen::inRange<int64_t>(1, 6), n = 2 * width;
  const int64_t k = *rc::gen::inRange<int64_t>(1, 200), m = *rc::gen::inRange<int64_t>(1, 40);
  const WeightFormat format =
      *rc::gen::elementOf(std::vector(std::begin(kFormats), std::end(kFormats)));
  Random random(*rc::gen::arbitrary<uint64_t>());
  const std::vector<float> x = normal_values(m * k, random), w = normal_values(n * k, random);
  const std::vector<float> bias = normal_values(n, random);
  Workers workers(2, false);
  for (Isa isa : available_isas()) {
    const PackedMatrix packed = pack(format, isa, n, k, w, workers);
    const std::vector<float> plain = product(x, packed, isa, m, workers);
    Activations activations;
    activations.set(x.data(), m, k, k, format, isa, workers);
    std::vector<float> y(static_cast<size_t>(m * width));
    multiply(packed, activations, {y.data(), width, Epilogue::kSiluMul, bias.data()}, workers);
    for (int64_t i = 0; i < m; ++i) {
      std::vector<float> gate_up(static_cast<size_t>(n));
      for (int64_t r = 0; r < n; ++r) {
        const InterleavedRow row = interleaved_row(r);
        gate_up[static_cast<size_t>((row.is_up ? width : 0) + row.index)] =
            plain[static_cast<size_t>(i * n + r)] + bias[static_cast<size_t>(r)];
      }
      const std::vector<float> expected = reference::silu_mul(gate_up);
      for (int64_t j = 0; j < width; ++j) {
        const float got = y[static_cast<size_t>(i * width + j)];
        const float want = expected[static_cast<size_t>(j)];
        RC_ASSERT(std::abs(got - want) <= 1e-6F * std::abs(want) + 1e-30F);
      }
    }
  }
}

TEST(Multiply, BiasIsAddedToEveryColumnOfAnyNumber) {
  Random random(9);
  Workers workers(2, false);
  const int64_t m = 3, k = 40;
  for (int64_t n : {1, 15, 16, 17, 33, 64}) {
    const std::vector<float> x = normal_values(m * k, random), w = normal_values(n * k, random);
    const std::vector<float> bias = normal_values(n, random);
    const PackedMatrix packed = pack(WeightFormat::kInt8, best_isa(), n, k, w, workers);
    const std::vector<float> plain = product(x, packed, best_isa(), m, workers);
    Activations activations;
    activations.set(x.data(), m, k, k, WeightFormat::kInt8, best_isa(), workers);
    std::vector<float> y(static_cast<size_t>(m * n), 0.5F);
    multiply(packed, activations, {y.data(), n, Epilogue::kAdd, bias.data()}, workers);
    for (size_t i = 0; i < y.size(); ++i) {
      EXPECT_EQ(y[i], 0.5F + (plain[i] + bias[i % static_cast<size_t>(n)]));
    }
  }
}

TEST(Activations, NotANumberIsNotLost) {
  Workers workers(1, false);
  std::vector<float> x(130, 1.0F), w(130, 1.0F);
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    x[77] = bad;
    for (WeightFormat format : kFormats) {
      for (Isa isa : available_isas()) {
        const PackedMatrix packed = pack(format, isa, 1, 130, w, workers);
        EXPECT_FALSE(std::isfinite(product(x, packed, isa, 1, workers)[0]))
            << format_name(format) << " " << isa_name(isa) << " " << bad;
      }
    }
  }
}

RC_GTEST_PROP(PackedMatrix, HoldsWhatTheReferenceSays, ()) {
  const int64_t n = *rc::gen::inRange<int64_t>(1, 70), k = *rc::gen::inRange<int64_t>(1, 400);
  Random random(*rc::gen::arbitrary<uint64_t>());
  const std::vector<float> w = normal_values(n * k, random);
  Workers workers(2, false);
  for (WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16, WeightFormat::kInt8}) {
    const PackedMatrix packed = pack(format, best_isa(), n, k, w, workers);
    RC_ASSERT(read_rows(packed) == reference::through_format(w, n, k, format));
  }
}

RC_GTEST_PROP(PackedMatrix, Int4ScalesAreNearlyTheBest, ()) {
  const int64_t k = *rc::gen::inRange<int64_t>(32, 600);
  Random random(*rc::gen::arbitrary<uint64_t>());
  std::vector<float> w = normal_values(k, random);
  for (int64_t i = 0; i < k / 50; ++i) w[random.below(static_cast<uint64_t>(k))] *= 4;
  Workers workers(1, false);
  const std::vector<float> held =
      read_rows(pack(WeightFormat::kInt4, best_isa(), 1, k, w, workers));
  double error = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    error += (double{held[i]} - w[i]) * (double{held[i]} - w[i]);
  }
  // Four scales are tried of fifteen.
  RC_ASSERT(error <= 1.2 * reference::least_int4_error(w) + 1e-9);
}

TEST(PackedMatrix, SaysWhenAWeightIsNotFinite) {
  Workers workers(2, false);
  std::vector<float> w(40 * 50, 1.0F);
  w[1777] = NAN;
  for (WeightFormat format : kFormats) {
    EXPECT_FALSE(pack(format, best_isa(), 40, 50, w, workers).finite()) << format_name(format);
  }
}

TEST(PackedMatrix, BytesDoNotDependOnTheInstructionSetAndComeBack) {
  Random random(6);
  Workers workers(2, false);
  const std::vector<float> w = normal_values(45 * 200, random);
  for (WeightFormat format : kFormats) {
    const PackedMatrix packed = pack(format, Isa::kPortable, 45, 200, w, workers);
    const auto bytes = packed.serialized();
    for (Isa isa : available_isas()) {
      const PackedMatrix other = pack(format, isa, 45, 200, w, workers);
      EXPECT_TRUE(std::ranges::equal(bytes, other.serialized())) << isa_name(isa);
    }
    const Result<PackedMatrix> back = PackedMatrix::from_bytes(bytes);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_TRUE(std::ranges::equal(bytes, back->serialized()));
    EXPECT_EQ(back->format(), format);
    EXPECT_EQ(back->n(), 45);
    EXPECT_EQ(back->k(), 200);
  }
}

TEST(PackedMatrix, DamagedBytesAreRefusedWithASentence) {
  Workers workers(1, false);
  const PackedMatrix packed =
      pack(WeightFormat::kInt8, best_isa(), 3, 5, std::vector<float>(15, 1.0F), workers);
  const std::vector<std::byte> good(packed.serialized().begin(), packed.serialized().end());
  const auto message = [&](size_t at, int value) {
    std::vector<std::byte> bad = good;
    bad[at] = static_cast<std::byte>(value);
    const Result<PackedMatrix> result = PackedMatrix::from_bytes(bad);
    return result.ok() ? std::string("accepted") : result.error().message;
  };
  EXPECT_EQ(message(0, 'x'), "packed matrix: does not begin with \"weftpack\"");
  EXPECT_EQ(message(8, 9), "packed matrix: layout version 9, expected 1");
  EXPECT_EQ(message(12, 4), "packed matrix: format 4, expected 0 to 3");
  EXPECT_NE(message(23, 0x80).find("expected 1 to 2^31 - 1"), std::string::npos);
  EXPECT_NE(message(16, 33).find("for 33 x 5 in int8"), std::string::npos);
  const Result<PackedMatrix> cut = PackedMatrix::from_bytes(std::span(good).first(good.size() - 1));
  ASSERT_FALSE(cut.ok());
  EXPECT_NE(cut.error().message.find("for 3 x 5 in int8"), std::string::npos);
  EXPECT_FALSE(PackedMatrix::from_bytes(std::span(good).first(63)).ok());
}

}  // namespace
}  // namespace weft
