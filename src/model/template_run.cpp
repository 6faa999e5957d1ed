// Statements: what they write and what they assign.
#include "model/template_run.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft {
namespace {

using Kind = TemplateNode::Kind;

constexpr uint64_t kMaxWork = 20'000'000;  // steps; 16 bytes made count as one
constexpr size_t kMaxText = 64 << 20;
constexpr size_t kMaxItems = 1 << 20;
constexpr int kMaxDepth = 400;  // of statements, expressions and macros in each other

}  // namespace

const TemplateValue* TemplateArguments::get(size_t index, std::string_view name) const {
  if (index < positional.size()) return &positional[index];
  for (const auto& [given, value] : named) {
    if (given == name) return &value;
  }
  return nullptr;
}

TemplateRun::TemplateRun(const TemplateValue& context, std::optional<int64_t> now) : now_(now) {
  scope_ = &scopes_.emplace_back();
  scope_->parent = nullptr;
  if (context.is(TemplateValue::Kind::kDict)) scope_->names = context.as_dict();
  scope_ = push_scope();
}

Result<std::string> TemplateRun::run(const TemplateNode& root) {
  execute(root);
  if (failed()) return *error_;
  return std::move(out_);
}

TemplateValue TemplateRun::fail(std::string message) {
  if (!failed()) error_ = bad_input(fmt::format("line {}: {}", line_, message));
  return {};
}

bool TemplateRun::charge(size_t amount) {
  work_ += amount;
  if (work_ > kMaxWork)
    fail(fmt::format("more than {} steps; expected a template that ends", kMaxWork));
  return !failed();
}

TemplateValue TemplateRun::new_text(std::string text) {
  if (text.size() > kMaxText) return fail(fmt::format("a string over {} bytes", kMaxText));
  if (!charge(1 + text.size() / 16)) return {};
  return TemplateValue::text(std::move(text));
}

TemplateValue TemplateRun::new_list(TemplateValue::List items, bool is_tuple) {
  if (items.size() > kMaxItems) return fail(fmt::format("a list over {} items", kMaxItems));
  if (!charge(1 + items.size())) return {};
  TemplateValue list = TemplateValue::list(std::move(items), is_tuple);
  if (list.depth() > kMaxValueDepth) {
    return fail(fmt::format("lists more than {} deep", kMaxValueDepth));
  }
  return list;
}

TemplateValue TemplateRun::new_dict(TemplateValue::Dict entries) {
  if (entries.size() > kMaxItems) return fail(fmt::format("a mapping over {} items", kMaxItems));
  if (!charge(1 + entries.size())) return {};
  TemplateValue dict = TemplateValue::dict(std::move(entries));
  if (dict.depth() > kMaxValueDepth) {
    return fail(fmt::format("mappings more than {} deep", kMaxValueDepth));
  }
  return dict;
}

TemplateRun::Scope* TemplateRun::push_scope() {
  Scope& scope = scopes_.emplace_back();
  scope.parent = scope_;
  return &scope;
}

void TemplateRun::set_name(const std::string& name, TemplateValue value) {
  for (auto& [known, old] : scope_->names) {
    if (known != name) continue;
    old = std::move(value);
    return;
  }
  scope_->names.emplace_back(name, std::move(value));
}

void TemplateRun::write(std::string_view text) {
  if (out_.size() + text.size() > kMaxText) {
    fail(fmt::format("an output over {} bytes", kMaxText));
    return;
  }
  if (charge(text.size() / 16)) out_ += text;
}

TemplateRun::Flow TemplateRun::execute(const TemplateNode& node) {
  if (failed() || !charge(1)) return Flow::kNext;
  if (depth_ >= kMaxDepth) {
    fail(fmt::format("more than {} levels of nesting", kMaxDepth));
    return Flow::kNext;
  }
  ++depth_;
  Flow flow = Flow::kNext;
  if (node.kind == Kind::kSequence) {
    flow = execute_sequence(node);
  } else if (node.kind == Kind::kIf) {
    flow = execute_if(node);
  } else if (node.kind == Kind::kFor) {
    flow = execute_for(node);
  } else if (node.kind == Kind::kText) {
    write(node.text);
  } else if (node.kind == Kind::kOutput) {
    const TemplateValue value = evaluate(*node.children[0]);
    if (!failed()) write(value.str());
  } else if (node.kind == Kind::kSet) {
    assign(*node.children[0], evaluate(*node.children[1]));
  } else if (node.kind == Kind::kSetBlock) {
    assign(*node.children[0], capture(*node.children[1], node.children[2].get()));
  } else if (node.kind == Kind::kFilterBlock) {
    write(capture(*node.children[0], node.children[1].get()).str());
  } else if (node.kind == Kind::kWith) {
    execute_with(node);
  } else if (node.kind == Kind::kMacro) {
    macros_.push_back({&node, scope_});
    const auto index = static_cast<uint32_t>(macros_.size() - 1);
    set_name(node.text, TemplateValue::handle({Handle::Kind::kMacro, index}));
  } else {
    flow = node.kind == Kind::kBreak ? Flow::kBreak : Flow::kContinue;
  }
  --depth_;
  return flow;
}

