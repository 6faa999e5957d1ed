// Coordinate search over a few constants at a time; the cost model itself says what they come to.
#include "apps/kernel_fit.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "cost/attention_layers.h"
#include "cost/step_model.h"

namespace weft {

namespace {

constexpr double kLeastStep = 1.002;

double clamped(const FitParameter& parameter, double value) {
  return std::clamp(value, parameter.least, parameter.most);
}

}  // namespace

double fit(std::span<const FitParameter> parameters, const std::function<double()>& error) {
  double best = error();
  double step = 2;
  while (step > kLeastStep) {
    bool moved = false;
    for (const FitParameter& parameter : parameters) {
      const double at = *parameter.value;
      // What is 0 cannot grow by a factor.
      const double seed = std::max(at, 1e-3 * parameter.most);
      for (const double tried : {seed * step, at / step, parameter.least}) {
        const double before = *parameter.value;
        *parameter.value = clamped(parameter, tried);
        const double now = error();
        if (now < best) {
          moved = moved || now < best * (1 - 1e-6);
          best = now;
        } else {
          *parameter.value = before;
        }
      }
    }
    if (!moved) step = std::sqrt(step);
  }
  return best;
}

double log_error(std::span<const double> predicted, std::span<const double> measured) {
  double sum = 0;
  for (size_t i = 0; i < predicted.size(); ++i) {
    const double off = std::log(predicted[i] / measured[i]);
    sum += off * off;
  }
  return std::sqrt(sum / static_cast<double>(predicted.size()));
}

ProductFit fit_products(std::span<const ProductPoint> points, double weight_bytes,
                        double activation_bytes, const GemmPeaks& peaks) {
  std::vector<double> measured;
  for (const ProductPoint& p : points) measured.push_back(p.seconds + p.rounding_seconds);
  GemmConstants c;
  const auto error = [&] {
    std::vector<double> predicted;
    for (const ProductPoint& p : points) {
      GemmShape shape{p.n, p.k};
      shape.weight_bytes = weight_bytes;
      shape.activation_bytes = activation_bytes;
      predicted.push_back(GemmPlan(shape, c, peaks).seconds(p.m));
    }
    return log_error(predicted, measured);
  };
  const std::array<FitParameter, 4> parameters = {{{&c.floor_us, 0, 200},
                                                   {&c.memory_share, 0.02, 1},
                                                   {&c.compute_share, 0.02, 1},
                                                   {&c.passes, 0, 100}}};
  ProductFit best;
  best.error = 1e30;
  for (const double tile_rows : {1.0, 4.0, 16.0, 32.0, 64.0}) {
    for (const double share : {0.1, 0.3, 0.9}) {
      c = {};
      c.tile_rows = tile_rows;
      c.floor_us = 2;
      c.memory_share = 0.8;
      c.compute_share = share;
      c.passes = 1;
      const double reached = fit(parameters, error);
      if (reached < best.error) best = {c, reached};
    }
  }
  return best;
}

void set_attention(Chip& chip, AttentionKind kind, Format kv, const AttentionFitted& fitted) {
  const size_t column = kv == Format::kBf16 ? 0 : 1;
  AttentionConstants& all = chip.kernels.attention;
  const auto set = [&](std::initializer_list<PrefillKernel> prefills,
                       std::initializer_list<DecodeKernel> decodes) {
    for (const PrefillKernel kernel : prefills) {
      auto& slot = all.prefills[static_cast<size_t>(kernel)][column];
      slot.constants = fitted.prefill;
      slot.eight_bit_math = false;
    }
    for (const DecodeKernel kernel : decodes) {
      auto& slot = all.decodes[static_cast<size_t>(kernel)][column];
      slot.constants = fitted.decode;
      slot.eight_bit_math = false;
    }
  };
  if (kind == AttentionKind::kMla) {
    set({PrefillKernel::kMla}, {DecodeKernel::kMla});
  } else {
    set({PrefillKernel::kGqa}, {DecodeKernel::kGqa, DecodeKernel::kMha, DecodeKernel::kGqaNarrow});
  }
}

AttentionFitted fit_attention(std::span<const AttentionPoint> points, const ModelShape& model,
                              const System& system, Format kv) {
  System trial = system;
  InstanceLayout layout;
  layout.precision.kv = kv;
  AttentionFitted out;
  out.prefill.compute_share = 0.3;
  out.decode.memory_share = 0.5;
  out.prefill.passes = 2;
  const auto error_of = [&](bool prefills) {
    set_attention(trial.chip, model.attention, kv, out);
    const AttentionLayers layers(model, trial, layout);
    std::vector<double> predicted, measured;
    for (const AttentionPoint& p : points) {
      if ((p.load.prefill_tokens > 0) != prefills) continue;
      predicted.push_back(layers.seconds(p.load, 1) / model.layers);
      measured.push_back(p.seconds + p.writing_seconds);
    }
    return log_error(predicted, measured);
  };
  const std::array<FitParameter, 4> prefill = {{{&out.prefill.floor_us, 0, 500},
                                                {&out.prefill.compute_share, 0.001, 1},
                                                {&out.prefill.passes, 1, 1000},
                                                {&out.prefill.tile_us, 0, 1000}}};
  out.prefill_error = 1e30;
  const AttentionPrefillConstants unknown = out.prefill;
  AttentionPrefillConstants best = unknown;
  for (const double share : {0.02, 0.1, 0.5}) {
    out.prefill = unknown;
    out.prefill.compute_share = share;
    const double reached = fit(prefill, [&] { return error_of(true); });
    if (reached >= out.prefill_error) continue;
    out.prefill_error = reached;
    best = out.prefill;
  }
  out.prefill = best;
  const std::array<FitParameter, 3> decode = {{{&out.decode.floor_us, 0, 500},
                                               {&out.decode.memory_share, 0.001, 1},
                                               {&out.decode.item_us, 0, 1000}}};
  out.decode_error = fit(decode, [&] { return error_of(false); });
  return out;
}

void fit_steps(std::span<const StepPoint> points, const ModelShape& model,
               const InstanceLayout& layout, GemmKind kind, StepFit& fitted) {
  constexpr double kLeastOfAlone = 0.6;  // less would be another kernel than the one that was timed
  Chip& chip = fitted.system.chip;
  GemmConstants& products = chip.kernels.gemm.fits[static_cast<size_t>(kind)].constants;
  AttentionDecodeConstants& decode = fitted.attention.decode;
  const auto share_of = [](double& share) {
    return FitParameter{&share, kLeastOfAlone * share, share};
  };
  const std::array<FitParameter, 5> parameters = {
      {{&fitted.engine.costs.small_kernel, 0, 10e-6},
       {&fitted.engine.costs.products_share, kLeastOfAlone, 1},
       {&products.passes, products.passes, 1000},
       share_of(products.memory_share),
       share_of(decode.memory_share)}};
  fitted.engine.costs.small_kernel = 1e-6;
  fitted.error = fit(parameters, [&] {
    set_attention(chip, model.attention, layout.precision.kv, fitted.attention);
    const StepModel step(model, fitted.system, layout, fitted.engine);
    std::vector<double> predicted, measured;
    for (const StepPoint& p : points) {
      predicted.push_back(to_seconds(step.time({&p.load, 1})));
      measured.push_back(p.seconds);
    }
    return log_error(predicted, measured);
  });
  set_attention(chip, model.attention, layout.precision.kv, fitted.attention);
}

}  // namespace weft
