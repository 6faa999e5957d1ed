// Answers' heads, appended to the buffer that is sent, without streams in between.
#include "real/http_response.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <iterator>

#include "base/check.h"
#include "real/http_text.h"

namespace weft {
namespace {

struct Reason {
  int status;
  std::string_view phrase;
};

constexpr auto kReasons = std::to_array<Reason>({
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
});

void append_value(std::string& out, std::string_view value) {
  const size_t from = out.size();
  out += value;
  for (size_t i = from; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    if (byte < 0x20 || byte == 0x7f) out[i] = ' ';
  }
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out += name;
  out += ": ";
  append_value(out, value);
  out += "\r\n";
}

void append_extra(std::string& out, const HttpHeaders& extra) {
  for (const auto& [name, value] : extra) {
    const size_t from = out.size();
    out += name.empty() ? std::string_view("x-unnamed") : std::string_view(name);
    for (size_t i = from; i < out.size(); ++i) {
      if (!is_token_char(out[i])) out[i] = '-';
    }
    out += ": ";
    append_value(out, value);
    out += "\r\n";
  }
}

}  // namespace

std::string_view reason_phrase(int status) {
  const auto at =
      std::lower_bound(kReasons.begin(), kReasons.end(), status,
                       [](const Reason& row, int wanted) { return row.status < wanted; });
  return at != kReasons.end() && at->status == status ? at->phrase : "Status";
}

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

void append_head(std::string& out, const HttpResponseHead& head, const HttpHeaders& extra) {
  CHECK(head.status >= 100 && head.status <= 599, "a status of HTTP");
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", head.status,
                 reason_phrase(head.status));
  append_header(out, "Content-Type", head.content_type);
  if (head.content_length) {
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", *head.content_length);
  }
  if (head.chunked) append_header(out, "Transfer-Encoding", "chunked");
  append_header(out, "Connection", head.connection);
  append_header(out, "Date", head.date);
  append_header(out, "Server", head.server);
  const bool has_id = std::any_of(extra.begin(), extra.end(), [](const auto& header) {
    return equal_ignoring_case(header.first, kRequestIdHeader);
  });
  if (!has_id) append_header(out, kRequestIdHeader, head.request_id);
  append_extra(out, extra);
  out += "\r\n";
}

void append_chunk(std::string& out, std::string_view part) {
  std::array<char, 18> size;
  auto [end, error] = std::to_chars(size.data(), size.data() + 16, part.size(), 16);
  *end++ = '\r';
  *end++ = '\n';
  out.append(size.data(), end);
  out += part;
  out += "\r\n";
}

std::string http_date(int64_t unix_seconds) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                     "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(time - days);
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(days).c_encoding()],
      static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
      static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
      clock.seconds().count());
}

}  // namespace weft
