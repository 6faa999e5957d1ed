// Reads catalog/kernels/collectives.toml and exchange.toml. A chip that is `like` another starts
// from that one's constants; what its own tables hold replaces them.
#include "hardware/link_constants.h"

#include <fmt/format.h>

#include <vector>

namespace weft {
namespace {

constexpr double kMicro = 1e-6;
constexpr NumberRange kTime = {.min = 0};
constexpr NumberRange kShareOrNone = {.min = 0, .max = 1};
constexpr double kKibi = 1024;

// Reads one table into members that hold the other chip's values, if there is one.
class Fields {
 public:
  Fields(ConfigTable table, bool has_base) : table_(std::move(table)), has_base_(has_base) {}

  void time(const char* key, double& member) {
    member = number(key, member / kMicro, kTime) * kMicro;
  }
  void share(const char* key, double& member) { member = number(key, member, kShareOrNone); }
  void per_byte(const char* key, double& member) {
    member = number(key, member / kMicro * kKibi, kTime) * kMicro / kKibi;
  }
  double number(const char* key, double base, NumberRange range) {
    return has_base_ ? table_.number(key, base, range) : table_.number(key, range);
  }

 private:
  ConfigTable table_;
  bool has_base_;
};

FittedRange read_range(ConfigTable& table, const char* key, FittedRange base) {
  if (!table.has(key)) return base;
  const std::vector<double> values = table.numbers(key);
  if (values.size() == 2 && values[0] <= values[1]) return {values[0], values[1]};
  table.fail(key, "expected two numbers, the smaller first");
  return base;
}

void read_ring(Fields& fields, const std::string& name, RingConstants& ring) {
  fields.share((name + "_low_share").c_str(), ring.low_share);
  fields.time((name + "_bulk_start_us").c_str(), ring.bulk_start);
  fields.share((name + "_bulk_share").c_str(), ring.bulk_share);
  fields.share((name + "_narrow").c_str(), ring.narrow);
}

void read_library(ConfigTable table, bool has_base, CollectiveConstants& constants) {
  Fields fields(std::move(table), has_base);
  fields.time("start_us", constants.start);
  fields.time("step_us", constants.step);
  read_ring(fields, "gather", constants.gather);
  read_ring(fields, "reduce", constants.reduce);
  fields.share("switch_share", constants.switch_share);
  fields.time("switch_start_us", constants.switch_start);
  constants.switch_dies =
      static_cast<int>(fields.number("switch_dies", constants.switch_dies, {.min = 0, .max = 1e6}));
  fields.time("pair_start_us", constants.pair_start);
  fields.share("pair_low_share", constants.pair_low_share);
  fields.time("pair_bulk_start_us", constants.pair_bulk_start);
  fields.share("pair_share", constants.pair_share);
  fields.share("send_low_share", constants.send_low_share);
  fields.time("send_bulk_start_us", constants.send_bulk_start);
  fields.share("send_share", constants.send_share);
  fields.time("out_start_us", constants.out_start);
  fields.share("out_share", constants.out_share);
}

void read_peer_kernel(ConfigTable table, bool has_base, PeerKernelConstants& kernel) {
  Fields fields(std::move(table), has_base);
  fields.time("start_us", kernel.start);
  fields.time("per_peer_us", kernel.per_peer);
  fields.share("one_shot_share", kernel.one_shot_share);
  fields.time("two_shot_start_us", kernel.two_shot_start);
  fields.share("two_shot_share", kernel.two_shot_share);
  kernel.limit_bytes = fields.number("limit_bytes", kernel.limit_bytes, {.min = 0});
}

void read_exchange_kernel(ConfigTable table, bool has_base, ExchangeKernelConstants& kernel) {
  Fields fields(std::move(table), has_base);
  fields.time("start_us", kernel.start);
  fields.time("per_expert_us", kernel.per_expert);
  fields.time("per_doubling_us", kernel.per_doubling);
  fields.time("out_start_us", kernel.out_start);
  fields.time("out_per_doubling_us", kernel.out_per_doubling);
  fields.share("share", kernel.share);
  fields.share("peer_share", kernel.peer_share);
  fields.share("out_share", kernel.out_share);
  fields.per_byte("copy_us_per_kib", kernel.copy);
  fields.per_byte("row_us_per_kib", kernel.row);
  fields.time("token_us", kernel.token);
  fields.per_byte("fill_us_per_kib", kernel.fill);
  fields.per_byte("out_copy_us_per_kib", kernel.out_copy);
  fields.share("exposed", kernel.exposed);
}

void read_chip(ConfigTable& table, bool has_base, CollectiveConstants& constants) {
  constants.range_bytes = read_range(table, "range_bytes", constants.range_bytes);
  constants.range_dies = read_range(table, "range_dies", constants.range_dies);
  if (!has_base || table.has("library")) {
    read_library(table.table("library"), has_base, constants);
  }
  if (!has_base || table.has("custom")) {
    read_peer_kernel(table.table("custom"), has_base, constants.custom);
  }
  if (!has_base || table.has("trtllm")) {
    read_peer_kernel(table.table("trtllm"), has_base, constants.trtllm);
  }
  const bool has_rate = constants.gather.low_share > 0 && constants.gather.bulk_share > 0 &&
                        constants.reduce.low_share > 0 && constants.reduce.bulk_share > 0 &&
                        constants.pair_low_share > 0 && constants.pair_share > 0 &&
                        constants.send_low_share > 0 && constants.send_share > 0 &&
                        constants.out_share > 0;
  if (!has_rate) table.fail("library", "a share is 0; expected more than 0 but for switch_share");
}

void read_chip(ConfigTable& table, bool has_base, ExchangeConstants& constants) {
  constants.range_tokens = read_range(table, "range_tokens", constants.range_tokens);
  constants.range_dies = read_range(table, "range_dies", constants.range_dies);
  constants.range_experts = read_range(table, "range_experts", constants.range_experts);
  constants.range_hidden = read_range(table, "range_hidden", constants.range_hidden);
  constexpr NumberRange kCores = {.min = 1, .max = 4096};
  constants.cores =
      has_base ? table.number("cores", constants.cores, kCores) : table.number("cores", kCores);
  constants.normal_cores = has_base ? table.number("normal_cores", constants.normal_cores, kCores)
                                    : table.number("normal_cores", kCores);
  for (int i = 0; i < kExchangeSoftwares; ++i) {
    const auto kind = static_cast<ExchangeSoftware>(i);
    const bool had = has_base && constants.has(kind);
    ExchangePair& pair = constants.software[i];
    const std::string dispatch = fmt::format("{}_dispatch", exchange_software_name(kind));
    const std::string combine = fmt::format("{}_combine", exchange_software_name(kind));
    if (!table.has(dispatch) && !table.has(combine)) continue;
    if (!had || table.has(dispatch))
      read_exchange_kernel(table.table(dispatch), had, pair.dispatch);
    if (!had || table.has(combine)) read_exchange_kernel(table.table(combine), had, pair.combine);
    for (const ExchangeKernelConstants* kernel : {&pair.dispatch, &pair.combine}) {
      if (kernel->share <= 0 || kernel->peer_share <= 0 || kernel->out_share <= 0) {
        table.fail(dispatch, "share, peer_share and out_share must be more than 0");
      }
    }
  }
  if (!constants.has(constants.nearest(ExchangeSoftware::kDeepEpLowLatency))) {
    table.fail("cores", "the chip has no software's tables; expected some, or like = \"CHIP\"");
  }
}

template <class Constants>
Result<std::map<std::string, Constants>> read_all(ConfigFile& file) {
  std::map<std::string, Constants> out;
  ConfigTable root = file.root();
  // Chips with constants of their own first, then those that stand on them.
  for (const bool takes_like : {false, true}) {
    for (const std::string& name : root.keys()) {
      ConfigTable table = root.table(name);
      const std::string like = table.text("like", "");
      if (like.empty() == takes_like) continue;
      Constants constants;
      if (takes_like) {
        const auto base = out.find(like);
        if (base == out.end() || !base->second.like.empty()) {
          table.fail("like", fmt::format("\"{}\" has no constants of its own in this file", like));
          continue;
        }
        constants = base->second;
      }
      constants.like = like;
      constants.grade = table.text("grade");
      constants.source = table.text("source");
      read_chip(table, takes_like, constants);
      out[name] = constants;
    }
  }
  if (auto error = root.finish()) return *error;
  return out;
}

}  // namespace

const char* exchange_software_name(ExchangeSoftware software) {
  switch (software) {
    case ExchangeSoftware::kDeepEpLowLatency:
      return "deepep_low_latency";
    case ExchangeSoftware::kDeepEpNormal:
      return "deepep_normal";
    case ExchangeSoftware::kTrtllmOneSided:
      return "trtllm_one_sided";
    case ExchangeSoftware::kTrtllmTwoSided:
      return "trtllm_two_sided";
    case ExchangeSoftware::kCloudMatrix:
      return "cloudmatrix";
  }
  return "";
}

ExchangeSoftware ExchangeConstants::nearest(ExchangeSoftware wanted) const {
  if (has(wanted)) return wanted;
  for (int i = 0; i < kExchangeSoftwares; ++i) {
    if (has(static_cast<ExchangeSoftware>(i))) return static_cast<ExchangeSoftware>(i);
  }
  return wanted;
}

Result<std::map<std::string, CollectiveConstants>> read_collective_constants(ConfigFile& file) {
  return read_all<CollectiveConstants>(file);
}

Result<std::map<std::string, ExchangeConstants>> read_exchange_constants(ConfigFile& file) {
  return read_all<ExchangeConstants>(file);
}

}  // namespace weft
