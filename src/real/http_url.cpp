// URLs of servers, as people type them.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "real/load_client.h"

namespace weft {

namespace {

Error wrong_url(const std::string& text) {
  return bad_input(
      fmt::format("url: found \"{}\", expected http://HOST:PORT with or without a path", text));
}

bool is_port(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port < 65536;
}

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

std::string HttpUrl::authority() const {
  const bool six = host.find(':') != std::string::npos;
  return six ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string HttpUrl::base() const { return fmt::format("http://{}{}", authority(), path); }

Result<HttpUrl> parse_http_url(const std::string& text) {
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    return bad_input(fmt::format(
        "url: found \"{}\", expected http://: TLS is not spoken here, put a proxy before it",
        text));
  }
  if (!rest.starts_with("http://") || !is_plain(rest)) return wrong_url(text);
  rest.remove_prefix(7);
  HttpUrl url;
  url.text = text;
  url.port = "80";
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = rest.substr(slash);
  if (path.find_first_of("?#") != std::string_view::npos) return wrong_url(text);
  if (authority.find_first_of("@?#") != std::string_view::npos) return wrong_url(text);
  size_t colon = authority.rfind(':');
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return wrong_url(text);
    url.host = authority.substr(1, close - 1);
    if (close + 1 < authority.size() && authority[close + 1] != ':') return wrong_url(text);
    colon = close + 1 < authority.size() ? close + 1 : std::string_view::npos;
  } else {
    url.host = authority.substr(0, std::min(colon, authority.size()));
    if (url.host.find(':') != std::string::npos) return wrong_url(text);
  }
  if (colon != std::string_view::npos) {
    url.port = authority.substr(colon + 1);
    if (!is_port(url.port)) return wrong_url(text);
  }
  if (url.host.empty()) return wrong_url(text);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.ends_with("/v1")) path.remove_suffix(3);
  url.path = path;
  return url;
}

}  // namespace weft
