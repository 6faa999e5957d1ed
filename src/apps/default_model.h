// The checkpoint that `weft serve` without a model answers with: small and random, made once and
// kept in the user's cache folder, so that the API can be tried at once. What it says is noise.
#pragma once

#include <string>

#include "base/result.h"

namespace weft {

// Its folder: $XDG_CACHE_HOME/weft (or ~/.cache/weft), made where it is not there yet.
Result<std::string> default_model();

}  // namespace weft
