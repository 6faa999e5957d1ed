// TemplateParser: Jinja's grammar by recursive descent, with Jinja's own precedence. What is behind
// parse_template(); keeps the first error and then leaves everything quickly.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/template_ast.h"
#include "model/template_lexer.h"

namespace weft {

class TemplateParser {
 public:
  explicit TemplateParser(std::vector<TemplateToken> tokens) : tokens_(std::move(tokens)) {}
  Result<TemplateTree> run();

 private:
  using Kind = TemplateNode::Kind;
  using Token = TemplateToken::Kind;

  // Tokens.
  [[nodiscard]] const TemplateToken& current() const { return tokens_[at_]; }
  [[nodiscard]] const TemplateToken& ahead(size_t count) const;
  [[nodiscard]] bool at_operator(std::string_view text) const;
  [[nodiscard]] bool at_name(std::string_view text) const;
  bool take_operator(std::string_view text);
  bool take_name(std::string_view text);
  void expect_operator(std::string_view text);
  std::string expect_name(std::string_view what);
  void next();

  // Nodes and errors.
  TemplateTree make(Kind kind, std::vector<TemplateTree> children = {}, std::string text = "");
  TemplateTree constant(TemplateValue value);
  TemplateTree fail(std::string message);
  [[nodiscard]] bool failed() const { return !problem_.empty(); }
  [[nodiscard]] std::string found() const;

  // Statements: template_parser.cpp.
  TemplateTree parse_body(const std::vector<std::string_view>& ends);
  TemplateTree parse_output();
  TemplateTree parse_statement();
  TemplateTree parse_if();
  TemplateTree parse_for();
  TemplateTree parse_set();
  TemplateTree parse_macro();
  TemplateTree parse_with();
  TemplateTree parse_filter_block();
  TemplateTree parse_generation();
  TemplateTree parse_target(bool with_attribute);
  void expect_block_end();
  void end_statement(std::string_view name);

  // Expressions: template_expression.cpp.
  TemplateTree parse_expression(bool with_choice = true);
  TemplateTree parse_tuple(bool with_choice = true);
  TemplateTree parse_or();
  TemplateTree parse_and();
  TemplateTree parse_not();
  TemplateTree parse_compare();
  TemplateTree parse_sum();
  TemplateTree parse_concat();
  TemplateTree parse_product();
  TemplateTree parse_power();
  TemplateTree parse_unary(bool with_filters);
  TemplateTree parse_primary();
  TemplateTree parse_name();
  TemplateTree parse_number();
  TemplateTree parse_list();
  TemplateTree parse_dict();
  TemplateTree parse_postfix(TemplateTree node);
  TemplateTree parse_subscript(TemplateTree node);
  TemplateTree parse_call(TemplateTree callee);
  TemplateTree parse_filters(TemplateTree node);
  TemplateTree parse_filter(TemplateTree input);
  TemplateTree parse_test(TemplateTree input);
  void parse_arguments(TemplateNode& node);
  [[nodiscard]] bool at_argument() const;
  TemplateTree binary(Kind kind, TemplateTree left, TemplateTree right, std::string text = "");

  std::vector<TemplateToken> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;  // open around here, for break and continue
  std::string problem_;
  int problem_line_ = 1;
};

}  // namespace weft
