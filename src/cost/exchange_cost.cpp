// Copies on each link, the cores' work, and the lines they make.
#include "cost/exchange_cost.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace weft {
namespace {

constexpr double kHeader = 16;            // DeepEP: where the token came from
constexpr double kCloudMatrixSlot = 512;  // CM section 4.2.1: a 4-byte scale in an aligned slot

double others(double n) { return (n - 1) / n; }
int doublings(int n) { return std::bit_width(static_cast<unsigned>(std::max(1, n) - 1)); }

struct Reach {
  int inside = 1;  // dies of the group in one domain
  int domains = 1;
};

Reach reach_of(const System& system, int dies) {
  const int domain = std::max(1, system.scale_up_packages * system.chip.dies);
  return {std::min(dies, domain), static_cast<int>(ceil_div(dies, domain))};
}

// Distinct targets of `copies` among n.
double distinct(double n, int copies, bool is_even) {
  if (is_even) return std::min(n, static_cast<double>(copies));
  double missed = 1;
  for (int copy = 0; copy < copies; ++copy) missed *= others(n);
  return n * (1 - missed);
}

// Low-latency kernels take a core for every expert, or every few when there are more.
double workers(const ExchangeConstants& constants, const ExchangeRoute& route) {
  const bool is_normal = route.software == ExchangeSoftware::kDeepEpNormal;
  if (is_normal) return route.cores > 0 ? route.cores : constants.normal_cores;
  if (route.software != ExchangeSoftware::kDeepEpLowLatency) return 1;
  const double groups = std::ceil(route.experts / constants.cores);
  return std::ceil(route.experts / groups);
}

ExchangePlan plan(const System& system, const ExchangeConstants& constants,
                  const ExchangeKernelConstants& kernel, const ExchangeRoute& route, double row) {
  if (route.dies <= 1) return {};
  const Reach reach = reach_of(system, route.dies);
  const ExchangeCopies copies = exchange_copies(system, route);
  const double wire = system.scale_up.wire();
  const double share = std::min(kernel.share, kernel.peer_share * std::max(1, reach.inside - 1));
  const double inside = copies.inside * row / (wire * share);
  const double outside = copies.outside * row / (system.scale_out.wire() * kernel.out_share);
  double work = kernel.token + row * (copies.all * kernel.copy + kernel.row);
  if (reach.domains > 1) work += row * copies.domains * kernel.out_copy;
  work /= workers(constants, route);
  const double transfer = std::max(inside, outside);

  ExchangePlan out;
  out.fixed = kernel.start + kernel.fill * row + kernel.per_expert * route.experts +
              kernel.per_doubling * doublings(route.dies);
  if (reach.domains > 1 || route.is_out_only) {
    out.fixed += kernel.out_start + kernel.out_per_doubling * doublings(reach.domains);
  }
  out.per_token = std::max(work, transfer) + kernel.exposed * std::min(work, transfer);
  out.busy_fixed = out.fixed;
  out.busy_per_token = route.software == ExchangeSoftware::kDeepEpLowLatency ? work : out.per_token;
  out.busy_per_token = std::min(out.busy_per_token, out.per_token);
  return out;
}

}  // namespace

ExchangeCopies exchange_copies(const System& system, const ExchangeRoute& route) {
  const Reach reach = reach_of(system, route.dies);
  const double n = route.dies;
  const double all = route.copies;
  switch (route.software) {
    case ExchangeSoftware::kDeepEpLowLatency:
      if (route.is_out_only) return {all, 0, all * others(n)};
      return {all, all * (reach.inside - 1) / n, all * (n - reach.inside) / n};
    case ExchangeSoftware::kCloudMatrix:
      return {all, all * (reach.inside - 1) / n, all * (n - reach.inside) / n};
    case ExchangeSoftware::kTrtllmOneSided:
    case ExchangeSoftware::kTrtllmTwoSided: {
      const double dies = distinct(n, route.copies, route.is_even);
      return {dies, dies * (reach.inside - 1) / n, dies * (n - reach.inside) / n};
    }
    case ExchangeSoftware::kDeepEpNormal:
      break;
  }
  const double dies = distinct(n, route.copies, route.is_even);
  // Of the domains that a token goes to, its own is one with a domain's chance.
  const double domains =
      std::min(route.domain_limit, distinct(reach.domains, route.copies, route.is_even));
  return {dies, dies * others(reach.inside), domains * others(reach.domains), domains};
}

ExchangeRow exchange_row(ExchangeSoftware software, Format dispatch, double hidden) {
  const double combine = 2 * hidden;
  if (software == ExchangeSoftware::kCloudMatrix) return {hidden + kCloudMatrixSlot, combine};
  double row = 2 * hidden;
  if (dispatch == Format::kFp8 || dispatch == Format::kInt8) row = hidden + hidden / 128 * 4;
  if (dispatch == Format::kFp4) row = hidden / 2 + hidden / 16;
  const bool has_header = software == ExchangeSoftware::kDeepEpLowLatency;
  return {row + (has_header ? kHeader : 0), combine};
}

ExchangePlan plan_dispatch(const System& system, const ExchangeConstants& constants,
                           const ExchangeRoute& route, double row) {
  return plan(system, constants, constants.of(route.software).dispatch, route, row);
}

ExchangePlan plan_combine(const System& system, const ExchangeConstants& constants,
                          const ExchangeRoute& route, double row) {
  return plan(system, constants, constants.of(route.software).combine, route, row);
}

}  // namespace weft
