// Statements of a template, and what the parser's two halves share.
#include "model/template_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace weft {
namespace {

constexpr int kMaxDepth = 150;  // of the tree: walking it recurses

}  // namespace

Result<TemplateTree> parse_template(std::string_view source) {
  auto tokens = lex_template(source);
  if (!tokens.ok()) return tokens.error();
  return TemplateParser(std::move(*tokens)).run();
}

Result<TemplateTree> TemplateParser::run() {
  TemplateTree tree = parse_body({});
  if (failed()) return bad_input(fmt::format("line {}: {}", problem_line_, problem_));
  return tree;
}

const TemplateToken& TemplateParser::ahead(size_t count) const {
  return tokens_[std::min(at_ + count, tokens_.size() - 1)];
}

void TemplateParser::next() {
  if (at_ + 1 < tokens_.size()) ++at_;
}

bool TemplateParser::at_operator(std::string_view text) const {
  return current().kind == Token::kOperator && current().text == text;
}

bool TemplateParser::at_name(std::string_view text) const {
  return current().kind == Token::kName && current().text == text;
}

bool TemplateParser::take_operator(std::string_view text) {
  if (!at_operator(text)) return false;
  next();
  return true;
}

bool TemplateParser::take_name(std::string_view text) {
  if (!at_name(text)) return false;
  next();
  return true;
}

void TemplateParser::expect_operator(std::string_view text) {
  if (!take_operator(text)) fail(fmt::format("found {}, expected {}", found(), text));
}

std::string TemplateParser::expect_name(std::string_view what) {
  if (current().kind != Token::kName) {
    fail(fmt::format("found {}, expected {}", found(), what));
    return {};
  }
  std::string name = current().text;
  next();
  return name;
}

std::string TemplateParser::found() const {
  switch (current().kind) {
    case Token::kVariableEnd:
      return "}}";
    case Token::kBlockEnd:
      return "%}";
    case Token::kEnd:
      return "the end of the template";
    case Token::kString:
      return "a string";
    default:
      return fmt::format("{:?}", std::string_view(current().text).substr(0, 40));
  }
}

TemplateTree TemplateParser::make(Kind kind, std::vector<TemplateTree> children, std::string text) {
  auto node = std::make_unique<TemplateNode>();
  node->kind = kind;
  node->line = current().line;
  node->text = std::move(text);
  for (const TemplateTree& child : children) {
    if (child != nullptr) node->depth = std::max(node->depth, child->depth + 1);
  }
  node->children = std::move(children);
  if (node->depth > kMaxDepth) fail(fmt::format("more than {} levels of nesting", kMaxDepth));
  return node;
}

TemplateTree TemplateParser::constant(TemplateValue value) {
  TemplateTree node = make(Kind::kConstant);
  node->value = std::move(value);
  return node;
}

// Keeps the first problem and jumps to the end, where every loop stops.
TemplateTree TemplateParser::fail(std::string message) {
  if (!failed()) {
    problem_ = std::move(message);
    problem_line_ = current().line;
  }
  at_ = tokens_.size() - 1;
  return make(Kind::kSequence);
}

// Statements up to a block that starts with one of `ends`, which is left to the caller; without
// ends, up to the end of the template.
TemplateTree TemplateParser::parse_body(const std::vector<std::string_view>& ends) {
  std::vector<TemplateTree> statements;
  const int line = current().line;
  if (++nesting_ > kMaxDepth) fail(fmt::format("more than {} levels of nesting", kMaxDepth));
  while (!failed() && current().kind != Token::kEnd) {
    if (current().kind == Token::kText) {
      statements.push_back(make(Kind::kText, {}, current().text));
      next();
      continue;
    }
    const int start = current().line;
    if (current().kind == Token::kVariableBegin) {
      statements.push_back(parse_output());
    } else {
      const std::string& name = ahead(1).text;
      if (std::find(ends.begin(), ends.end(), name) != ends.end()) break;
      statements.push_back(parse_statement());
    }
    statements.back()->line = start;
  }
  if (!failed() && !ends.empty() && current().kind == Token::kEnd) {
    fail(fmt::format("a block from line {} without its {}", line, ends.back()));
  }
  --nesting_;
  return make(Kind::kSequence, std::move(statements));
}

TemplateTree TemplateParser::parse_output() {
  next();
  std::vector<TemplateTree> children;
  children.push_back(parse_tuple());
  TemplateTree node = make(Kind::kOutput, std::move(children));
  if (current().kind != Token::kVariableEnd) {
    return fail(fmt::format("found {}, expected }}}}", found()));
  }
  next();
  return node;
}

void TemplateParser::expect_block_end() {
  if (current().kind != Token::kBlockEnd) {
    fail(fmt::format("found {}, expected %}}", found()));
    return;
  }
  next();
}

// The block {% name %} that ends a statement. Requires to be at its beginning.
void TemplateParser::end_statement(std::string_view name) {
  if (failed()) return;
  next();
  if (!take_name(name)) fail(fmt::format("found {}, expected {}", found(), name));
  if (name == "endmacro" && current().kind == Token::kName) next();
  expect_block_end();
}

