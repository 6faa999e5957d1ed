// simdjson's on-demand reader over each line; numbers are parsed by our own exact parsers.
#include "sim/trace_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/flat_map.h"
#include "sim/trace_lines.h"
#include "sim/trace_text.h"

namespace weft {
namespace {

namespace ondemand = simdjson::ondemand;
static_assert(simdjson::SIMDJSON_PADDING <= kLinePadding);

constexpr int64_t kMooncakeHashTokens = 512;
constexpr int64_t kBailianHashTokens = 16;

enum Seen : unsigned {
  kTimestamp = 1,
  kInputLength = 2,
  kOutputLength = 4,
  kHashIds = 8,
  kChat = 16,
  kParent = 32,
  kArrivalTime = 64,
  kInputToks = 128,
  kOutputToks = 256,
};

struct KnownKey {
  std::string_view name;
  Seen seen;
};

constexpr KnownKey kKeys[] = {
    {"timestamp", kTimestamp},
    {"input_length", kInputLength},
    {"output_length", kOutputLength},
    {"hash_ids", kHashIds},
    {"chat_id", kChat},
    {"parent_chat_id", kParent},
    {"arrival_time", kArrivalTime},
    {"input_toks", kInputToks},
    {"output_toks", kOutputToks},
};

unsigned key_bit(std::string_view key) {
  for (const KnownKey& known : kKeys) {
    if (known.name == key) return known.seen;
  }
  return 0;
}

std::string key_names(unsigned bits) {
  std::string out;
  for (const KnownKey& known : kKeys) {
    if ((bits & known.seen) == 0) continue;
    if (!out.empty()) out += ", ";
    out += known.name;
  }
  return out;
}

unsigned needed_keys(TraceFormat format) {
  if (format == TraceFormat::kEngineLog) return kArrivalTime | kInputToks | kOutputToks;
  const unsigned lengths = kTimestamp | kInputLength | kOutputLength;
  return format == TraceFormat::kBailian ? lengths | kChat : lengths;
}

Error wrong(std::string_view text, unsigned key, std::string_view expected) {
  return bad_input(
      fmt::format("found {} for {}, expected {}", excerpt(trim(text)), key_names(key), expected));
}

Error not_json(std::string_view line) {
  return bad_input(fmt::format("found {}, expected one JSON object", excerpt(line)));
}

}  // namespace

struct JsonRows::State {
  ondemand::parser parser;
  FlatMap<uint64_t> first_chat;  // chat -> first chat of its conversation
  int64_t hash_tokens = kMooncakeHashTokens;

  // What one line holds, as it is read.
  unsigned seen = 0;
  int64_t chat = 0;
  int64_t parent = -1;

