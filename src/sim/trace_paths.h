// Where a scenario's trace files are looked for.
#pragma once

#include <string>

#include "base/result.h"

namespace weft {

// A name as a scenario gives it, to a path: an absolute path as it is; else relative to the current
// folder, to `base_folder`, to the folder of the environment variable WEFT_TRACES, or the one file
// under WEFT_TRACES whose path ends in the name. Errors say where it was looked for.
Result<std::string> find_trace_file(const std::string& name, const std::string& base_folder);

}  // namespace weft
