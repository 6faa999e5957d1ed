// Chips, links, disks and systems as the catalog knows them. Rates are per second, bandwidth is one
// way, sizes are bytes. Figures that nobody has published are 0, and users of them must say so.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/quantity.h"
#include "base/result.h"
#include "base/time.h"
#include "hardware/chip_kernels.h"
#include "hardware/engine.h"
#include "model/format.h"

namespace weft {

// A package as vendors count it (GPU, NPU), made of `dies` equal dies. Rates are per die.
struct Chip {
  std::string name;   // catalog name: "ascend-910c"
  std::string title;  // as people write it: "Ascend 910C"
  int dies = 1;
  double cores = 1;  // per die: SMs, CUs or cube cores
  // Rate of multiplication, over that of kernel tables, that power lets a chip keep up: tables time
  // a kernel for milliseconds, a serving chip multiplies for hours at its power limit.
  double sustained = 1;
  std::array<double, kFormats> matrix_ops{};  // dense multiply-adds count two; 0: not supported
  double memory_bytes = 0;                    // per die
  double memory_bandwidth = 0;                // per die, bytes/s
  double die_to_die_bandwidth = 0;            // one way between dies of a package; 0: one die
  double power_w = 0;                         // package, at its limit
  double idle_power_w = 0;                    // package, idle
  double price_per_hour = 0;                  // package, USD
  ChipKernels kernels;                        // what well-written kernels reach of the peaks

  [[nodiscard]] double ops(Format format) const { return matrix_ops[static_cast<size_t>(format)]; }
  // The formats it multiplies in, so that an error can say what there is: "bf16 and int8".
  [[nodiscard]] std::string formats_text() const;
};

// A link that dies talk over: one port per die and direction.
struct Link {
  std::string name;            // "ub", "nvlink", "rdma", "vpc", "pcie", "hccs"
  double bandwidth = 0;        // bytes/s, one way, per die, usable share included
  Duration latency;            // first byte, peers in one node
  Duration latency_far;        // first byte, peers in different nodes of the domain
  double write_bandwidth = 0;  // as bandwidth, for writes to the peer; reads where they differ
  double raw_bandwidth = 0;    // one way, per die, on the wire; 0: as bandwidth

  [[nodiscard]] double wire() const {
    return raw_bandwidth > bandwidth ? raw_bandwidth : bandwidth;
  }
};

// A named network between servers: a port per package, or a port per node that its packages share.
struct Network {
  std::string name;  // catalog name: "rdma-400g"
  std::string title;
  std::string link;           // Link::name: "rdma", "ethernet", "vpc"
  double port_bandwidth = 0;  // bytes/s, one way, usable share included
  bool port_per_node = false;
  Duration latency;
  double raw_bandwidth = 0;  // of the port, on the wire

  // What one die has of it. A node's port is divided evenly among the node's dies.
  [[nodiscard]] Link link_of_die(int dies_per_package, int packages_per_node) const;
};

struct Disk {
  std::string name;
  double capacity_bytes = 0;
  double read_bandwidth = 0;
  double write_bandwidth = 0;
  Duration latency;
};

// A supernode, a server, or a cluster of servers: `packages` chips in nodes of `packages_per_node`.
struct System {
  std::string name;
  std::string title;
  Chip chip;
  int packages = 0;
  int packages_per_node = 8;
  int scale_up_packages = 0;       // packages that one scale-up link domain joins
  Link scale_up;                   // within a domain
  Link scale_out;                  // between domains; also where KV travels from prefill to decode
  bool kv_over_scale_out = true;   // KV transfers use scale_out even within a domain (CloudMatrix)
  Link host;                       // die to host memory (UB or PCIe)
  double host_port_bandwidth = 0;  // bytes/s that one node's host memory serves, one way
  double host_memory_bytes = 0;    // DRAM per node
  double host_speed = 1;           // of one CPU thread, beside those of an H100 server
  double system_power_w = 0;       // per package, everything included (0: chip power alone)
  double price_per_hour = 0;       // per package, USD (0: the chip's)
  double capital_usd = 0;          // per package, everything included, bought (0: unknown)
  std::optional<Engine> engine;    // measured here: stands for the catalog's engine of its name

  [[nodiscard]] int dies() const { return packages * chip.dies; }
  [[nodiscard]] int nodes() const {
    return static_cast<int>(ceil_div(packages, packages_per_node));
  }
};

}  // namespace weft
