// Log probabilities in the shapes of both kinds of answers. Behind api/response.h.
#pragma once

#include <span>
#include <string>

#include "model/sampling.h"
#include "model/tokenizer.h"

namespace weft {

// {"content":[{"token","logprob","bytes","top_logprobs"}],"refusal":null}
void append_chat_logprobs(std::string& out, std::span<const Sample> samples,
                          const Tokenizer& tokenizer);
// {"tokens","token_logprobs","top_logprobs","text_offset"}, with one offset for each sample.
void append_completion_logprobs(std::string& out, std::span<const Sample> samples,
                                const Tokenizer& tokenizer, std::span<const int64_t> offsets);

}  // namespace weft
