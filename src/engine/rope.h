// Rotary position embedding: the angles that a model turns its queries and keys by.
#pragma once

#include <vector>

#include "model/architecture_config.h"

namespace weft {

// One turn per token for each pair of dimensions: angle = position x inverse wavelength. `dims` / 2
// values for `dims` rotated dimensions. Scaled as config.json says:
//   linear: divided by `factor`;
//   llama3: wavelengths beyond original_context / low_freq_factor divided by `factor`, a ramp up to
//     original_context / high_freq_factor (Llama 3.1's published rule);
//   yarn: a ramp over the dimensions between beta_fast and beta_slow turns of the original context
//     (arXiv 2309.00071, section 3.2).
std::vector<double> rope_frequencies(const RopeConfig& config, int dims);

}  // namespace weft
