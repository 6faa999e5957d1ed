// Any text as a [workload] table, and ServeGen's two files: requests in order or one clear error.
// Inputs that begin with 't' or 'd' go to the parsers of a client's trace and dataset.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "sim/workload.h"

namespace {

constexpr int kRequests = 200;

void check_error(const weft::Error& error) {
  CHECK(!error.message.empty() && error.message.find('\n') == std::string::npos);
}

void play(weft::Workload& workload) {
  weft::Arrival arrival;
  weft::Instant last;
  for (int i = 0; i < kRequests; ++i) {
    auto more = workload.next(arrival);
    if (!more) return check_error(more.error());
    if (!*more) return;
    CHECK(arrival.at >= last && arrival.prompt.count() > 0 && arrival.output.count() > 0);
    CHECK(arrival.id == static_cast<uint64_t>(i));
    last = arrival.at;
  }
}

// Text beyond ASCII is left to whoever fuzzes the TOML library: toml++ 3.3.0 reaches code that it
// declares unreachable on some of it.
void read_table(std::string_view text) {
  if (std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; })) return;
  auto file = weft::ConfigFile::parse(text, "fuzz");
  if (!file) return;
  auto spec = weft::read_workload_spec(file->root(), "");
  if (!spec) return;
  // Files belong to the other fuzzers.
  if (spec->kind != weft::WorkloadSpec::Kind::kMade || !spec->input.file.empty() ||
      !spec->output.file.empty()) {
    return;
  }
  auto workload = weft::Workload::from_spec(*spec, 1);
  if (!workload) return check_error(workload.error());
  play(*workload);
}

void read_client(bool trace, const std::string& bytes) {
  weft::ServegenClient client;
  double window_s = 0;
  const weft::Status status = trace ? weft::parse_servegen_windows("fuzz", bytes, client, window_s)
                                    : weft::parse_servegen_lengths("fuzz", bytes, client);
  if (!status) check_error(status.error());
  weft::Random random(1);
  for (const weft::ServegenLengths& lengths : client.lengths) {
    CHECK(lengths.input.draw(random).count() > 0 && lengths.output.draw(random).count() > 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("t\n") || text.starts_with("d\n")) {
    read_client(text[0] == 't', std::string(text.substr(2)));
  } else {
    read_table(text);
  }
  return 0;
}
