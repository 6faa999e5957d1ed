// Readers of the catalog's files: one document in, the thing it describes and its figures out.
// Unknown keys are errors.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/result.h"
#include "hardware/catalog.h"
#include "hardware/engine.h"
#include "hardware/hardware.h"
#include "model/shape.h"

namespace weft {

// A thing and how it stands in the catalog.
template <class Thing>
struct Record {
  Thing thing;
  std::string title;
  std::string note;
  std::vector<Figure> figures;
};

struct ChipRecord : Record<Chip> {
  std::string server;  // the system that CHIP-N derives from; may be empty
};

// Chip name -> what its kernels reach, as catalog/kernels has it.
using KernelsByChip = std::map<std::string, ChipKernels>;

struct SystemRecord : Record<System> {
  int packages_limit = 0;  // the largest N of CHIP-N
};

// The catalog's chips, networks and other systems, as a system's file names them.
struct SystemParts {
  std::function<Result<Chip>(const std::string&)> chip;
  std::function<Result<Chip>(ConfigTable)> own_chip;  // a table in the place of a name
  std::function<Result<Record<Network>>(const std::string&)> network;
  std::function<Result<SystemRecord>(const std::string&)> system;
};

// The constants of its kernels are those of the chip that it names (its own name without one), but
// for the tables of [gemm], [experts] and [attention] that stand in the same place; keys as in
// catalog/kernels.
Result<ChipRecord> read_chip(ConfigTable root, const std::string& name,
                             const KernelsByChip& kernels);
Result<Record<Engine>> read_engine(ConfigTable root, const std::string& name);
Result<Record<Disk>> read_disk(ConfigFile& file, const std::string& name);
Result<Record<Network>> read_network(ConfigFile& file, const std::string& name);
Result<Record<ModelShape>> read_model(ConfigFile& file, const std::string& name);
Result<SystemRecord> read_system(ConfigFile& file, const std::string& name,
                                 const SystemParts& parts);

// `count` of them side by side; `network` (may be null) replaces their scale-out link.
Result<SystemRecord> join_systems(const SystemRecord& of, int count,
                                  const Record<Network>* network);
// A server like `base` with `packages` of `chip`. Requires 1 <= packages <= base.packages_limit.
SystemRecord derive_server(const SystemRecord& base, const Chip& chip, int packages);

}  // namespace weft
