// Any bytes as a stream of events: however they are cut, the events are the same; and every event's
// data read as a chunk is a chunk or one line of error. The first byte chooses the cuts.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "real/completion_chunk.h"
#include "real/sse_parser.h"

namespace {

constexpr size_t kMostBytes = 4096;

std::vector<std::string> events_of(std::string_view bytes, size_t piece, bool& overflowed) {
  weft::SseParser parser(kMostBytes);
  std::vector<std::string> events;
  std::string_view data;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    parser.feed(bytes.substr(at, piece));
    while (parser.next(data)) {
      CHECK(data.size() <= kMostBytes);
      events.emplace_back(data);
    }
  }
  overflowed = parser.overflowed();
  return events;
}

void read_as_everything(weft::CompletionReader& reader, const std::string& data) {
  const auto one_line = [](const std::string& text) {
    CHECK(text.find('\n') == std::string::npos && text.size() < 300);
  };
  if (auto chunk = reader.read(data)) {
    CHECK(chunk->prompt_tokens.value_or(0) >= 0 && chunk->completion_tokens.value_or(0) >= 0);
    one_line(chunk->error);
  } else {
    one_line(chunk.error().message);
  }
  one_line(reader.read_error(data));
  if (auto models = reader.read_models(data); !models) one_line(models.error().message);
  if (auto count = reader.read_token_count(data)) CHECK(*count >= 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  size_t piece = 1;
  if (bytes.size() >= 2) {
    piece = 1 + static_cast<unsigned char>(bytes[0]) % 64;
    bytes.remove_prefix(1);
  }
  bool whole_overflowed = false;
  bool cut_overflowed = false;
  const auto whole = events_of(bytes, bytes.size() + 1, whole_overflowed);
  const auto cut = events_of(bytes, piece, cut_overflowed);
  // A limit is noticed after the whole lines before it: then the shorter list begins the longer.
  for (size_t i = 0; i < whole.size() && i < cut.size(); ++i) CHECK(whole[i] == cut[i]);
  if (!whole_overflowed && !cut_overflowed) CHECK(whole.size() == cut.size());
  weft::CompletionReader reader;
  for (const std::string& event : whole) read_as_everything(reader, event);
  read_as_everything(reader, std::string(bytes));
  return 0;
}
