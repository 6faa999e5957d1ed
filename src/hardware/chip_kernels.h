// ChipKernels: what a chip's kernels reach, all families: the constants of catalog/kernels.
#pragma once

#include <map>
#include <string>

#include "hardware/attention_constants.h"
#include "hardware/gemm_constants.h"
#include "hardware/link_constants.h"

namespace weft {

struct ChipKernels {
  std::string chip;  // whose constants these are: another chip's name when it stands for this one
  GemmTable gemm;
  GemmTable experts;
  AttentionConstants attention;
  CollectiveConstants collectives;
  ExchangeConstants exchange;
};

// Chip name -> constants, from the files of a catalog's folder `kernels`. A chip must be in all of
// them.
Result<std::map<std::string, ChipKernels>> read_chip_kernels(const std::string& folder);

}  // namespace weft
