// Any bytes as a trace: rows or one clear error, never a crash. The first byte chooses the options.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "sim/segments.h"
#include "sim/trace.h"

namespace {

constexpr int64_t kMostHashed = 1 << 20;  // tokens; longer prompts are valid but slow to hash

void check_row(const weft::TraceRow& row) {
  int64_t known = 0;
  for (const weft::Segment& segment : row.segments) {
    CHECK(segment.tokens.count() > 0);
    known += segment.tokens.count();
  }
  CHECK(row.prompt > 0 && row.output > 0 && row.at_ns >= 0 && row.deadline.count() >= 0);
  CHECK(known <= row.prompt);
}

void check_error(const weft::Error& error) {
  CHECK(error.message.starts_with("fuzz"));
  CHECK(error.message.find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  weft::TraceOptions options;
  if (!bytes.empty()) {
    options.served_lengths = bytes[0] == 's';
    options.hash_tokens = bytes[0] == 'h' ? 64 : 0;
    if (bytes[0] == 's' || bytes[0] == 'h') bytes.remove_prefix(1);
  }
  auto reader = weft::TraceReader::from_memory(bytes, "fuzz", options);
  if (!reader) return check_error(reader.error()), 0;
  weft::TraceRow row;
  weft::Arrival arrival;
  std::vector<weft::BlockHash> hashes;
  int64_t last = 0;
  for (;;) {
    auto more = reader->next(row);
    if (!more) return check_error(more.error()), 0;
    if (!*more) return 0;
    check_row(row);
    CHECK(row.at_ns >= last);
    last = row.at_ns;
    if (row.prompt > kMostHashed) continue;
    arrival.prompt = weft::Tokens(row.prompt);
    arrival.segments = row.segments;
    weft::hash_blocks(arrival, weft::Tokens(16), 1, hashes);
    CHECK(static_cast<int64_t>(hashes.size()) == row.prompt / 16);
  }
}
