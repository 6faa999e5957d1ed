// From a name to an entry: files of the catalog, files of the user, clusters and derived servers.
#include "hardware/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "hardware/catalog_files.h"
#include "hardware/records.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 8;        // systems that stand on systems
constexpr int kMaxCount = 1 << 20;  // of a cluster

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::optional<int> parse_count(std::string_view digits) {
  int value = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool is_whole = status == std::errc{} && end == digits.data() + digits.size();
  if (!is_whole || value < 1 || value > kMaxCount) return std::nullopt;
  return value;
}

// Loads entries of one catalog folder by name or path. `depth` counts how many systems stand on
// the one being read.
class Loader {
 public:
  Loader(const std::string& folder, const std::map<std::string, ChipKernels>& kernels)
      : files_(folder), kernels_(kernels) {}

  [[nodiscard]] const CatalogFiles& files() const { return files_; }

  [[nodiscard]] Result<ChipRecord> chip(const std::string& name) const {
    const std::string full = files_.path("chip", name).empty() ? "ascend-" + name : name;
    const std::string path = files_.path("chip", full);
    if (path.empty() && !is_path(name)) return files_.unknown("chip", name);
    auto file = ConfigFile::load(path.empty() ? name : path);
    if (!file.ok()) return file.error();
    return read_chip(file->root(), path.empty() ? name : full, kernels_);
  }
  [[nodiscard]] Result<Record<Disk>> disk(const std::string& name) const {
    return simple("disk", name, read_disk);
  }
  [[nodiscard]] Result<Record<Network>> network(const std::string& name) const {
    return simple("network", name, read_network);
  }
  [[nodiscard]] Result<Record<ModelShape>> model(const std::string& name) const;
  [[nodiscard]] Result<SystemRecord> system(const std::string& name, int depth = 0) const;

  [[nodiscard]] Result<Record<Engine>> engine(const std::string& name) const {
    return simple("engine", name, [](ConfigFile& file, const std::string& title) {
      return read_engine(file.root(), title);
    });
  }

 private:
  template <class Reader>
  static auto load(const std::string& path, const std::string& name, Reader read)
      -> decltype(read(std::declval<ConfigFile&>(), name)) {
    auto file = ConfigFile::load(path);
    if (!file.ok()) return file.error();
    return read(file.value(), name);
  }
  template <class Reader>
  auto simple(std::string_view kind, const std::string& name, Reader read) const
      -> decltype(read(std::declval<ConfigFile&>(), name)) {
    const std::string path = files_.path(kind, name);
    if (!path.empty()) return load(path, name, read);
    if (is_path(name)) return load(name, name, read);
    return files_.unknown(kind, name);
  }
  [[nodiscard]] Result<SystemRecord> system_file(const std::string& path, const std::string& name,
                                                 int depth) const;
  // COUNTxSYSTEM, SYSTEM@NETWORK or both; nothing when the name has neither form.
  [[nodiscard]] std::optional<Result<SystemRecord>> cluster(const std::string& name,
                                                            int depth) const;
  // CHIP-N; nothing when the name is not one, or no server is known for the chip.
  [[nodiscard]] std::optional<Result<SystemRecord>> server(const std::string& name,
                                                           int depth) const;
  // The file "PREFIX-N" with the largest N, or empty.
  [[nodiscard]] std::string largest_server(std::string_view prefix) const;

  CatalogFiles files_;
  const std::map<std::string, ChipKernels>& kernels_;
};

Result<SystemRecord> Loader::system(const std::string& name, int depth) const {
  if (depth > kMaxDepth) {
    return bad_input(fmt::format("system \"{}\" stands on itself (like or cluster)", name));
  }
  const std::string path = files_.path("system", name);
  if (!path.empty()) return system_file(path, name, depth);
  if (auto joined = cluster(name, depth)) return *joined;
  if (is_path(name)) return system_file(name, name, depth);
  if (auto derived = server(name, depth)) return *derived;
  return files_.unknown("system", name);
}

Result<SystemRecord> Loader::system_file(const std::string& path, const std::string& name,
                                         int depth) const {
  auto file = ConfigFile::load(path);
  if (!file.ok()) return file.error();
  SystemParts parts;
  parts.chip = [this](const std::string& part) -> Result<Chip> {
    auto found = chip(part);
    if (!found.ok()) return found.error();
    return found.value().thing;
  };
  parts.own_chip = [this, &name](ConfigTable table) -> Result<Chip> {
    auto found = read_chip(std::move(table), name, kernels_);
    if (!found.ok()) return found.error();
    return found.value().thing;
  };
  parts.network = [this](const std::string& part) { return network(part); };
  parts.system = [this, depth](const std::string& part) { return system(part, depth + 1); };
  return read_system(file.value(), name, parts);
}

