// The tree of a chat template: one kind of node for expressions and statements, so that reading,
// walking and freeing it are each written once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/template_value.h"

namespace weft {

struct TemplateNode {
  enum class Kind {
    // Expressions; `children` in this order.
    kConstant,  // value
    kName,      // text
    kList,
    kTuple,
    kDict,       // key, value, key, value ...
    kAttribute,  // object; text
    kItem,       // object, key
    kSlice,      // object, start, stop, step; null where left out
    kCall,       // callee, arguments; names
    kFilter,     // input, arguments; text, names. Input null in a filter block
    kTest,       // input, arguments; text, names
    kNot,
    kNegative,
    kPositive,
    kBinary,   // left, right; text is the operator
    kAnd,      // left, right
    kOr,       // left, right
    kCompare,  // first, then one per operator; names holds the operators
    kConcat,   // two or more
    kChoice,   // condition, value, otherwise (or null)
    // Statements.
    kText,         // text
    kOutput,       // expression
    kSequence,     // statements
    kIf,           // condition, body, condition, body ... and perhaps the else body
    kFor,          // target, iterable, filter or null, body, else body or null
    kSet,          // target, value
    kSetBlock,     // target, body, filters or null
    kFilterBlock,  // body, filters
    kWith,         // target, value, target, value ..., body
    kMacro,        // body, defaults (null without); text, names of the parameters
    kBreak,
    kContinue,
  };
  Kind kind;
  int line = 1;
  int depth = 1;  // of the tree below, itself included
  std::string text;
  TemplateValue value;
  std::vector<std::unique_ptr<TemplateNode>> children;
  std::vector<std::string> names;  // of arguments, empty where positional
};

using TemplateTree = std::unique_ptr<TemplateNode>;

// kBadInput: "line N: ..." names what is wrong or not supported.
Result<TemplateTree> parse_template(std::string_view source);

}  // namespace weft
