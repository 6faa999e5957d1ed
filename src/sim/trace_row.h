// TraceRow: what one line of a trace says; TraceFormat: whose lines they are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "sim/segments.h"

namespace weft {

enum class TraceFormat {
  kMooncake,   // JSON lines: timestamp (ms), input_length, output_length, hash_ids of 512 tokens
  kBailian,    // JSON lines: also chat_id, parent_chat_id; timestamp in s, hash_ids of 16 tokens
  kEngineLog,  // JSON lines: arrival_time (s), input_toks, output_toks
  kAzure,      // CSV: TIMESTAMP (a date), ContextTokens, GeneratedTokens
  kBurstGpt,   // CSV: Timestamp (s), Request tokens, Response tokens
  kApex,       // CSV: StartTimeOffset_ns, ContextTokens, GeneratedTokens, Measured8TP_…
  kCsv,        // CSV: arrival_s, input_tokens, output_tokens and, if there, priority, deadline_s,
               // conversation
  kLengths,    // CSV without times: num_prefill_tokens, num_decode_tokens, or input_tokens,
               // output_tokens
};

// "Mooncake", "Azure", …
std::string_view trace_format_name(TraceFormat format);

struct TraceOptions {
  bool served_lengths = false;  // APEX: the token counts that were served, where they are known
  int64_t hash_tokens = 0;      // tokens of one hash id; 0: what the format says
};

struct TraceRow {
  int64_t at_ns = 0;  // on the file's own clock
  int64_t prompt = 0;
  int64_t output = 0;
  int priority = 0;
  Duration deadline;
  uint64_t conversation = 0;
  std::vector<Segment> segments;
  uint64_t line = 0;
};

}  // namespace weft
