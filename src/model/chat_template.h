// ChatTemplate: turns a conversation into a prompt, as the Jinja template of a checkpoint says. The
// subset of Jinja that the templates of Llama 3, Qwen and DeepSeek use, as transformers renders it
// (trim_blocks, lstrip_blocks, break and continue, its tojson); sandboxed: no files, no attributes
// of Python's, bounded steps, memory and depth.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/template_value.h"

namespace weft {

struct TemplateNode;

class ChatTemplate {
 public:
  // kBadInput: "chat template: line N: ..." names what is wrong or not supported.
  static Result<ChatTemplate> parse(std::string_view source);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // `context` is a dict: messages, tools, add_generation_prompt, bos_token, eos_token, and whatever
  // else the template reads. `local_time`: seconds since 1970 in local time, for strftime_now.
  // kBadInput too when the template refuses the conversation (raise_exception). Any number of
  // threads may render with one template.
  [[nodiscard]] Result<std::string> render(const TemplateValue& context,
                                           std::optional<int64_t> local_time = {}) const;

 private:
  explicit ChatTemplate(std::unique_ptr<TemplateNode> root);
  std::unique_ptr<TemplateNode> root_;
};

}  // namespace weft
