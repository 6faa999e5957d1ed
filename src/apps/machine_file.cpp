// Tables in the order in which a reader asks: the machine, its chip, kernels, the engine.
#include "apps/machine_file.h"

#include <fmt/format.h>

namespace weft {

namespace {

constexpr double kGiga = 1e9;
constexpr double kTera = 1e12;

class Text {
 public:
  explicit Text(const std::string& machine) : machine_(machine) {}

  void line(const std::string& text) { out_ += text + "\n"; }
  void measured(const char* key, double value) { figure(key, value, "fitted", machine_); }
  void assumed(const char* key, double value, const char* why) { figure(key, value, "U", why); }
  void flag(const char* key, bool value) {
    line(fmt::format("{} = {{ value = {}, grade = \"C\", source = \"src/engine\" }}", key, value));
  }
  void number(const char* key, double value) { line(fmt::format("{} = {:.6g}", key, value)); }
  void range(const char* key, double least, double most) {
    line(fmt::format("{} = [{:.0f}, {:.0f}]", key, least, most));
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void figure(const char* key, double value, const char* grade, const std::string& source) {
    line(fmt::format("{} = {{ value = {:.6g}, grade = \"{}\", source = \"{}\" }}", key, value,
                     grade, source));
  }

  std::string machine_;
  std::string out_;
};

void write_system(const Calibration& c, Text& out) {
  out.line(
      "# Written by `weft bench engine --calibrate`: this machine, and weft's own engine on it.");
  out.line("# hardware = \"THIS FILE\" in a scenario or case; the engine is \"weft\".");
  out.line(fmt::format("title = \"{}\"", c.system.title));
  out.line(fmt::format("note = \"timed with the shapes of {}; steps within {:.1f} %\"", c.model,
                       100 * c.step_error));
  for (const char* key : {"packages", "packages_per_node", "scale_up_packages"}) {
    out.measured(key, 1);
  }
  out.measured("host_memory_gib", c.system.host_memory_bytes / (1024.0 * 1024 * 1024));
  out.measured("host_port_gb_per_s", c.system.chip.memory_bandwidth / kGiga);
}

void write_links(const Calibration& c, Text& out) {
  for (const char* link : {"scale_up", "host"}) {
    out.line(fmt::format("\n[{}]", link));
    out.line("name = \"memory\"");
    out.assumed("gb_per_s", c.system.chip.memory_bandwidth / kGiga, "copies within the machine");
    out.assumed("efficiency", 0.5, "a copy reads and writes");
    out.assumed("latency_us", 1, "assumed");
  }
  out.line("\n[scale_out]\nnetwork = \"ethernet-25g\"");
}

void write_chip(const Calibration& c, Text& out) {
  const Chip& chip = c.system.chip;
  out.line("\n[chip]");
  out.line(fmt::format("title = \"{}\"", chip.title));
  out.line(
      "kernels = \"h100\"  # for what was not timed: collectives, and formats it does not run");
  out.measured("dies", 1);
  out.measured("cores", chip.cores);
  out.measured("bf16_tflops", chip.ops(Format::kBf16) / kTera);
  out.measured("int8_tops", chip.ops(Format::kInt8) / kTera);
  out.measured("memory_gb", chip.memory_bytes / kGiga);
  out.measured("memory_tb_per_s", chip.memory_bandwidth / kTera);
}

void write_products(const Calibration& c, const CalibratedProducts& p, const char* family,
                    Text& out) {
  const GemmConstants& fit = c.system.chip.kernels.gemm.of(p.kind).constants;
  out.line(fmt::format("\n[chip.{}.{}]", family, p.name));
  out.number("floor_us", fit.floor_us);
  out.number("memory_share", fit.memory_share);
  out.number("compute_share", fit.compute_share);
  out.number("edge", fit.edge);
  out.number("fill_us", fit.fill_us);
  out.number("passes", fit.passes);
  out.number("tile_rows", fit.tile_rows);
  out.line(fmt::format("source = \"timed here, {:.1f} % off in the root mean square\"",
                       100 * p.fit.error));
  out.range("range_m", p.range.least_m, p.range.most_m);
  out.range("range_n", p.range.least_n, p.range.most_n);
  out.range("range_k", p.range.least_k, p.range.most_k);
}

void write_origin(double error, const TimedRange& range, Text& out) {
  out.line(
      fmt::format("source = \"timed here, {:.1f} % off in the root mean square\"", 100 * error));
  out.range("range_sequences", range.least_m, range.most_m);
  out.range("range_keys", range.least_n, range.most_n);
}

void write_attention(const Calibration& c, const CalibratedAttention& a, Text& out) {
  const char* kv = a.kv == Format::kBf16 ? "bf16" : "fp8";
  const bool mla = c.attention_kind == AttentionKind::kMla;
  out.line(fmt::format("\n[chip.attention.{}_prefill.{}]", mla ? "mla" : "gqa", kv));
  out.number("floor_us", a.fit.prefill.floor_us);
  out.number("compute_share", a.fit.prefill.compute_share);
  out.number("softmax_ops", a.fit.prefill.softmax_ops);
  out.number("passes", a.fit.prefill.passes);
  out.number("tile_us", a.fit.prefill.tile_us);
  out.number("longest_share", a.fit.prefill.longest_share);
  write_origin(a.fit.prefill_error, a.prefill, out);
  const std::vector<const char*> decodes =
      mla ? std::vector<const char*>{"mla"} : std::vector<const char*>{"gqa", "mha", "gqa_narrow"};
  for (const char* kernel : decodes) {
    out.line(fmt::format("\n[chip.attention.{}_decode.{}]", kernel, kv));
    out.number("floor_us", a.fit.decode.floor_us);
    out.number("memory_share", a.fit.decode.memory_share);
    out.number("ramp_us", a.fit.decode.ramp_us);
    out.number("half_us", a.fit.decode.half_us);
    out.number("compute_share", a.fit.decode.compute_share);
    out.number("item_us", a.fit.decode.item_us);
    out.number("row_passes", a.fit.decode.row_passes);
    write_origin(a.fit.decode_error, a.decode, out);
  }
}

void write_engine(const Calibration& c, Text& out) {
  const EngineCosts& costs = c.engine.costs;
  out.line("\n[engine]");
  out.line("name = \"weft\"");
  out.line("title = \"weft's own engine, on this machine\"");
  out.flag("prefill_first", false);
  out.flag("host_overlapped", c.engine.host_overlapped);
  out.flag("quantizes_head", c.engine.quantizes_head);
  out.measured("kernel_gap_us", costs.kernel_gap * 1e6);
  out.measured("small_kernel_us", costs.small_kernel * 1e6);
  out.measured("products_share", costs.products_share);
  out.measured("host_step_us", costs.host_step * 1e6);
  out.measured("host_sequence_us", costs.host_sequence * 1e6);
  out.measured("eager_layer_us", costs.eager_layer * 1e6);
  out.measured("sampling_us", costs.sampling * 1e6);
  out.measured("request_us", costs.request * 1e6);
}

}  // namespace

std::string machine_file(const Calibration& calibration) {
  Text out(calibration.machine);
  write_system(calibration, out);
  write_links(calibration, out);
  write_chip(calibration, out);
  for (const char* family : {"gemm", "experts"}) {
    for (const CalibratedProducts& p : calibration.products) {
      write_products(calibration, p, family, out);
    }
  }
  for (const CalibratedAttention& a : calibration.attention) write_attention(calibration, a, out);
  write_engine(calibration, out);
  return out.take();
}

}  // namespace weft
