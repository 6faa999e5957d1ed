// How a family of models writes its calls of tools, told from its chat template, and the grammar
// that makes it write one.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "api/request.h"
#include "model/json_schema.h"
#include "model/tokenizer.h"

namespace weft {

enum class ToolFormat {
  kNone,    // no tools in the template, or in a format that is not known
  kHermes,  // <tool_call>{"name": ..., "arguments": {...}}</tool_call>: Hermes, Qwen 2.5 and 3
  kLlama,   // {"name": ..., "parameters": {...}}, perhaps after <|python_tag|>: Llama 3
  kDeepseek,  // <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME, a block of
              // JSON: V3, R1
};

ToolFormat tool_format_of(std::string_view chat_template);

// The texts that a format marks calls with.
std::span<const std::string_view> tool_markers(ToolFormat format);
// Those of them that are special tokens: where grammars of calls begin with them (kHermes,
// kDeepseek) a TokenVocabulary has to take them as text.
std::vector<int32_t> special_markers(const Tokenizer& tokenizer, ToolFormat format);

// What the answer has to follow: the calls of tool_choice "required" or a named function, or else
// response_format; nothing for neither. 400 names the field that cannot be held.
ApiResult<std::optional<Grammar>> chat_grammar(const ChatRequest& request, ToolFormat format);
ApiResult<std::optional<Grammar>> completion_grammar(const CompletionRequest& request);

}  // namespace weft
