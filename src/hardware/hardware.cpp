// What follows from the figures of a chip or network alone.
#include "hardware/hardware.h"

namespace weft {

std::string Chip::formats_text() const {
  std::vector<std::string> names;
  for (int i = 0; i < kFormats; ++i) {
    const auto format = static_cast<Format>(i);
    if (ops(format) > 0) names.emplace_back(format_name(format));
  }
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " and " : ", ";
    out += names[i];
  }
  return out;
}

Link Network::link_of_die(int dies_per_package, int packages_per_node) const {
  const int sharers = dies_per_package * (port_per_node ? packages_per_node : 1);
  Link out;
  out.name = link;
  out.bandwidth = port_bandwidth / sharers;
  out.write_bandwidth = out.bandwidth;
  out.raw_bandwidth = raw_bandwidth / sharers;
  out.latency = latency;
  out.latency_far = latency;
  return out;
}

}  // namespace weft