TemplateRun::Flow TemplateRun::execute_sequence(const TemplateNode& node) {
  for (const TemplateTree& statement : node.children) {
    line_ = statement->line;
    const Flow flow = execute(*statement);
    if (flow != Flow::kNext || failed()) return flow;
  }
  return Flow::kNext;
}

TemplateRun::Flow TemplateRun::execute_if(const TemplateNode& node) {
  size_t i = 0;
  for (; i + 1 < node.children.size(); i += 2) {
    if (evaluate(*node.children[i]).truth()) return execute(*node.children[i + 1]);
    if (failed()) return Flow::kNext;
  }
  return i < node.children.size() ? execute(*node.children[i]) : Flow::kNext;
}

// What the loop goes over: its iterable, filtered.
TemplateValue::List TemplateRun::loop_items(const TemplateNode& node) {
  TemplateValue::List items = items_of(evaluate(*node.children[1]));
  if (node.children[2] == nullptr) return items;
  Scope* outer = scope_;
  scope_ = push_scope();
  TemplateValue::List kept;
  for (TemplateValue& item : items) {
    scope_->names.clear();
    assign(*node.children[0], item);
    if (evaluate(*node.children[2]).truth()) kept.push_back(std::move(item));
    if (failed()) break;
  }
  scope_ = outer;
  return kept;
}

TemplateRun::Flow TemplateRun::execute_for(const TemplateNode& node) {
  Loop loop;
  loop.items = loop_items(node);
  if (failed()) return Flow::kNext;
  if (loop.items.empty()) {
    return node.children[4] == nullptr ? Flow::kNext : execute(*node.children[4]);
  }
  loop.depth = ++loop_depth_;
  loops_.push_back(std::move(loop));
  Scope* outer = scope_;
  scope_ = push_scope();
  run_loop(node, static_cast<uint32_t>(loops_.size() - 1));
  scope_ = outer;
  --loop_depth_;
  return Flow::kNext;
}

TemplateRun::Flow TemplateRun::run_loop(const TemplateNode& node, uint32_t index) {
  Loop& loop = loops_[index];
  for (loop.index = 0; loop.index < loop.items.size() && !failed(); ++loop.index) {
    scope_->names.clear();
    set_name("loop", TemplateValue::handle({Handle::Kind::kLoop, index}));
    assign(*node.children[0], loop.items[loop.index]);
    if (execute(*node.children[3]) == Flow::kBreak) break;
  }
  return Flow::kNext;
}

void TemplateRun::execute_with(const TemplateNode& node) {
  Scope* outer = scope_;
  Scope* inner = push_scope();
  std::vector<TemplateValue> values;
  for (size_t i = 1; i < node.children.size(); i += 2)
    values.push_back(evaluate(*node.children[i]));
  scope_ = inner;
  for (size_t i = 0; i < values.size(); ++i) assign(*node.children[2 * i], values[i]);
  execute(*node.children.back());
  scope_ = outer;
}

// What a body writes, as a string.
TemplateValue TemplateRun::capture(const TemplateNode& body, const TemplateNode* filters) {
  std::string outer = std::exchange(out_, {});
  Scope* scope = scope_;
  scope_ = push_scope();
  execute(body);
  scope_ = scope;
  TemplateValue value = new_text(std::exchange(out_, std::move(outer)));
  if (filters == nullptr || failed()) return value;
  return evaluate_filter(*filters, &value);
}

void TemplateRun::assign(const TemplateNode& target, const TemplateValue& value) {
  if (failed()) return;
  if (target.kind == Kind::kName) return set_name(target.text, value);
  if (target.kind == Kind::kTuple) {
    const TemplateValue::List items = items_of(value);
    if (!failed() && items.size() != target.children.size()) {
      fail(fmt::format("found {} values, expected {} to unpack", items.size(),
                       target.children.size()));
    }
    for (size_t i = 0; i < target.children.size() && !failed(); ++i) {
      assign(*target.children[i], items[i]);
    }
    return;
  }
  const std::string& name = target.children[0]->text;
  const TemplateValue object = lookup(name);
  if (!object.is(TemplateValue::Kind::kHandle) ||
      object.as_handle().kind != Handle::Kind::kNamespace) {
    fail(fmt::format("cannot set an attribute of {}: {} is not a namespace", name,
                     object.kind_name()));
    return;
  }
  auto& names = namespaces_[object.as_handle().index];
  const auto known = std::find_if(names.begin(), names.end(),
                                  [&](const auto& entry) { return entry.first == target.text; });
  if (known != names.end()) {
    known->second = value;
  } else {
    names.emplace_back(target.text, value);
  }
}

}  // namespace weft
