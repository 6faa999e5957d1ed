// What clients ask for, read from the bodies of OpenAI's API and checked: types, ranges, roles.
// Fields that are not known are passed over; those that would change the answer and are not
// supported are refused. docs/api.md lists all. null counts as absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/error.h"
#include "model/sampling.h"
#include "model/template_value.h"

namespace weft {

inline constexpr int32_t kMaxChoices = 128;           // n
inline constexpr size_t kMaxStopStrings = 16;         // stop
inline constexpr size_t kMaxStopBytes = 1024;         // each
inline constexpr size_t kMaxPrompts = 1024;           // prompts of a completion
inline constexpr size_t kMaxLogitBias = 16'384;       // entries
inline constexpr size_t kMaxTools = 1024;             // functions
inline constexpr int64_t kMaxOutput = 1'000'000'000;  // max_tokens

struct ResponseFormat {
  enum class Kind { kText, kJsonObject, kJsonSchema } kind = Kind::kText;
  TemplateValue schema;  // of kJsonSchema
  std::string param;     // where it came from, for messages
};

// What both kinds of request may say. Absent sampling fields are the model's defaults.
struct GenerationOptions {
  std::string model;  // "": not said
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<int32_t> top_k;
  std::optional<double> repetition_penalty;
  std::optional<double> presence_penalty;
  std::optional<double> frequency_penalty;
  std::vector<std::pair<int32_t, float>> logit_bias;  // by rising id, each once
  std::optional<uint64_t> seed;
  int32_t logprobs = -1;              // as SamplingParams
  std::optional<int64_t> max_tokens;  // 1 and more
  int64_t min_tokens = 0;             // before them no stop counts
  int32_t n = 1;
  std::vector<std::string> stop;
  std::vector<int32_t> stop_token_ids;
  bool ignore_eos = false;
  bool include_stop_in_output = false;  // include_stop_str_in_output
  bool skip_special_tokens = true;
  bool stream = false;
  bool include_usage = false;     // a last chunk with usage
  bool continuous_usage = false;  // every chunk with usage
  int64_t priority = 0;           // lower is sooner
  std::string user;
  ResponseFormat response_format;

  // `defaults` with what was said; the seed of the first choice (choice i takes seed + i) is
  // `otherwise_seed` unless said.
  [[nodiscard]] SamplingParams sampling(SamplingParams defaults, uint64_t otherwise_seed) const;
};

struct ToolFunction {
  std::string name;
  TemplateValue parameters;  // a JSON Schema; undefined: any object
};

struct ChatRequest {
  enum class ToolChoice { kNone, kAuto, kRequired, kNamed };

  GenerationOptions options;
  // Dicts with role, content (a string or none) and, where given, name, reasoning_content,
  // tool_call_id and tool_calls (id, type, function with name and arguments, a string).
  TemplateValue::List messages;
  TemplateValue tools;  // the list as it came; undefined without
  std::vector<ToolFunction> functions;
  ToolChoice tool_choice = ToolChoice::kNone;
  std::string tool_name;  // of kNamed
  bool parallel_tool_calls = true;
  bool add_generation_prompt = true;
  bool continue_final_message = false;
  TemplateValue template_arguments;  // chat_template_kwargs: a dict, or undefined
};

struct Prompt {
  std::string text;             // either this
  std::vector<int32_t> tokens;  // or these
  bool is_tokens = false;
};

struct CompletionRequest {
  GenerationOptions options;
  std::vector<Prompt> prompts;  // one at least; choice i of prompt p has index p * n + i
  bool add_special_tokens = true;
};

struct TokenizeRequest {
  std::string model;
  std::optional<std::string> prompt;  // or messages of a chat
  std::optional<ChatRequest> chat;
  bool add_special_tokens = true;
};
struct DetokenizeRequest {
  std::string model;
  std::vector<int32_t> tokens;
};

// Errors are 400 with `param`.
ApiResult<ChatRequest> parse_chat_request(std::string_view body);
ApiResult<CompletionRequest> parse_completion_request(std::string_view body);
ApiResult<TokenizeRequest> parse_tokenize_request(std::string_view body);
ApiResult<DetokenizeRequest> parse_detokenize_request(std::string_view body);

}  // namespace weft