  Status read_object(std::string_view line, TraceRow& row, int time_digits);
  Status read_value(unsigned key, ondemand::value value, TraceRow& row, int time_digits);
  Status read_scalar(unsigned key, std::string_view text, TraceRow& row, int time_digits);
  Status read_hash_ids(ondemand::value value, TraceRow& row) const;
  Status fit_segments(TraceRow& row) const;
  uint64_t conversation();
};

JsonRows::JsonRows() : state_(std::make_unique<State>()) {}
JsonRows::JsonRows(JsonRows&&) noexcept = default;
JsonRows& JsonRows::operator=(JsonRows&&) noexcept = default;
JsonRows::~JsonRows() = default;

std::optional<JsonRows> JsonRows::from_first_line(std::string_view line) {
  JsonRows rows;
  ondemand::document document;
  ondemand::object object;
  if (rows.state_->parser.iterate(line.data(), line.size(), line.size() + kLinePadding)
          .get(document) ||
      document.get_object().get(object)) {
    return std::nullopt;
  }
  unsigned seen = 0;
  for (auto field : object) {
    std::string_view key;
    if (field.unescaped_key().get(key)) return std::nullopt;
    seen |= key_bit(key);
  }
  for (const TraceFormat format :
       {TraceFormat::kBailian, TraceFormat::kMooncake, TraceFormat::kEngineLog}) {
    if ((seen & needed_keys(format)) != needed_keys(format)) continue;
    rows.format_ = format;
    if (format == TraceFormat::kBailian) rows.state_->hash_tokens = kBailianHashTokens;
    return rows;
  }
  return std::nullopt;
}

Status JsonRows::apply(const TraceOptions& options) {
  if (options.hash_tokens > 0) state_->hash_tokens = options.hash_tokens;
  if (!options.served_lengths) return {};
  return bad_input("found JSON lines, expected an APEX CSV (lengths = \"served\" is for those)");
}

Status JsonRows::State::read_hash_ids(ondemand::value value, TraceRow& row) const {
  ondemand::array ids;
  if (value.get_array().get(ids)) return bad_input("found no array for hash_ids, expected one");
  row.segments.clear();
  for (auto item : ids) {
    uint64_t id = 0;
    if (item.get_uint64().get(id)) {
      return bad_input(fmt::format("found no whole number in place {} of hash_ids, expected one",
                                   row.segments.size()));
    }
    row.segments.push_back({id, Tokens(hash_tokens)});
  }
  return {};
}

Status JsonRows::State::read_scalar(unsigned key, std::string_view text, TraceRow& row,
                                    int time_digits) {
  std::optional<int64_t> number;
  switch (key) {
    case kTimestamp:
    case kArrivalTime:
      number = parse_scaled(text, time_digits);
      if (!number || *number < 0) return wrong(text, key, "a time of 0 or more");
      row.at_ns = *number;
      return {};
    case kInputLength:
    case kInputToks:
    case kOutputLength:
    case kOutputToks:
      number = parse_tokens(text);
      if (!number) {
        return wrong(text, key, fmt::format("a token count from 0 to {}", kMostTokens));
      }
      (key == kInputLength || key == kInputToks ? row.prompt : row.output) = *number;
      return {};
    default:
      number = parse_scaled(text, 0);
      if (!number) return wrong(text, key, "a whole number");
      (key == kChat ? chat : parent) = *number;
      return {};
  }
}

Status JsonRows::State::read_value(unsigned key, ondemand::value value, TraceRow& row,
                                   int time_digits) {
  if (key == kHashIds) return read_hash_ids(value, row);
  return read_scalar(key, value.raw_json_token(), row, time_digits);
}

Status JsonRows::State::read_object(std::string_view line, TraceRow& row, int time_digits) {
  ondemand::document document;
  ondemand::object object;
  if (parser.iterate(line.data(), line.size(), line.size() + kLinePadding).get(document) ||
      document.get_object().get(object)) {
    return not_json(line);
  }
  seen = 0;
  parent = -1;
  row.segments.clear();
  for (auto field : object) {
    std::string_view key;
    ondemand::value value;
    if (field.unescaped_key().get(key) || field.value().get(value)) return not_json(line);
    const unsigned bit = key_bit(key);
    if (bit == 0) continue;
    if (Status status = read_value(bit, value, row, time_digits); !status) return status;
    seen |= bit;
  }
  const char* behind = nullptr;
  if (document.current_location().get(behind) == simdjson::SUCCESS) return not_json(line);
  return {};
}

// Cuts the last segment to the prompt's end. More ids than the prompt has room for is an error;
// with fewer, the rest of the prompt is like no other.
Status JsonRows::State::fit_segments(TraceRow& row) const {
  const auto count = static_cast<int64_t>(row.segments.size());
  const int64_t most = ceil_div(row.prompt, hash_tokens);
  if (count > most) {
    return bad_input(
        fmt::format("found {} hash_ids for {} tokens, expected at most {} of {} tokens "
                    "each",
                    count, row.prompt, most, hash_tokens));
  }
  if (count == most && count > 0) {
    row.segments.back().tokens = Tokens(row.prompt - (count - 1) * hash_tokens);
  }
  return {};
}

// The first chat of the chain names the conversation. A parent that the file does not hold counts
// as the first one.
uint64_t JsonRows::State::conversation() {
  auto first = static_cast<uint64_t>(chat);
  if (parent >= 0) {
    const uint64_t* root = first_chat.find(static_cast<uint64_t>(parent));
    first = root == nullptr ? static_cast<uint64_t>(parent) : *root;
  }
  first_chat.insert(static_cast<uint64_t>(chat), first);
  return first + 1;
}

Status JsonRows::decode(std::string_view line, TraceRow& row) {
  const int time_digits = format_ == TraceFormat::kMooncake ? 6 : 9;  // ms or s to ns
  if (Status status = state_->read_object(line, row, time_digits); !status) return status;
  const unsigned missing = needed_keys(format_) & ~state_->seen;
  if (missing != 0) {
    return bad_input(
        fmt::format("found no {} in {}, expected it", key_names(missing), excerpt(line)));
  }
  row.priority = 0;
  row.deadline = Duration();
  row.conversation = format_ == TraceFormat::kBailian ? state_->conversation() : 0;
  return state_->fit_segments(row);
}

}  // namespace weft