std::optional<Result<SystemRecord>> Loader::cluster(const std::string& name, int depth) const {
  const size_t at = name.rfind('@');
  const size_t times = name.find('x');
  const auto count =
      parse_count(std::string_view(name).substr(0, times == std::string::npos ? 0 : times));
  if (!count && at == std::string::npos) return std::nullopt;
  const size_t begin = count ? times + 1 : 0;
  auto of = system(name.substr(begin, at == std::string::npos ? at : at - begin), depth + 1);
  if (!of.ok()) return of;
  if (at == std::string::npos) return join_systems(of.value(), count.value_or(1), nullptr);
  const auto over = network(name.substr(at + 1));
  if (!over.ok()) return Result<SystemRecord>(over.error());
  return join_systems(of.value(), count.value_or(1), &over.value());
}

std::string Loader::largest_server(std::string_view prefix) const {
  std::string best;
  int most = 0;
  for (const std::string& name : files_.names("system")) {
    if (name.size() <= prefix.size() + 1 || !name.starts_with(prefix)) continue;
    if (name[prefix.size()] != '-') continue;
    const auto packages = parse_count(std::string_view(name).substr(prefix.size() + 1));
    if (packages && *packages > most) {
      most = *packages;
      best = name;
    }
  }
  return best;
}

std::optional<Result<SystemRecord>> Loader::server(const std::string& name, int depth) const {
  const size_t dash = name.rfind('-');
  if (dash == std::string::npos || dash == 0) return std::nullopt;
  const auto packages = parse_count(std::string_view(name).substr(dash + 1));
  if (!packages) return std::nullopt;
  const std::string prefix = name.substr(0, dash);
  const auto of = chip(prefix);
  std::string base_name = largest_server(prefix);
  if (base_name.empty() && of.ok()) base_name = of.value().server;
  if (base_name.empty()) return std::nullopt;
  auto base = system(base_name, depth + 1);
  if (!base.ok()) return base;
  if (*packages > base.value().packages_limit) {
    return Result<SystemRecord>(bad_input(
        fmt::format("system \"{}\": {} packages, expected at most the {} of {}; a cluster is "
                    "written COUNTx{}",
                    name, *packages, base.value().packages_limit, base_name, base_name)));
  }
  const Chip& chip_of = of.ok() ? of.value().thing : base.value().thing.chip;
  SystemRecord record = derive_server(base.value(), chip_of, *packages);
  record.thing.name = name;
  return Result<SystemRecord>(std::move(record));
}

Result<Record<ModelShape>> Loader::model(const std::string& name) const {
  const std::string path = files_.path("model", name);
  if (!path.empty()) return load(path, name, read_model);
  if (name.ends_with(".toml")) return load(name, name, read_model);
  const std::string json = is_folder(name) ? (fs::path(name) / "config.json").string() : name;
  if (!is_path(json)) return files_.unknown("model", name);
  std::ifstream in(json, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in) {
    return not_found(
        fmt::format("{}: cannot be read; expected a model of the catalog, a "
                    "config.json or a folder that holds one",
                    json));
  }
  auto shape = shape_from_config_json(text.str(), json);
  if (!shape.ok()) return shape.error();
  Record<ModelShape> record;
  record.thing = std::move(shape).value();
  record.thing.name = name;
  record.title = name;
  return record;
}

template <class Thing>
Result<CatalogEntry> to_entry(std::string kind, const std::string& name, std::string path,
                              const Result<Thing>& record) {
  if (!record.ok()) return record.error();
  CatalogEntry entry;
  entry.kind = std::move(kind);
  entry.name = name;
  entry.title = record.value().title;
  entry.note = record.value().note;
  entry.path = std::move(path);
  entry.figures = record.value().figures;
  return entry;
}

Result<CatalogEntry> load_entry(const Loader& loader, const std::string& kind,
                                const std::string& name) {
  std::string path = loader.files().path(kind, name);
  if (kind == "chip") return to_entry(kind, name, std::move(path), loader.chip(name));
  if (kind == "disk") return to_entry(kind, name, std::move(path), loader.disk(name));
  if (kind == "engine") return to_entry(kind, name, std::move(path), loader.engine(name));
  if (kind == "model") return to_entry(kind, name, std::move(path), loader.model(name));
  if (kind == "network") return to_entry(kind, name, std::move(path), loader.network(name));
  return to_entry(kind, name, std::move(path), loader.system(name));
}