TemplateTree TemplateParser::parse_statement() {
  next();
  using Parse = TemplateTree (TemplateParser::*)();
  static constexpr std::array<std::pair<std::string_view, Parse>, 7> kStatements = {
      {{"if", &TemplateParser::parse_if},
       {"for", &TemplateParser::parse_for},
       {"set", &TemplateParser::parse_set},
       {"macro", &TemplateParser::parse_macro},
       {"with", &TemplateParser::parse_with},
       {"filter", &TemplateParser::parse_filter_block},
       {"generation", &TemplateParser::parse_generation}}};
  for (const auto& [name, parse] : kStatements) {
    if (take_name(name)) return (this->*parse)();
  }
  for (const auto& [name, kind] :
       {std::pair{"break", Kind::kBreak}, std::pair{"continue", Kind::kContinue}}) {
    if (!at_name(name)) continue;
    if (loops_ == 0) return fail(fmt::format("a {} outside a loop", name));
    TemplateTree node = make(kind);
    next();
    expect_block_end();
    return node;
  }
  return fail(fmt::format("the statement {} is not supported", found()));
}

TemplateTree TemplateParser::parse_if() {
  std::vector<TemplateTree> parts;
  for (;;) {
    parts.push_back(parse_tuple(false));
    expect_block_end();
    parts.push_back(parse_body({"elif", "else", "endif"}));
    if (failed() || ahead(1).text != "elif") break;
    next();
    next();
  }
  if (!failed() && ahead(1).text == "else") {
    next();
    next();
    expect_block_end();
    parts.push_back(parse_body({"endif"}));
  }
  end_statement("endif");
  return make(Kind::kIf, std::move(parts));
}

TemplateTree TemplateParser::parse_for() {
  std::vector<TemplateTree> parts;
  parts.push_back(parse_target(false));
  if (!take_name("in")) return fail(fmt::format("found {}, expected in", found()));
  parts.push_back(parse_tuple(false));
  parts.push_back(take_name("if") ? parse_expression() : nullptr);
  if (at_name("recursive")) return fail("recursive loops are not supported");
  expect_block_end();
  ++loops_;
  parts.push_back(parse_body({"else", "endfor"}));
  --loops_;
  TemplateTree otherwise;
  if (!failed() && ahead(1).text == "else") {
    next();
    next();
    expect_block_end();
    otherwise = parse_body({"endfor"});
  }
  parts.push_back(std::move(otherwise));
  end_statement("endfor");
  return make(Kind::kFor, std::move(parts));
}

// A name, names with commas between them, or namespace.attribute.
TemplateTree TemplateParser::parse_target(bool with_attribute) {
  std::vector<TemplateTree> names;
  const bool is_nested = take_operator("(");
  bool is_tuple = false;
  do {
    if (is_nested && at_operator(")")) break;
    TemplateTree name = make(Kind::kName, {}, expect_name("a name"));
    if (with_attribute && names.empty() && take_operator(".")) {
      std::vector<TemplateTree> children;
      children.push_back(std::move(name));
      std::string attribute = expect_name("a name");
      return make(Kind::kAttribute, std::move(children), std::move(attribute));
    }
    names.push_back(std::move(name));
    is_tuple = is_tuple || at_operator(",");
  } while (!failed() && take_operator(","));
  if (is_nested) expect_operator(")");
  if (names.empty()) return fail("found no name, expected one");
  if (!is_tuple) return std::move(names[0]);
  return make(Kind::kTuple, std::move(names));
}

TemplateTree TemplateParser::parse_set() {
  std::vector<TemplateTree> parts;
  parts.push_back(parse_target(true));
  if (take_operator("=")) {
    parts.push_back(parse_tuple());
    expect_block_end();
    return make(Kind::kSet, std::move(parts));
  }
  TemplateTree filters = at_operator("|") ? parse_filters(nullptr) : nullptr;
  expect_block_end();
  parts.push_back(parse_body({"endset"}));
  parts.push_back(std::move(filters));
  end_statement("endset");
  return make(Kind::kSetBlock, std::move(parts));
}

TemplateTree TemplateParser::parse_macro() {
  std::string name = expect_name("the macro's name");
  std::vector<std::string> names;
  std::vector<TemplateTree> parts;
  parts.emplace_back();
  expect_operator("(");
  while (!failed() && !at_operator(")")) {
    names.push_back(expect_name("a parameter"));
    parts.push_back(take_operator("=") ? parse_expression() : nullptr);
    if (!take_operator(",")) break;
  }
  expect_operator(")");
  expect_block_end();
  const int loops = std::exchange(loops_, 0);
  parts[0] = parse_body({"endmacro"});
  loops_ = loops;
  end_statement("endmacro");
  TemplateTree node = make(Kind::kMacro, std::move(parts), std::move(name));
  node->names = std::move(names);
  return node;
}

TemplateTree TemplateParser::parse_with() {
  std::vector<TemplateTree> parts;
  while (!failed() && current().kind != Token::kBlockEnd) {
    parts.push_back(parse_target(false));
    expect_operator("=");
    parts.push_back(parse_expression());
    if (!take_operator(",")) break;
  }
  expect_block_end();
  parts.push_back(parse_body({"endwith"}));
  end_statement("endwith");
  return make(Kind::kWith, std::move(parts));
}

TemplateTree TemplateParser::parse_filter_block() {
  // {% filter a | b %}: the first filter stands without its bar.
  TemplateTree filters = parse_filters(parse_filter(nullptr));
  expect_block_end();
  std::vector<TemplateTree> parts;
  parts.push_back(parse_body({"endfilter"}));
  parts.push_back(std::move(filters));
  end_statement("endfilter");
  return make(Kind::kFilterBlock, std::move(parts));
}

// {% generation %} marks what the model wrote, for training; here it is its body.
TemplateTree TemplateParser::parse_generation() {
  expect_block_end();
  TemplateTree body = parse_body({"endgeneration"});
  end_statement("endgeneration");
  return body;
}

}  // namespace weft
