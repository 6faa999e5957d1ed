// The context that a chat template renders a request with.
#pragma once

#include "api/request.h"
#include "api/tool_format.h"
#include "model/chat_template.h"
#include "model/tokenizer_config.h"

namespace weft {

// messages, tools, add_generation_prompt, bos_token, eos_token and what chat_template_kwargs adds.
// Developers speak as system. Arguments of earlier calls become objects, as templates expect, but
// for DeepSeek's, which want text. tool_choice "none" leaves the tools out.
TemplateValue chat_context(const ChatRequest& request, ToolFormat format,
                           const TokenizerConfig& config);

// The prompt; with continue_final_message it ends inside the last message. 400 when the template
// refuses the conversation. `local_time` as ChatTemplate::render.
ApiResult<std::string> chat_prompt(const ChatRequest& request, const ChatTemplate& chat_template,
                                   ToolFormat format, const TokenizerConfig& config,
                                   std::optional<int64_t> local_time);

}  // namespace weft
