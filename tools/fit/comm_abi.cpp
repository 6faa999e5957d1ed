// The cost model's communication formulas for comm.py: arrays in, seconds out. A struct's
// constants come as doubles in the order of its members.
#include "cost/collective_cost.h"
#include "cost/exchange_cost.h"

namespace {

using namespace weft;

// {wire, out wire, near us, far us, out us, packages per node, packages of a domain, dies}
System system_of(const double* link) {
  System system;
  system.scale_up.bandwidth = link[0];
  system.scale_out.bandwidth = link[1];
  system.scale_up.latency = seconds(link[2] * 1e-6);
  system.scale_up.latency_far = seconds(link[3] * 1e-6);
  system.scale_out.latency = system.scale_out.latency_far = seconds(link[4] * 1e-6);
  system.packages_per_node = static_cast<int>(link[5]);
  system.scale_up_packages = static_cast<int>(link[6]);
  system.chip.dies = static_cast<int>(link[7]);
  return system;
}

CollectivePlan plan_of(const System& system, const CollectiveConstants& c, int operation, int n) {
  switch (operation) {
    case 0:
      return plan_all_reduce(system, c, CollectiveSoftware::kLibrary, n);
    case 1:
      return plan_all_gather(system, c, n);
    case 2:
      return plan_reduce_scatter(system, c, n);
    case 3:
      return plan_all_to_all(system, c, n);
    case 4:
      return plan_send(system, c, n - 1);
    case 5:
      return plan_all_reduce(system, c, CollectiveSoftware::kCustom, n);
    default:
      return plan_all_reduce(system, c, CollectiveSoftware::kTrtllm, n);
  }
}

}  // namespace

extern "C" void weft_collective(const double* link, const double* constants, const int* operation,
                                const int* dies, const double* bytes, int count, double* out) {
  CollectiveConstants c;
  const double* doubles = constants;
  const auto take = [&doubles] { return *doubles++; };
  c.start = take();
  c.step = take();
  for (RingConstants* ring : {&c.gather, &c.reduce}) {
    ring->low_share = take();
    ring->bulk_start = take();
    ring->bulk_share = take();
    ring->narrow = take();
  }
  c.switch_share = take();
  c.switch_start = take();
  c.switch_dies = static_cast<int>(take());
  c.pair_start = take();
  c.pair_low_share = take();
  c.pair_bulk_start = take();
  c.pair_share = take();
  c.send_low_share = take();
  c.send_bulk_start = take();
  c.send_share = take();
  c.out_start = take();
  c.out_share = take();
  for (PeerKernelConstants* kernel : {&c.custom, &c.trtllm}) {
    kernel->start = take();
    kernel->per_peer = take();
    kernel->one_shot_share = take();
    kernel->two_shot_start = take();
    kernel->two_shot_share = take();
    kernel->limit_bytes = take();
  }
  const System system = system_of(link);
  for (int i = 0; i < count; ++i) {
    out[i] = plan_of(system, c, operation[i], dies[i]).seconds(bytes[i]);
  }
}

// shape: {software, dies, experts, copies, even, domain limit, cores, out only} a row.
extern "C" void weft_exchange(const double* link, const double* cores, const double* kernel,
                              const double* shape, const double* row, const double* tokens,
                              int count, double* out) {
  ExchangeConstants c;
  c.cores = cores[0];
  c.normal_cores = cores[1];
  ExchangeKernelConstants k;
  k.start = kernel[0];
  k.per_expert = kernel[1];
  k.per_doubling = kernel[2];
  k.out_start = kernel[3];
  k.out_per_doubling = kernel[4];
  k.share = kernel[5];
  k.peer_share = kernel[6];
  k.out_share = kernel[7];
  k.copy = kernel[8];
  k.row = kernel[9];
  k.token = kernel[10];
  k.fill = kernel[11];
  k.out_copy = kernel[12];
  k.exposed = kernel[13];
  for (ExchangePair& pair : c.software) pair.dispatch = k;
  const System system = system_of(link);
  for (int i = 0; i < count; ++i) {
    const double* s = shape + 8 * i;
    ExchangeRoute route;
    route.software = static_cast<ExchangeSoftware>(static_cast<int>(s[0]));
    route.dies = static_cast<int>(s[1]);
    route.experts = static_cast<int>(s[2]);
    route.copies = static_cast<int>(s[3]);
    route.is_even = s[4] > 0;
    route.domain_limit = s[5];
    route.cores = s[6];
    route.is_out_only = s[7] > 0;
    out[i] = plan_dispatch(system, c, route, row[i]).seconds(tokens[i]);
  }
}
