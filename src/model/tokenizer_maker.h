// Makes a real byte-level BPE tokenizer of any size, for checkpoints with random weights: Qwen's
// normal form and pre-tokenizer, all 256 bytes, merges of common words and then of made ones, and
// the special tokens <|bos|>, <|eos|>, <|im_start|>, <|im_end|> as the last four ids.
#pragma once

#include <cstdint>
#include <string>

namespace weft {

inline constexpr int32_t kSmallestMadeVocab = 260;

// The content of a tokenizer.json with exactly `vocab_size` tokens; the same for the same seed.
// Requires vocab_size >= kSmallestMadeVocab.
std::string make_tokenizer_json(int32_t vocab_size, uint64_t seed);

// The content of its tokenizer_config.json, with a ChatML template that ends turns in <|im_end|>.
std::string make_tokenizer_config_json();

}  // namespace weft
