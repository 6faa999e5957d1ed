// catalog/supernodes: what a system is made of, clusters of systems, and servers derived from one.
#include <fmt/format.h>

#include <algorithm>

#include "hardware/figures.h"
#include "hardware/records.h"

namespace weft {
namespace {

constexpr double kGiga = 1e9;
constexpr double kGibi = 1024.0 * 1024.0 * 1024.0;
constexpr int kMaxPackages = 1 << 22;
constexpr NumberRange kShare = {.min = 0, .max = 1, .exclusive_min = true};
constexpr NumberRange kPositive = {.min = 0, .exclusive_min = true};

// Takes a part's error over as this key's, so that it names the file and line that asked.
template <class Thing>
const Thing* checked(ConfigTable& table, std::string_view key, const Result<Thing>& part) {
  if (part.ok()) return &part.value();
  table.fail(key, part.error().message);
  return nullptr;
}

// A network in the place of a link, with its figures.
Link use_network(const Record<Network>& network, std::string_view key, SystemRecord& record) {
  drop_figures(record.figures, fmt::format("{}.", key));
  for (Figure figure : network.figures) {
    figure.key = fmt::format("{}.{}", key, figure.key);
    put_figure(record.figures, std::move(figure));
  }
  return network.thing.link_of_die(record.thing.chip.dies, record.thing.packages_per_node);
}

// Counts that follow from another system's.
void put_counts(SystemRecord& record, const std::string& source) {
  const System& system = record.thing;
  put_figure(record.figures, {"packages", fmt::format("{}", system.packages), "", "D", source});
  put_figure(record.figures,
             {"packages_per_node", fmt::format("{}", system.packages_per_node), "", "D", source});
  put_figure(record.figures,
             {"scale_up_packages", fmt::format("{}", system.scale_up_packages), "", "D", source});
}

// Links are counted per package, so a chip of other dies shares them otherwise; power and prices
// were the other chip's, and 0 means the chip's own.
void replace_chip(SystemRecord& record, const Chip& chip) {
  System& system = record.thing;
  if (chip.name == system.chip.name) return;
  const double share = static_cast<double>(system.chip.dies) / chip.dies;
  for (Link* link : {&system.scale_up, &system.scale_out, &system.host}) {
    link->bandwidth *= share;
    link->write_bandwidth *= share;
    link->raw_bandwidth *= share;
  }
  system.system_power_w = 0;
  system.price_per_hour = 0;
  system.capital_usd = 0;
  system.chip = chip;
  for (const char* key : {"system_power_w", "price_usd_per_hour", "capital_usd"}) {
    drop_figures(record.figures, key);
  }
}

// [scale_up], [scale_out], [host]: figures per package, or the name of a network.
Link read_link(ConfigTable table, std::string_view key, SystemRecord& record,
               const SystemParts& parts) {
  if (table.has("network")) {
    const std::string name = table.text("network");
    const auto network = parts.network(name);
    const auto* found = checked(table, "network", network);
    return found != nullptr ? use_network(*found, key, record) : Link{};
  }
  drop_figures(record.figures, fmt::format("{}.", key));
  FigureReader reader(std::move(table), &record.figures, fmt::format("{}.", key));
  Link link;
  link.name = reader.table().text("name");
  const double raw = reader.number("gb_per_s", kPositive) * kGiga / record.thing.chip.dies;
  const double efficiency = reader.number("efficiency", kShare);
  link.raw_bandwidth = raw;
  link.bandwidth = raw * efficiency;
  link.write_bandwidth = raw * reader.number("write_efficiency", efficiency, kShare);
  const double near = reader.number("latency_us");
  link.latency = seconds(near * 1e-6);
  link.latency_far = seconds(reader.number("latency_far_us", near) * 1e-6);
  return link;
}

void read_links(ConfigTable& root, bool is_required, SystemRecord& record,
                const SystemParts& parts) {
  System& system = record.thing;
  struct Place {
    const char* key;
    Link* link;
  };
  for (const Place place : {Place{"scale_up", &system.scale_up},
                            Place{"scale_out", &system.scale_out}, Place{"host", &system.host}}) {
    if (!is_required && !root.has(place.key)) continue;
    *place.link = read_link(root.table(place.key), place.key, record, parts);
  }
}

// Every figure is required for a system of its own; on top of another each may be left out.
int read_count(FigureReader& reader, std::string_view key, int base) {
  const IntegerRange range = {.min = 1, .max = kMaxPackages};
  return base > 0 ? reader.integer(key, base, range) : reader.integer(key, range);
}

void read_sizes(FigureReader& reader, System& system) {
  system.packages = read_count(reader, "packages", system.packages);
  system.packages_per_node = read_count(reader, "packages_per_node", system.packages_per_node);
  system.scale_up_packages = read_count(reader, "scale_up_packages", system.scale_up_packages);
  if (system.scale_up_packages > system.packages) {
    reader.table().fail("scale_up_packages",
                        fmt::format("found {}, expected at most the {} packages",
                                    system.scale_up_packages, system.packages));
  }
  if (system.packages_per_node > system.packages) {
    reader.table().fail("packages_per_node",
                        fmt::format("found {}, expected at most the {} packages",
                                    system.packages_per_node, system.packages));
  }
  system.kv_over_scale_out = reader.boolean("kv_over_scale_out", system.kv_over_scale_out);
}

void read_host_and_prices(FigureReader& reader, System& system) {
  if (reader.has("host_memory_gib") || system.host_memory_bytes == 0) {
    system.host_memory_bytes = reader.number("host_memory_gib") * kGibi;
  }
  if (reader.has("host_port_gb_per_s") || system.host_port_bandwidth == 0) {
    system.host_port_bandwidth = reader.number("host_port_gb_per_s", kPositive) * kGiga;
  }
  system.host_speed = reader.number("host_speed", system.host_speed, {.min = 0.05, .max = 20});
  system.system_power_w = reader.number("system_power_w", system.system_power_w);
  system.price_per_hour = reader.number("price_usd_per_hour", system.price_per_hour);
  system.capital_usd = reader.number("capital_usd", system.capital_usd);
}

// cluster = { of = "h800-8", count = 16, network = "rdma-400g" }
Result<SystemRecord> read_cluster(ConfigTable table, const SystemParts& parts) {
  const std::string of_name = table.text("of");
  const auto count = static_cast<int>(table.integer("count", {.min = 1, .max = kMaxPackages}));
  const std::string network_name = table.text("network", "");
  const auto of = parts.system(of_name);
  if (checked(table, "of", of) == nullptr) return *table.finish();
  if (network_name.empty()) return join_systems(of.value(), count, nullptr);
  const auto network = parts.network(network_name);
  if (checked(table, "network", network) == nullptr) return *table.finish();
  return join_systems(of.value(), count, &network.value());
}

// chip = "NAME", or [chip], what stands in a chip's file.
std::optional<Error> read_chip_of(ConfigTable& root, SystemRecord& record,
                                  const SystemParts& parts) {
  if (auto own =
          root.has("chip") && !root.is_text("chip") ? root.find_table("chip") : std::nullopt) {
    const auto chip = parts.own_chip(std::move(*own));
    if (!chip.ok()) return chip.error();
    replace_chip(record, chip.value());
    return std::nullopt;
  }
  const std::string name = root.text("chip");
  const auto chip = parts.chip(name);
  if (const Chip* found = checked(root, "chip", chip)) replace_chip(record, *found);
  return std::nullopt;
}

// What the file stands on: a cluster of another, another as it is, or nothing yet.
Result<SystemRecord> read_base(ConfigTable& root, const SystemParts& parts) {
  if (auto cluster = root.find_table("cluster")) return read_cluster(*cluster, parts);
  if (!root.has("like")) return SystemRecord{};
  const std::string like = root.text("like");
  auto base = parts.system(like);
  if (checked(root, "like", base) == nullptr) return *root.finish();
  return base;
}

}  // namespace

Result<SystemRecord> read_system(ConfigFile& file, const std::string& name,
                                 const SystemParts& parts) {
  ConfigTable root = file.root();
  auto base = read_base(root, parts);
  if (!base.ok()) return base.error();
  SystemRecord record = std::move(base).value();
  System& system = record.thing;
  const bool is_new = system.packages == 0;
  record.title = root.text("title");
  record.note = root.text("note", record.note);
  if (is_new || root.has("chip")) {
    if (auto error = read_chip_of(root, record, parts)) return *error;
  }
  if (auto own = root.find_table("engine")) {
    const std::string engine_name = own->text("name");
    auto engine = read_engine(std::move(*own), engine_name);
    if (!engine.ok()) return engine.error();
    system.engine = std::move(engine).value().thing;
  }
  FigureReader reader(root, &record.figures);
  read_sizes(reader, system);
  read_links(root, is_new, record, parts);
  read_host_and_prices(reader, system);
  const int limit = std::max(system.packages, record.packages_limit);
  record.packages_limit = static_cast<int>(
      root.integer("packages_limit", limit, {.min = system.packages, .max = kMaxPackages}));
  if (auto error = root.finish()) return *error;
  system.name = name;
  system.title = record.title;
  return record;
}

Result<SystemRecord> join_systems(const SystemRecord& of, int count,
                                  const Record<Network>* network) {
  SystemRecord record = of;
  System& system = record.thing;
  const int64_t packages = int64_t{system.packages} * count;
  if (packages > kMaxPackages) {
    return bad_input(fmt::format("{} times {}: {} packages, expected at most {}", count,
                                 of.thing.name, packages, kMaxPackages));
  }
  system.packages = static_cast<int>(packages);
  if (count > 1) {
    system.name = fmt::format("{}x{}", count, of.thing.name);
    system.title = fmt::format("{} x {}", count, of.title);
    put_counts(record, fmt::format("{} of {}", count, of.thing.name));
  }
  if (network != nullptr) {
    system.scale_out = use_network(*network, "scale_out", record);
    system.name += "@" + network->thing.name;
    system.title += " over " + network->title;
  }
  record.title = system.title;
  record.packages_limit = system.packages;
  return record;
}

SystemRecord derive_server(const SystemRecord& base, const Chip& chip, int packages) {
  CHECK(packages >= 1 && packages <= base.packages_limit);
  SystemRecord record = base;
  System& system = record.thing;
  replace_chip(record, chip);
  const bool is_one_domain = system.scale_up_packages == system.packages;
  const bool is_one_node = system.packages_per_node == system.packages;
  system.packages = packages;
  system.scale_up_packages =
      is_one_domain ? packages : std::min(packages, system.scale_up_packages);
  system.packages_per_node = is_one_node ? packages : std::min(packages, system.packages_per_node);
  system.title = fmt::format("{} x {}", packages, system.chip.title);
  put_counts(record, fmt::format("a server like {}", base.thing.name));
  record.title = system.title;
  return record;
}

}  // namespace weft
