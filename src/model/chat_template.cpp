// Reading and rendering, with the name that errors carry.
#include "model/chat_template.h"

#include "model/template_ast.h"
#include "model/template_run.h"
#include "model/utf8.h"

namespace weft {
namespace {

// One line, whatever the template's own texts and keys hold.
Error named(const Error& error) {
  std::string message = "chat template: " + error.message;
  for (char& letter : message) {
    if (static_cast<unsigned char>(letter) < 0x20) letter = ' ';
  }
  return {error.code, std::move(message)};
}

}  // namespace

ChatTemplate::ChatTemplate(std::unique_ptr<TemplateNode> root) : root_(std::move(root)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  auto tree = parse_template(replace_invalid_utf8(source));
  if (!tree.ok()) return named(tree.error());
  return ChatTemplate(std::move(*tree));
}

Result<std::string> ChatTemplate::render(const TemplateValue& context,
                                         std::optional<int64_t> local_time) const {
  auto text = TemplateRun(context, local_time).run(*root_);
  if (!text.ok()) return named(text.error());
  return text;
}

}  // namespace weft
