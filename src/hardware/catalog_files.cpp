// Names of catalog entries: files of a folder, sorted, and the distance between words.
#include "hardware/catalog_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/config.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNearNames = 5;

// Levenshtein's distance: letters to insert, drop or change.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

Error unknown_among(std::string_view what, std::string_view name,
                    const std::vector<std::string>& names) {
  const std::vector<std::string> near = near_names(name, names);
  if (!near.empty()) {
    return not_found(fmt::format("{} \"{}\" is not in the catalog; near it: {}", what, name,
                                 join_alternatives(near)));
  }
  return not_found(fmt::format("{} \"{}\" is not in the catalog; expected {}", what, name,
                               join_alternatives(names)));
}

}  // namespace

const std::vector<EntryKind>& entry_kinds() {
  static const std::vector<EntryKind> kKinds = {{"chip", "chips"},       {"disk", "disks"},
                                                {"engine", "engines"},   {"model", "models"},
                                                {"network", "networks"}, {"system", "supernodes"}};
  return kKinds;
}

std::vector<std::string> CatalogFiles::names(std::string_view kind) const {
  std::vector<std::string> out;
  for (const EntryKind& entry : entry_kinds()) {
    if (entry.kind != kind) continue;
    std::error_code error;
    for (const auto& file : fs::directory_iterator(fs::path(folder_) / entry.folder, error)) {
      if (file.path().extension() == ".toml") out.push_back(file.path().stem().string());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string CatalogFiles::path(std::string_view kind, std::string_view name) const {
  if (name.empty() || name.find('/') != std::string_view::npos) return "";
  for (const EntryKind& entry : entry_kinds()) {
    if (entry.kind != kind) continue;
    const fs::path file = fs::path(folder_) / entry.folder / (std::string(name) + ".toml");
    std::error_code error;
    if (fs::is_regular_file(file, error)) return file.string();
  }
  return "";
}

Error CatalogFiles::unknown(std::string_view kind, std::string_view name) const {
  return unknown_among(kind, name, names(kind));
}

Error CatalogFiles::unknown(std::string_view name) const {
  std::vector<std::string> all;
  for (const EntryKind& entry : entry_kinds()) {
    for (std::string& one : names(entry.kind)) all.push_back(std::move(one));
  }
  if (near_names(name, all).empty()) {
    return not_found(
        fmt::format("\"{}\" is not in the catalog; \"weft catalog list\" shows the {} "
                    "entries",
                    name, all.size()));
  }
  return unknown_among("entry", name, all);
}

bool is_path(std::string_view name) {
  return name.find('/') != std::string_view::npos || name.ends_with(".toml") ||
         name.ends_with(".json");
}

std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& names) {
  const size_t allowed = std::max<size_t>(1, name.size() / 3);
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& candidate : names) {
    const size_t away = distance(name, candidate);
    const bool contains = name.size() >= 2 && candidate.find(name) != std::string::npos;
    if (away <= allowed || contains) near.emplace_back(contains ? 0 : away, candidate);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> out;
  for (size_t i = 0; i < std::min(near.size(), kNearNames); ++i) out.push_back(near[i].second);
  return out;
}

}  // namespace weft
