// Requests read from memory: whole, byte by byte, one after the other, and the refused ones.
#include "real/http_request_reader.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace weft {
namespace {

using State = HttpRequestReader::State;

constexpr HttpReaderLimits kLimits{.max_header_bytes = 1024, .max_body_bytes = 64};

// Reads everything in `bytes`, given in parts of `step`, as the connection does.
std::vector<HttpRequest> read_all(HttpRequestReader& reader, std::string_view bytes, size_t step) {
  std::vector<HttpRequest> requests;
  std::string in;
  while (!bytes.empty()) {
    in += bytes.substr(0, step);
    bytes.remove_prefix(std::min(step, bytes.size()));
    for (;;) {
      in.erase(0, reader.feed(in));
      if (reader.state() != State::kDone) break;
      requests.push_back(reader.take());
    }
  }
  return requests;
}

struct Refusal {
  const char* name;
  std::string bytes;
  int status;
};

class HttpRefusals : public testing::TestWithParam<Refusal> {};

TEST_P(HttpRefusals, HaveTheirStatusHoweverTheyArrive) {
  for (const size_t step : {size_t{1}, size_t{7}, size_t{100000}}) {
    HttpRequestReader reader(kLimits);
    EXPECT_TRUE(read_all(reader, GetParam().bytes, step).empty());
    ASSERT_EQ(reader.state(), State::kFailed) << step;
    EXPECT_EQ(reader.error_status(), GetParam().status) << reader.error();
    EXPECT_FALSE(reader.error().empty());
    EXPECT_EQ(reader.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0U);
  }
}

std::string with_header(const std::string& lines) {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    All, HttpRefusals,
    testing::Values(
        Refusal{"no_http", "hello there\r\n\r\n", 400},
        Refusal{"binary", std::string("\x16\x03\x01\x02\x00\x01\x00", 7) + "\r\n\r\n", 400},
        Refusal{"version_2", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        Refusal{"no_host", "GET / HTTP/1.1\r\n\r\n", 400},
        Refusal{"two_hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
        Refusal{"target", "GET nothing HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        Refusal{"field_name", with_header("a b: c\r\n"), 400},
        Refusal{"field_value", with_header("a: b\x01\r\n"), 400},
        Refusal{"length", with_header("Content-Length: 1x\r\n"), 400},
        Refusal{"negative_length", with_header("Content-Length: -1\r\n"), 400},
        Refusal{"two_lengths", with_header("Content-Length: 1\r\nContent-Length: 2\r\n"), 400},
        Refusal{"both_framings", with_header("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
                400},
        Refusal{"coding", with_header("Transfer-Encoding: gzip, chunked\r\n"), 501},
        Refusal{"coding_of_10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        Refusal{"expectation", with_header("Content-Length: 1\r\nExpect: tea\r\n"), 417},
        Refusal{"chunk_size", with_header("Transfer-Encoding: chunked\r\n") + "zz\r\n\r\n", 400},
        Refusal{"chunk_end", with_header("Transfer-Encoding: chunked\r\n") + "1\r\nabcd\r\n", 400},
        Refusal{"long_body", with_header("Content-Length: 65\r\n"), 413},
        Refusal{"huge_body", with_header("Content-Length: 18446744073709551615\r\n"), 413},
        Refusal{"long_chunks",
                with_header("Transfer-Encoding: chunked\r\n") + "40\r\n" + std::string(64, 'a') +
                    "\r\n1\r\nb\r\n0\r\n\r\n",
                413},
        Refusal{"long_target", "GET /" + std::string(2000, 'a') + " HTTP/1.1\r\n", 431},
        Refusal{"long_header", with_header("a: " + std::string(2000, 'b') + "\r\n"), 431},
        Refusal{"long_chunk_line",
                with_header("Transfer-Encoding: chunked\r\n") + "1;" + std::string(3000, 'a'),
                431}),
    [](const auto& refusal) { return std::string(refusal.param.name); });

TEST(HttpRequestReader, ReadsPipelinedRequestsWhateverThePartsTheyComeIn) {
  const std::string bytes =
      "\r\nGET /v1/models?a=b?c HTTP/1.1\r\nHost: x\r\nX-Request-ID: mine\r\n\r\n"
      "POST /chat HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\n\r\nhello"
      "POST http://proxy.example/up?q HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "3;note=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
      "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\nX-Request-Id: not sane\r\n\r\n";
  rc::check([&bytes] {
    HttpRequestReader reader(kLimits);
    const auto requests = read_all(reader, bytes, *rc::gen::inRange<size_t>(1, bytes.size() + 1));
    RC_ASSERT(requests.size() == 4U);
    RC_ASSERT(reader.state() == State::kIdle);
    RC_ASSERT(requests[0].method == "GET" && requests[0].target == "/v1/models");
    RC_ASSERT(requests[0].query == "a=b?c" && requests[0].request_id == "mine");
    RC_ASSERT(requests[0].keep_alive && requests[0].header("host") == "x");
    RC_ASSERT(requests[0].header("none").empty());
    RC_ASSERT(requests[1].body == "hello" && requests[1].request_id.empty());
    RC_ASSERT(requests[2].target == "/up" && requests[2].query == "q");
    RC_ASSERT(requests[2].body == "abcde");
    RC_ASSERT(requests[3].method == "HEAD" && requests[3].minor_version == 0);
    RC_ASSERT(requests[3].keep_alive && requests[3].request_id.empty());
  });
}

TEST(HttpRequestReader, AsksForTheBodyOnceWhenTheClientWaitsForThat) {
  HttpRequestReader reader(kLimits);
  const std::string head = with_header("Content-Length: 2\r\nExpect: 100-Continue\r\n");
  EXPECT_FALSE(reader.take_continue());
  EXPECT_EQ(reader.feed(head), head.size());
  EXPECT_EQ(reader.state(), State::kBody);
  EXPECT_TRUE(reader.take_continue());
  EXPECT_FALSE(reader.take_continue());
  EXPECT_EQ(reader.feed("ok"), 2U);
  ASSERT_EQ(reader.state(), State::kDone);
  EXPECT_EQ(reader.take().body, "ok");
}

TEST(HttpRequestReader, CloseAndTheOldVersionAreNotKeptAlive) {
  HttpRequestReader reader(kLimits);
  const auto requests = read_all(
      reader, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET / HTTP/1.0\r\n\r\n", 1000);
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_FALSE(requests[0].keep_alive);
  EXPECT_FALSE(requests[1].keep_alive);
}

}  // namespace
}  // namespace weft
