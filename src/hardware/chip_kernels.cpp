// The files of catalog/kernels, joined by chip.
#include "hardware/chip_kernels.h"

#include <fmt/format.h>

namespace weft {
namespace {

// Reads one file into a member of every chip's kernels.
template <class Read, class Member>
Status join(const std::string& path, Read read, Member ChipKernels::*member,
            std::map<std::string, ChipKernels>& chips, bool first) {
  auto file = ConfigFile::load(path);
  if (!file) return file.error();
  auto constants = read(*file);
  if (!constants) return constants.error();
  for (auto& [name, value] : *constants) {
    if (first) chips[name].chip = name;
    const auto at = chips.find(name);
    if (at != chips.end()) at->second.*member = std::move(value);
  }
  for (const auto& [name, kernels] : chips) {
    if (constants->contains(name)) continue;
    return bad_input(
        fmt::format("{}: {}: missing; expected constants, or the chips that stand for "
                    "it in `like`",
                    path, name));
  }
  return {};
}

}  // namespace

Result<std::map<std::string, ChipKernels>> read_chip_kernels(const std::string& folder) {
  std::map<std::string, ChipKernels> chips;
  Status done = join(folder + "/gemm.toml", read_gemm_constants, &ChipKernels::gemm, chips, true);
  if (done) {
    done = join(folder + "/moe.toml", read_gemm_constants, &ChipKernels::experts, chips, false);
  }
  if (done) {
    done = join(folder + "/attention.toml", read_attention_constants, &ChipKernels::attention,
                chips, false);
  }
  if (done) {
    done = join(folder + "/collectives.toml", read_collective_constants, &ChipKernels::collectives,
                chips, false);
  }
  if (done) {
    done = join(folder + "/exchange.toml", read_exchange_constants, &ChipKernels::exchange, chips,
                false);
  }
  if (!done) return done.error();
  return chips;
}

}  // namespace weft
