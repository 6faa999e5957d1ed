// catalog/chips, catalog/disks and catalog/networks. Files give figures per package, as vendors do;
// a Chip has them per die.
#include <fmt/format.h>

#include "hardware/figures.h"
#include "hardware/records.h"

namespace weft {
namespace {

constexpr double kGiga = 1e9;
constexpr double kTera = 1e12;
constexpr double kGibi = 1024.0 * 1024.0 * 1024.0;

struct RateKey {
  const char* key;
  Format format;
};
constexpr RateKey kRates[] = {
    {"bf16_tflops", Format::kBf16}, {"fp8_tflops", Format::kFp8}, {"int8_tops", Format::kInt8},
    {"int4_tops", Format::kInt4},   {"fp4_tflops", Format::kFp4}, {"fp32_tflops", Format::kFp32},
};

constexpr NumberRange kShare = {.min = 0, .max = 1, .exclusive_min = true};
constexpr NumberRange kPositive = {.min = 0, .exclusive_min = true};

template <class Thing>
void read_names(ConfigTable& root, Record<Thing>& record) {
  record.title = root.text("title");
  record.note = root.text("note", "");
}

// Constants of catalog/kernels, and what the file has itself.
void read_kernels(ConfigTable& root, const KernelsByChip& all, Chip& chip) {
  const std::string of = root.text("kernels", chip.name);
  const auto at = all.find(of);
  if (at == all.end()) {
    root.fail("kernels", fmt::format("found none for \"{}\", expected a chip of catalog/kernels, "
                                     "like kernels = \"h100\"",
                                     of));
    return;
  }
  chip.kernels = at->second;
  ChipKernels& own = chip.kernels;
  if (auto table = root.find_table("gemm")) {
    own.gemm = read_gemm_table(*table, chip.name, own.gemm);
  }
  if (auto table = root.find_table("experts")) {
    own.experts = read_gemm_table(*table, chip.name, own.experts);
  }
  if (auto table = root.find_table("attention")) {
    own.attention = read_attention_table(*table, chip.name, own.attention);
  }
}

}  // namespace

Result<ChipRecord> read_chip(ConfigTable root, const std::string& name,
                             const KernelsByChip& kernels) {
  ChipRecord record;
  FigureReader figures(std::move(root), &record.figures);
  read_names(figures.table(), record);
  record.server = figures.table().text("server", "");
  Chip& chip = record.thing;
  chip.name = name;
  chip.title = record.title;
  chip.dies = figures.integer("dies", {.min = 1, .max = 16});
  chip.cores = static_cast<double>(figures.integer("cores")) / chip.dies;
  chip.sustained = figures.number("sustained_share", 1.0, kShare);
  for (const RateKey& rate : kRates) {
    const double per_package = figures.number(rate.key, 0.0) * kTera;
    chip.matrix_ops[static_cast<size_t>(rate.format)] = per_package / chip.dies;
  }
  const bool is_binary = figures.has("memory_gib");  // as drivers count; vendors print GB
  const double memory = figures.number(is_binary ? "memory_gib" : "memory_gb", kPositive);
  chip.memory_bytes = memory * (is_binary ? kGibi : kGiga) / chip.dies;
  chip.memory_bandwidth = figures.number("memory_tb_per_s", kPositive) * kTera / chip.dies;
  chip.die_to_die_bandwidth = figures.number("die_to_die_gb_per_s", 0.0) * kGiga;
  chip.power_w = figures.number("power_w", 0.0);
  chip.idle_power_w = figures.number("idle_power_w", 0.0);
  chip.price_per_hour = figures.number("price_usd_per_hour", 0.0);
  read_kernels(figures.table(), kernels, chip);
  if (chip.formats_text().empty()) {
    figures.table().fail("bf16_tflops", "missing; expected a rate in at least one format");
  }
  if (auto error = figures.table().finish()) return *error;
  return record;
}

Result<Record<Disk>> read_disk(ConfigFile& file, const std::string& name) {
  Record<Disk> record;
  FigureReader figures(file.root(), &record.figures);
  read_names(figures.table(), record);
  Disk& disk = record.thing;
  disk.name = name;
  disk.capacity_bytes = figures.number("capacity_tb", 0.0) * kTera;
  disk.read_bandwidth = figures.number("read_gb_per_s", kPositive) * kGiga;
  disk.write_bandwidth = figures.number("write_gb_per_s", kPositive) * kGiga;
  disk.latency = seconds(figures.number("latency_us") * 1e-6);
  if (auto error = figures.table().finish()) return *error;
  return record;
}

Result<Record<Network>> read_network(ConfigFile& file, const std::string& name) {
  Record<Network> record;
  FigureReader figures(file.root(), &record.figures);
  read_names(figures.table(), record);
  Network& network = record.thing;
  network.name = name;
  network.title = record.title;
  network.link = figures.table().text("link");
  network.port_per_node = figures.has("node_gb_per_s");
  const double raw =
      figures.number(network.port_per_node ? "node_gb_per_s" : "gb_per_s", kPositive) * kGiga;
  network.raw_bandwidth = raw;
  network.port_bandwidth = raw * figures.number("efficiency", kShare);
  network.latency = seconds(figures.number("latency_us") * 1e-6);
  if (auto error = figures.table().finish()) return *error;
  return record;
}

}  // namespace weft
