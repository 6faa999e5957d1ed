// The bytes of answers: heads, chunks and dates; nobody adds header lines of his own.
#include "real/http_response.h"

#include <gtest/gtest.h>

#include <string>

namespace weft {
namespace {

TEST(HttpResponse, HeadHoldsWhatIsGivenAndNothingElse) {
  std::string out = "before";
  append_head(out, {.status = 429, .content_type = "text/plain", .content_length = 3},
              {{"Retry-After", "2"}});
  EXPECT_EQ(out,
            "beforeHTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\n"
            "Content-Length: 3\r\nRetry-After: 2\r\n\r\n");
}

TEST(HttpResponse, ControlCharactersAddNoLines) {
  std::string out;
  append_head(out, {.content_type = "a\r\nb"}, {{"x:y\r\n", "1\r\nEvil: 2"}, {"", ""}});
  EXPECT_EQ(out,
            "HTTP/1.1 200 OK\r\nContent-Type: a  b\r\nx-y--: 1  Evil: 2\r\nx-unnamed: \r\n\r\n");
}

TEST(HttpResponse, RequestIdOfTheAnswerComesFirst) {
  std::string out;
  append_head(out, {.request_id = "of-request"}, {{"X-Request-Id", "of-answer"}});
  EXPECT_EQ(out.find("of-request"), std::string::npos);
  EXPECT_NE(out.find("X-Request-Id: of-answer\r\n"), std::string::npos);
}

TEST(HttpResponse, ChunksSayTheirLengthInHexadecimal) {
  std::string out;
  append_chunk(out, std::string(26, 'z'));
  EXPECT_EQ(out, "1a\r\n" + std::string(26, 'z') + "\r\n");
}

TEST(HttpResponse, DatesAreThoseOfTheStandard) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(HttpResponse, EveryStatusHasAPhrase) {
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(505), "HTTP Version Not Supported");
  EXPECT_EQ(reason_phrase(299), "Status");
  EXPECT_FALSE(status_has_body(204) || status_has_body(304) || status_has_body(100));
  EXPECT_TRUE(status_has_body(200) && status_has_body(404));
}

}  // namespace
}  // namespace weft