// What a user's file is: a config.json is a model; in TOML the keys tell.
std::string kind_of_file(const std::string& path) {
  if (!path.ends_with(".toml")) return "model";
  auto file = ConfigFile::load(path);
  if (!file.ok()) return "system";
  const ConfigTable root = file.value().root();
  if (root.has("config")) return "model";
  if (root.has("link")) return "network";
  if (root.has("read_gb_per_s")) return "disk";
  return root.has("dies") ? "chip" : "system";
}

std::vector<fs::path> default_folders() {
  std::vector<fs::path> folders = {"catalog"};
  std::error_code error;
  fs::path at = fs::read_symlink("/proc/self/exe", error);
  for (int up = 0; up < 4 && at.has_relative_path(); ++up) {
    at = at.parent_path();
    folders.push_back(at / "catalog");
    folders.push_back(at / "share" / "weft" / "catalog");
  }
  // The source tree that the program was built from.
  folders.push_back(fs::path(WEFT_SOURCE_DIR) / "catalog");
  return folders;
}

}  // namespace

Result<Catalog> Catalog::open(std::string folder) {
  if (is_folder(fs::path(folder) / "chips")) {
    auto kernels = read_chip_kernels((fs::path(folder) / "kernels").string());
    if (!kernels.ok()) return kernels.error();
    return Catalog(std::move(folder), std::move(kernels).value());
  }
  return not_found(
      fmt::format("{}: no catalog there; expected a folder that holds chips, models "
                  "and supernodes",
                  folder));
}

Result<Catalog> Catalog::open_default() {
  if (const char* folder = std::getenv("WEFT_CATALOG")) return open(folder);
  for (const fs::path& folder : default_folders()) {
    if (is_folder(folder / "chips")) return open(folder.string());
  }
  return not_found("no catalog found; expected ./catalog, or its folder in WEFT_CATALOG");
}

Result<Chip> Catalog::chip(const std::string& name) const {
  auto record = Loader(folder_, kernels_).chip(name);
  if (!record.ok()) return record.error();
  return record.value().thing;
}

Result<System> Catalog::system(const std::string& name) const {
  auto record = Loader(folder_, kernels_).system(name);
  if (!record.ok()) return record.error();
  return record.value().thing;
}

Result<Disk> Catalog::disk(const std::string& name) const {
  auto record = Loader(folder_, kernels_).disk(name);
  if (!record.ok()) return record.error();
  return record.value().thing;
}

Result<Network> Catalog::network(const std::string& name) const {
  auto record = Loader(folder_, kernels_).network(name);
  if (!record.ok()) return record.error();
  return record.value().thing;
}

Result<Engine> Catalog::engine(const std::string& name) const {
  auto record = Loader(folder_, kernels_).engine(name);
  if (!record.ok()) return record.error();
  return record.value().thing;
}

Result<Engine> Catalog::engine(const std::string& name, const std::string& hardware) const {
  if (is_path(hardware)) {
    auto on = system(hardware);
    if (!on.ok()) return on.error();
    if (on->engine && on->engine->name == name) return *std::move(on->engine);
  }
  return engine(name);
}

Result<ModelShape> Catalog::model(const std::string& name) const {
  auto record = Loader(folder_, kernels_).model(name);
  if (!record.ok()) return record.error();
  return record.value().thing;
}

Result<CatalogEntry> Catalog::entry(const std::string& name) const {
  const Loader loader(folder_, kernels_);
  for (const EntryKind& kind : entry_kinds()) {
    const std::string word(kind.kind);
    if (!loader.files().path(word, name).empty()) return load_entry(loader, word, name);
  }
  if (is_path(name) || is_folder(name)) {
    auto entry = load_entry(loader, is_folder(name) ? "model" : kind_of_file(name), name);
    if (entry.ok()) entry.value().path = name;
    return entry;
  }
  // Names that stand for no file of their own: clusters, derived servers, short chip names.
  auto system = load_entry(loader, "system", name);
  if (system.ok() || system.error().code != ErrorCode::kNotFound) return system;
  auto chip = load_entry(loader, "chip", name);
  if (chip.ok()) return chip;
  return loader.files().unknown(name);
}

std::vector<CatalogEntry> Catalog::list() const {
  const Loader loader(folder_, kernels_);
  std::vector<CatalogEntry> entries;
  for (const EntryKind& kind : entry_kinds()) {
    const std::string word(kind.kind);
    for (const std::string& name : loader.files().names(word)) {
      auto entry = load_entry(loader, word, name);
      CatalogEntry listed;
      if (entry.ok()) {
        listed = std::move(entry).value();
      } else {
        listed.title = entry.error().message;
      }
      listed.kind = word;
      listed.name = name;
      listed.figures.clear();
      entries.push_back(std::move(listed));
    }
  }
  return entries;
}

}  // namespace weft
