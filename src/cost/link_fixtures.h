// Constants of communication kernels for the tests of this folder, near those of the catalog.
#pragma once

#include "hardware/link_constants.h"

namespace weft::fixtures {

inline CollectiveConstants collective_constants() {
  CollectiveConstants c;
  c.start = 5e-6;
  c.step = 0.9e-6;
  c.gather = {0.36, 13e-6, 0.81, 0.7};
  c.reduce = {0.38, 13e-6, 0.86, 0.5};
  c.switch_share = 0.58;
  c.switch_start = 50e-6;
  c.switch_dies = 8;
  c.pair_start = 7e-6;
  c.pair_low_share = 0.014;
  c.pair_bulk_start = 6e-6;
  c.pair_share = 0.63;
  c.send_low_share = 0.3;
  c.send_bulk_start = 3e-6;
  c.send_share = 0.8;
  c.out_start = 2e-6;
  c.out_share = 0.7;
  c.custom = {2.3e-6, 0.15e-6, 0.68, 3.8e-6, 0.69, 16 << 20};
  c.trtllm = {2.7e-6, 0.09e-6, 0.63, 15e-6, 0.51, 32 << 20};
  return c;
}

inline ExchangeKernelConstants exchange_kernel(double start, double share) {
  ExchangeKernelConstants k;
  k.start = start;
  k.per_expert = 0.01e-6;
  k.per_doubling = 2e-6;
  k.out_start = 5e-6;
  k.out_per_doubling = 3e-6;
  k.share = share;
  k.out_share = 0.95;
  k.exposed = 0.3;
  return k;
}

inline ExchangeConstants exchange_constants() {
  ExchangeConstants c;
  c.cores = 132;
  c.normal_cores = 20;
  for (ExchangePair& pair : c.software) {
    pair.dispatch = exchange_kernel(10e-6, 0.6);
    pair.combine = exchange_kernel(12e-6, 0.5);
  }
  ExchangePair& normal = c.software[static_cast<int>(ExchangeSoftware::kDeepEpNormal)];
  for (ExchangeKernelConstants* kernel : {&normal.dispatch, &normal.combine}) {
    kernel->copy = 80e-12;
    kernel->out_copy = 40e-12;
  }
  c.software[static_cast<int>(ExchangeSoftware::kDeepEpLowLatency)].dispatch.token = 1.4e-6;
  return c;
}

}  // namespace weft::fixtures
