// CatalogFiles: which entries a catalog folder holds, and where; near names for a wrong one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

// A kind of entry and the sub-folder of its files.
struct EntryKind {
  std::string_view kind;    // "system"
  std::string_view folder;  // "supernodes"
};
const std::vector<EntryKind>& entry_kinds();  // in the order of the alphabet

class CatalogFiles {
 public:
  explicit CatalogFiles(std::string folder) : folder_(std::move(folder)) {}

  // The names of a kind, sorted. Empty when its folder is not there.
  [[nodiscard]] std::vector<std::string> names(std::string_view kind) const;
  // The path of an entry's file, or empty when there is none of that name.
  [[nodiscard]] std::string path(std::string_view kind, std::string_view name) const;
  // kNotFound: what was asked for, and the names that look like it (or all, when none does).
  [[nodiscard]] Error unknown(std::string_view kind, std::string_view name) const;
  // The same for a name of any kind.
  [[nodiscard]] Error unknown(std::string_view name) const;

 private:
  std::string folder_;
};

// Whether the words can only be a path: they hold a slash or end in .toml or .json.
bool is_path(std::string_view name);

// Up to five of `names` that differ little from `name` or contain it, nearest first.
std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& names);

}  // namespace weft
