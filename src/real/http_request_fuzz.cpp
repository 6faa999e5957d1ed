// Fuzz target: any bytes read as requests give the same ones however they are cut into parts, or a
// refusal that HTTP has a status for. The first byte says where to cut.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "real/http_request_reader.h"

namespace {

using weft::HttpReaderLimits;
using weft::HttpRequest;
using weft::HttpRequestReader;

void check_request(const HttpRequest& request, const HttpReaderLimits& limits) {
  CHECK(!request.method.empty() && request.method.find(' ') == std::string::npos);
  CHECK(request.target[0] == '/' || request.target == "*");
  CHECK(request.target.find_first_of("? \r\n") == std::string::npos);
  CHECK(request.body.size() <= limits.max_body_bytes);
  CHECK(request.request_id.size() <= 128);
  for (const auto& [name, value] : request.headers) {
    CHECK(!name.empty() && value.find_first_of("\r\n") == std::string::npos);
  }
}

std::vector<HttpRequest> read_all(std::string_view bytes, size_t step,
                                  const HttpReaderLimits& limits) {
  HttpRequestReader reader(limits);
  std::vector<HttpRequest> requests;
  std::string in;
  while (!bytes.empty() && reader.state() != HttpRequestReader::State::kFailed) {
    in += bytes.substr(0, step);
    bytes.remove_prefix(std::min(step, bytes.size()));
    for (;;) {
      const size_t taken = reader.feed(in);
      CHECK(taken <= in.size());
      in.erase(0, taken);
      if (reader.state() != HttpRequestReader::State::kDone) break;
      requests.push_back(reader.take());
      check_request(requests.back(), limits);
    }
    CHECK(in.size() <= limits.max_header_bytes ||
          reader.state() == HttpRequestReader::State::kFailed);
  }
  if (reader.state() == HttpRequestReader::State::kFailed) {
    CHECK(reader.error_status() >= 400 && reader.error_status() <= 599);
    CHECK(!reader.error().empty() && reader.error().find('\n') == std::string::npos);
  }
  return requests;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t step = size_t{1} + data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  read_all(bytes, step, {.max_header_bytes = 200, .max_body_bytes = 50});
  const HttpReaderLimits wide{.max_header_bytes = size + 1, .max_body_bytes = size};
  const auto whole = read_all(bytes, size, wide);
  const auto parts = read_all(bytes, step, wide);
  CHECK(whole.size() == parts.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    CHECK(whole[i].method == parts[i].method && whole[i].target == parts[i].target);
    CHECK(whole[i].query == parts[i].query && whole[i].headers == parts[i].headers);
    CHECK(whole[i].body == parts[i].body && whole[i].keep_alive == parts[i].keep_alive);
  }
  return 0;
}
