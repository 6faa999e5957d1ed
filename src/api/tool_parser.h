// ToolParser: tells calls of tools from text in what a model writes, piece by piece. Text goes out
// as it comes, but for what may be the beginning of a call and for blanks before one; a call comes
// out once it is whole. What begins like a call and is none comes out as text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/stop_strings.h"
#include "api/tool_format.h"

namespace weft {

struct ToolCall {
  std::string id;  // "call_" and 24 hexadecimal digits
  std::string name;
  std::string arguments;  // JSON, as the model spelled it
};

struct ToolOutput {
  std::string content;
  std::vector<ToolCall> calls;
};

class ToolParser {
 public:
  // With kNone all is text. `seed` makes the calls' ids: another for each choice of each answer.
  ToolParser(ToolFormat format, uint64_t seed);

  // What the piece makes clear.
  ToolOutput add(std::string_view piece);
  // What was held back: no more comes. A call without its closing marker counts when it is whole.
  ToolOutput finish();
  // How many came so far: any makes the finish reason "tool_calls".
  [[nodiscard]] size_t calls() const { return calls_; }

 private:
  enum class State { kStart, kText, kCall, kObject };

  void take_start(std::string& text, ToolOutput& out);
  void take_text(std::string& text, ToolOutput& out);
  void take_call(std::string& text, ToolOutput& out);
  void take_object(std::string& text, ToolOutput& out);
  void put_text(std::string_view text, ToolOutput& out);
  bool put_call(std::string_view body, ToolOutput& out);
  void enter_text();

  ToolFormat format_;
  uint64_t seed_;
  size_t calls_ = 0;
  State state_;
  StopStrings opening_;  // markers, while text comes
  StopStrings closing_;
  std::string body_;    // of the call that has begun
  std::string opened_;  // its marker
  std::string blanks_;  // before a call, perhaps
  // Of a bare object: how far it was read.
  size_t scanned_ = 0;
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace weft
