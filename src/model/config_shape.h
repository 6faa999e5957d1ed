// From the fields of a config.json to a ModelShape: what each architecture calls its sizes.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/config_fields.h"
#include "model/shape.h"

namespace weft {

// The architectures that are understood, in the order of the alphabet.
std::vector<std::string> known_architectures();

// Reads config.json (text). kBadInput when it is not JSON.
Result<ConfigFields> fields_from_config_json(std::string_view json, const std::string& name);

// kBadInput names the document, the field, what was found and what was expected. The shape's name
// is left empty.
Result<ModelShape> shape_from_fields(ConfigFields fields);

// For each layer, whether its FFN is dense: the first k (DeepSeek), those off the stride or listed
// (Qwen). Means nothing of a model without experts.
std::vector<bool> read_dense_layers(ConfigFields& fields, int layers);

// Sets native_weights and native_experts from torch_dtype (or dtype), quantization_config and
// expert_dtype. Errors are kept in `fields`.
void read_native_formats(ConfigFields& fields, ModelShape& shape);

}  // namespace weft
