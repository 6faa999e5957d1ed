// The catalog: chips, systems, disks, engines and models by name, read from catalog/*.toml.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hardware/engine.h"
#include "hardware/hardware.h"
#include "model/shape.h"

namespace weft {

// One published figure as it stands in the catalog.
struct Figure {
  std::string key;    // "int8_tops", "scale_up.latency_us"
  std::string value;  // as text
  std::string unit;   // "TOPS", "us"; empty for counts and words
  // C vendor, C* vendor read through a summary, P printed in the system's paper, T third party,
  // S secondary, D derived by arithmetic, U unconfirmed or assumed, or "fitted".
  std::string grade;
  std::string source;
};

struct CatalogEntry {
  std::string kind;  // "chip", "disk", "engine", "model", "network" or "system"
  std::string name;
  std::string title;
  std::string note;  // what a reader should know; may be empty
  std::string path;  // of its file
  std::vector<Figure> figures;
};

class Catalog {
 public:
  // Opens the folder; reads an entry only when asked for it. kNotFound when there is no such
  // folder.
  static Result<Catalog> open(std::string folder);
  // The folder given by $WEFT_CATALOG, else ./catalog, else the one beside the program or in the
  // source tree it was built from.
  static Result<Catalog> open_default();

  // A name, or a path to a file of the same form. Unknown names are kNotFound with what is near.
  [[nodiscard]] Result<Chip> chip(const std::string& name) const;  // "910c" finds "ascend-910c"
  // Beside files: CHIP-N ("h100-4", "910b2-8") is a server of N, derived from the server that the
  // chip's file names; COUNTxSYSTEM ("16xh800-8") joins servers over their own scale-out network,
  // COUNTxSYSTEM@NETWORK ("16xh800-8@rdma-200g") over a named one. A file may say the same with
  // cluster = { of, count, network }, or stand on another with like = "NAME".
  [[nodiscard]] Result<System> system(const std::string& name) const;
  [[nodiscard]] Result<Disk> disk(const std::string& name) const;
  [[nodiscard]] Result<Network> network(const std::string& name) const;
  [[nodiscard]] Result<Engine> engine(const std::string& name) const;
  // As it was measured on `hardware`, where that is a file with [engine] of this name.
  [[nodiscard]] Result<Engine> engine(const std::string& name, const std::string& hardware) const;
  // A catalog name, or a path to a config.json (or a folder that holds one).
  [[nodiscard]] Result<ModelShape> model(const std::string& name) const;

  // Any kind, as the name or path says.
  [[nodiscard]] Result<CatalogEntry> entry(const std::string& name) const;
  // By kind, then name; without figures. A file that cannot be read has its error as title.
  [[nodiscard]] std::vector<CatalogEntry> list() const;
  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  Catalog(std::string folder, std::map<std::string, ChipKernels> kernels)
      : folder_(std::move(folder)), kernels_(std::move(kernels)) {}
  std::string folder_;
  std::map<std::string, ChipKernels> kernels_;
};

}  // namespace weft
