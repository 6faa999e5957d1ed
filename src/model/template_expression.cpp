// Expressions of a template, loosest binding first.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "model/template_parser.h"

namespace weft {
namespace {

constexpr int kMaxNesting = 100;  // of brackets; each costs a dozen calls on the stack

}  // namespace

TemplateTree TemplateParser::binary(Kind kind, TemplateTree left, TemplateTree right,
                                    std::string text) {
  std::vector<TemplateTree> children;
  children.push_back(std::move(left));
  children.push_back(std::move(right));
  return make(kind, std::move(children), std::move(text));
}

// Values with commas between them, or just one.
TemplateTree TemplateParser::parse_tuple(bool with_choice) {
  TemplateTree first = parse_expression(with_choice);
  if (!at_operator(",")) return first;
  std::vector<TemplateTree> items;
  items.push_back(std::move(first));
  while (!failed() && take_operator(",")) {
    const bool ends = current().kind == Token::kBlockEnd || current().kind == Token::kVariableEnd ||
                      at_operator(")");
    if (ends) break;
    items.push_back(parse_expression(with_choice));
  }
  return make(Kind::kTuple, std::move(items));
}

TemplateTree TemplateParser::parse_expression(bool with_choice) {
  if (++nesting_ > kMaxNesting) fail(fmt::format("more than {} levels of nesting", kMaxNesting));
  TemplateTree value = parse_or();
  while (with_choice && !failed() && take_name("if")) {
    std::vector<TemplateTree> parts;
    parts.push_back(parse_or());
    parts.push_back(std::move(value));
    parts.push_back(take_name("else") ? parse_expression() : nullptr);
    value = make(Kind::kChoice, std::move(parts));
  }
  --nesting_;
  return value;
}

TemplateTree TemplateParser::parse_or() {
  TemplateTree left = parse_and();
  while (!failed() && take_name("or")) left = binary(Kind::kOr, std::move(left), parse_and());
  return left;
}

TemplateTree TemplateParser::parse_and() {
  TemplateTree left = parse_not();
  while (!failed() && take_name("and")) left = binary(Kind::kAnd, std::move(left), parse_not());
  return left;
}

TemplateTree TemplateParser::parse_not() {
  int count = 0;
  while (take_name("not")) ++count;
  TemplateTree node = parse_compare();
  for (; count > 0 && !failed(); --count) {
    std::vector<TemplateTree> children;
    children.push_back(std::move(node));
    node = make(Kind::kNot, std::move(children));
  }
  return node;
}

TemplateTree TemplateParser::parse_compare() {
  static constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  std::vector<TemplateTree> parts;
  std::vector<std::string> operators;
  parts.push_back(parse_sum());
  while (!failed()) {
    const bool is_operator =
        current().kind == Token::kOperator &&
        std::find(kOperators.begin(), kOperators.end(), current().text) != kOperators.end();
    if (is_operator) {
      operators.push_back(current().text);
      next();
    } else if (take_name("in")) {
      operators.emplace_back("in");
    } else if (at_name("not") && ahead(1).kind == Token::kName && ahead(1).text == "in") {
      next();
      next();
      operators.emplace_back("not in");
    } else {
      break;
    }
    parts.push_back(parse_sum());
  }
  if (operators.empty()) return std::move(parts[0]);
  TemplateTree node = make(Kind::kCompare, std::move(parts));
  node->names = std::move(operators);
  return node;
}

TemplateTree TemplateParser::parse_sum() {
  TemplateTree left = parse_concat();
  while (!failed() && (at_operator("+") || at_operator("-"))) {
    std::string text = current().text;
    next();
    left = binary(Kind::kBinary, std::move(left), parse_concat(), std::move(text));
  }
  return left;
}

TemplateTree TemplateParser::parse_concat() {
  TemplateTree first = parse_product();
  if (!at_operator("~")) return first;
  std::vector<TemplateTree> parts;
  parts.push_back(std::move(first));
  while (!failed() && take_operator("~")) parts.push_back(parse_product());
  return make(Kind::kConcat, std::move(parts));
}

TemplateTree TemplateParser::parse_product() {
  TemplateTree left = parse_power();
  while (!failed() &&
         (at_operator("*") || at_operator("/") || at_operator("//") || at_operator("%"))) {
    std::string text = current().text;
    next();
    left = binary(Kind::kBinary, std::move(left), parse_power(), std::move(text));
  }
  return left;
}

TemplateTree TemplateParser::parse_power() {
  TemplateTree left = parse_unary(true);
  while (!failed() && take_operator("**")) {
    left = binary(Kind::kBinary, std::move(left), parse_unary(true), "**");
  }
  return left;
}

TemplateTree TemplateParser::parse_unary(bool with_filters) {
  if (++nesting_ > kMaxNesting) fail(fmt::format("more than {} levels of nesting", kMaxNesting));
  TemplateTree node;
  if (at_operator("-") || at_operator("+")) {
    const Kind kind = at_operator("-") ? Kind::kNegative : Kind::kPositive;
    next();
    std::vector<TemplateTree> children;
    children.push_back(parse_unary(false));
    node = make(kind, std::move(children));
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  if (with_filters) node = parse_filters(std::move(node));
  --nesting_;
  return node;
}

TemplateTree TemplateParser::parse_primary() {
  switch (current().kind) {
    case Token::kName:
      return parse_name();
    case Token::kInteger:
    case Token::kFloat:
      return parse_number();
    case Token::kString: {
      std::string text;
      for (; current().kind == Token::kString; next()) text += current().text;
      return constant(TemplateValue::text(std::move(text)));
    }
    default:
      break;
  }
  if (at_operator("[")) return parse_list();
  if (at_operator("{")) return parse_dict();
  if (!take_operator("(")) return fail(fmt::format("found {}, expected a value", found()));
  if (take_operator(")")) return make(Kind::kTuple);
  TemplateTree inner = parse_tuple();
  expect_operator(")");
  return inner;
}

TemplateTree TemplateParser::parse_name() {
  std::string name = current().text;
  next();
  if (name == "true" || name == "True") return constant(TemplateValue::boolean(true));
  if (name == "false" || name == "False") return constant(TemplateValue::boolean(false));
  if (name == "none" || name == "None") return constant(TemplateValue::none());
  return make(Kind::kName, {}, std::move(name));
}

TemplateTree TemplateParser::parse_number() {
  const std::string text = current().text;
  const bool is_float = current().kind == Token::kFloat;
  const char* end = text.data() + text.size();
  int64_t whole = 0;
  double number = 0;
  const auto result = is_float ? std::from_chars(text.data(), end, number)
                               : std::from_chars(text.data(), end, whole);
  if (result.ec != std::errc() || result.ptr != end) {
    return fail(fmt::format("the number {} is not supported", text.substr(0, 40)));
  }
  next();
  return constant(is_float ? TemplateValue::number(number) : TemplateValue::integer(whole));
}

TemplateTree TemplateParser::parse_list() {
  next();
  std::vector<TemplateTree> items;
  while (!failed() && !at_operator("]")) {
    items.push_back(parse_expression());
    if (!take_operator(",")) break;
  }
  expect_operator("]");
  return make(Kind::kList, std::move(items));
}

TemplateTree TemplateParser::parse_dict() {
  next();
  std::vector<TemplateTree> items;
  while (!failed() && !at_operator("}")) {
    items.push_back(parse_expression());
    expect_operator(":");
    items.push_back(parse_expression());
    if (!take_operator(",")) break;
  }
  expect_operator("}");
  return make(Kind::kDict, std::move(items));
}

TemplateTree TemplateParser::parse_postfix(TemplateTree node) {
  while (!failed()) {
    if (take_operator(".")) {
      if (current().kind == Token::kInteger) {
        node = binary(Kind::kItem, std::move(node), parse_number());
        continue;
      }
      std::vector<TemplateTree> children;
      children.push_back(std::move(node));
      std::string name = expect_name("an attribute");
      node = make(Kind::kAttribute, std::move(children), std::move(name));
    } else if (at_operator("[")) {
      node = parse_subscript(std::move(node));
    } else if (at_operator("(")) {
      node = parse_call(std::move(node));
    } else {
      break;
    }
  }
  return node;
}

TemplateTree TemplateParser::parse_subscript(TemplateTree node) {
  next();
  std::vector<TemplateTree> parts;
  parts.push_back(std::move(node));
  bool is_slice = false;
  for (int i = 0; i < 3 && !failed(); ++i) {
    const bool is_empty = at_operator(":") || at_operator("]");
    parts.push_back(is_empty ? nullptr : parse_expression());
    if (!take_operator(":")) break;
    is_slice = true;
  }
  if (at_operator(",")) return fail("several subscripts are not supported");
  expect_operator("]");
  if (!is_slice && (parts.size() < 2 || parts[1] == nullptr)) return fail("an empty subscript");
  if (!is_slice) return make(Kind::kItem, std::move(parts));
  parts.resize(4);
  return make(Kind::kSlice, std::move(parts));
}

void TemplateParser::parse_arguments(TemplateNode& node) {
  expect_operator("(");
  while (!failed() && !at_operator(")")) {
    if (at_operator("*") || at_operator("**")) {
      fail("* in front of arguments is not supported");
      return;
    }
    const bool is_named =
        current().kind == Token::kName && ahead(1).kind == Token::kOperator && ahead(1).text == "=";
    std::string name;
    if (is_named) {
      name = current().text;
      next();
      next();
    } else if (!node.names.empty() && !node.names.back().empty()) {
      fail("a positional argument behind a named one");
      return;
    }
    node.names.push_back(std::move(name));
    node.children.push_back(parse_expression());
    if (!take_operator(",")) break;
  }
  expect_operator(")");
  for (const TemplateTree& child : node.children) {
    if (child != nullptr) node.depth = std::max(node.depth, child->depth + 1);
  }
}

TemplateTree TemplateParser::parse_call(TemplateTree callee) {
  std::vector<TemplateTree> children;
  children.push_back(std::move(callee));
  TemplateTree node = make(Kind::kCall, std::move(children));
  parse_arguments(*node);
  return node;
}

TemplateTree TemplateParser::parse_filters(TemplateTree node) {
  while (!failed()) {
    if (take_operator("|")) {
      node = parse_filter(std::move(node));
    } else if (take_name("is")) {
      node = parse_test(std::move(node));
    } else if (at_operator("(") && node != nullptr) {
      node = parse_call(std::move(node));
    } else {
      break;
    }
  }
  return node;
}

TemplateTree TemplateParser::parse_filter(TemplateTree input) {
  std::vector<TemplateTree> children;
  children.push_back(std::move(input));
  std::string name = expect_name("a filter");
  TemplateTree node = make(Kind::kFilter, std::move(children), std::move(name));
  if (at_operator("(")) parse_arguments(*node);
  return node;
}

// Whether what follows a test's name is its argument, written without brackets.
bool TemplateParser::at_argument() const {
  switch (current().kind) {
    case Token::kName:
      return !at_name("else") && !at_name("or") && !at_name("and") && !at_name("if") &&
             !at_name("in") && !at_name("not") && !at_name("is") && !at_name("recursive");
    case Token::kString:
    case Token::kInteger:
    case Token::kFloat:
      return true;
    default:
      return at_operator("[") || at_operator("{");
  }
}

TemplateTree TemplateParser::parse_test(TemplateTree input) {
  const bool is_negated = take_name("not");
  std::vector<TemplateTree> children;
  children.push_back(std::move(input));
  std::string name = expect_name("a test");
  TemplateTree node = make(Kind::kTest, std::move(children), std::move(name));
  if (at_operator("(")) {
    parse_arguments(*node);
  } else if (at_argument()) {
    node->names.emplace_back();
    node->children.push_back(parse_postfix(parse_primary()));
    node->depth = std::max(node->depth, node->children.back()->depth + 1);
  }
  if (!is_negated) return node;
  std::vector<TemplateTree> negated;
  negated.push_back(std::move(node));
  return make(Kind::kNot, std::move(negated));
}

}  // namespace weft
