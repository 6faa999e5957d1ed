// Two small files per client. The dictionaries are Python's way to write them: {45: 0.0097, …}.
#include "sim/servegen_clients.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "sim/trace_bytes.h"
#include "sim/trace_lines.h"
#include "sim/trace_text.h"

namespace weft {
namespace {

constexpr uint64_t kMostMemberBytes = 64 * 1024 * 1024;
constexpr size_t kMostWindows = 100'000;
constexpr size_t kMostClients = 100'000;
constexpr double kMostRate = 1e7;

struct MemberName {
  int64_t client;
  bool trace;  // else dataset
};

// ".../chunk-12-trace.csv" or ".../chunk-12-dataset.json".
std::optional<MemberName> parse_member(std::string_view path) {
  constexpr std::string_view kFront = "chunk-";
  std::string_view name = path.substr(path.find_last_of("/:") + 1);
  if (!name.starts_with(kFront)) return std::nullopt;
  name.remove_prefix(kFront.size());
  MemberName out{};
  const auto [stop, code] = std::from_chars(name.data(), name.data() + name.size(), out.client);
  const std::string_view rest = name.substr(static_cast<size_t>(stop - name.data()));
  out.trace = rest == "-trace.csv";
  if (code != std::errc{} || out.client < 0 || (!out.trace && rest != "-dataset.json")) {
    return std::nullopt;
  }
  return out;
}

std::optional<double> parse_double(std::string_view text) {
  text = trim(text);
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc{} || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

// Takes one number off the front, up to `mark`; nothing when it is not there.
std::optional<double> take_number(std::string_view& text, char mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const auto value = parse_double(text.substr(0, at));
  text.remove_prefix(at + 1);
  return value;
}

struct Dictionary {
  std::vector<double> tokens, weights;
};

// "{45: 0.01, 46: 0.02}". Nothing when malformed.
std::optional<Dictionary> parse_dictionary(std::string_view text) {
  text = trim(text);
  if (!text.starts_with('{') || !text.ends_with('}')) return std::nullopt;
  text = trim(text.substr(1, text.size() - 2));
  Dictionary out;
  while (!text.empty()) {
    const auto tokens = take_number(text, ':');
    const size_t comma = std::min(text.find(','), text.size());
    const auto weight = parse_double(text.substr(0, comma));
    text = trim(text.substr(std::min(comma + 1, text.size())));
    if (!tokens || *tokens < 0 || *tokens > static_cast<double>(kMostTokens)) return std::nullopt;
    if (!weight || *weight < 0 || *weight > 1e9) return std::nullopt;
    out.tokens.push_back(std::max(*tokens, 1.0));
    out.weights.push_back(*weight);
  }
  return out;
}

// Empty dictionaries (no requests in that part of the day) give nothing; so does a sum of 0.
Result<std::optional<LengthDistribution>> to_lengths(const std::string& where,
                                                     std::string_view text) {
  auto dictionary = parse_dictionary(text);
  if (!dictionary) {
    return bad_input(fmt::format("{}: found {}, expected {{token count: probability, …}}", where,
                                 excerpt(text)));
  }
  double sum = 0;
  for (const double weight : dictionary->weights) sum += weight;
  if (sum <= 0) return std::optional<LengthDistribution>();
  return std::optional<LengthDistribution>(
      LengthDistribution::empirical(std::move(dictionary->tokens), dictionary->weights));
}

// One line of trace.csv. Errors say "found …, expected …".
Result<ServegenWindow> parse_window(std::string_view line, double& start_s) {
  std::vector<std::string_view> fields;
  split_csv(line, fields);
  const auto at = fields.size() == 6 ? parse_double(fields[0]) : std::nullopt;
  const auto rate = at ? parse_double(fields[1]) : std::nullopt;
  const auto shape = rate ? parse_double(fields[4]) : std::nullopt;
  if (!shape || *at < 0 || *rate < 0 || *rate > kMostRate) {
    return bad_input(
        fmt::format("found {}, expected six columns: start, rate, CV, distribution, "
                    "shape, scale",
                    excerpt(line)));
  }
  start_s = *at;
  ServegenWindow window;
  window.rate = *rate;
  if (window.rate == 0 || fields[3].empty()) return window;  // no pattern: Poisson
  window.weibull = fields[3] == "Weibull";
  window.shape = *shape;
  if ((!window.weibull && fields[3] != "Gamma") || !(*shape >= 1e-4 && *shape <= 1e4)) {
    return bad_input(
        fmt::format("found {}, expected Gamma or Weibull with a shape from 0.0001 to "
                    "10000",
                    excerpt(line)));
  }
  // Below, the gaps' mean passes what a double holds.
  if (window.weibull) window.shape = std::max(window.shape, 0.02);
  return window;
}

struct Parts {  // of one client, as its files come
  bool trace = false, dataset = false;
  ServegenClient client;
};

Status check_client(const std::string& path, const Parts& parts, const ServegenData& data) {
  const int64_t number = parts.client.number;
  if (!parts.trace || !parts.dataset) {
    return bad_input(fmt::format("{}: found no chunk-{}-{}, expected it beside the other", path,
                                 number, parts.trace ? "dataset.json" : "trace.csv"));
  }
  if (parts.client.windows.size() != data.windows) {
    return bad_input(
        fmt::format("{}: found {} windows in chunk-{}-trace.csv, expected {} as in the "
                    "others",
                    path, parts.client.windows.size(), number, data.windows));
  }
  for (size_t i = 0; i < data.windows; ++i) {
    const double start_s = static_cast<double>(i) * data.window_s;
    if (parts.client.windows[i].rate == 0) continue;
    if (!parts.client.lengths.empty() && parts.client.lengths.front().start_s <= start_s) continue;
    return bad_input(
        fmt::format("{}: found no lengths in chunk-{}-dataset.json for the window at {} "
                    "s, expected some: it has requests",
                    path, number, start_s));
  }
  return {};
}

}  // namespace

Status parse_servegen_windows(const std::string& name, const std::string& bytes,
                              ServegenClient& client, double& window_s) {
  auto lines = TraceLines::from_memory(bytes, name);
  if (!lines) return lines.error();
  std::string_view line;
  for (;;) {
    auto more = lines->next(line);
    if (!more) return more.error();
    if (!*more) break;
    double start_s = 0;
    auto window = parse_window(line, start_s);
    if (!window) return bad_input(fmt::format("{}: {}", lines->where(), window.error().message));
    if (client.windows.size() == 1 && window_s == 0) window_s = start_s;
    const double expected_s = static_cast<double>(client.windows.size()) * window_s;
    if (std::abs(start_s - expected_s) > 1e-6 || (client.windows.size() == 1 && window_s < 1)) {
      return bad_input(
          fmt::format("{}: found a window at {} s, expected {} s: windows of one length "
                      "from 0 on, 1 s or more",
                      lines->where(), start_s, expected_s));
    }
    if (client.windows.size() == kMostWindows) {
      return bad_input(fmt::format("{}: found over {} windows", lines->where(), kMostWindows));
    }
    client.windows.push_back(*window);
  }
  if (client.windows.size() >= 2) return {};
  return bad_input(
      fmt::format("{}: found {} windows, expected at least 2", name, client.windows.size()));
}

Status parse_servegen_lengths(const std::string& name, const std::string& bytes,
                              ServegenClient& client) {
  namespace dom = simdjson::dom;
  dom::parser parser;
  dom::object parts;
  if (parser.parse(simdjson::padded_string(bytes)).get(parts)) {
    return bad_input(fmt::format("{}: found {}, expected a JSON object", name, excerpt(bytes)));
  }
  for (const auto [key, value] : parts) {
    const std::string where = fmt::format("{}: {}", name, excerpt(key));
    const auto start_s = parse_double(key);
    std::string_view input, output;
    if (!start_s || *start_s < 0 || value["input_tokens"].get(input) ||
        value["output_tokens"].get(output)) {
      return bad_input(
          fmt::format("{}: expected seconds, with input_tokens and output_tokens", where));
    }
    auto inputs = to_lengths(where + ".input_tokens", input);
    if (!inputs) return inputs.error();
    auto outputs = to_lengths(where + ".output_tokens", output);
    if (!outputs) return outputs.error();
    if (*inputs && *outputs)
      client.lengths.push_back({*start_s, std::move(**inputs), std::move(**outputs)});
  }
  std::sort(client.lengths.begin(), client.lengths.end(),
            [](const auto& a, const auto& b) { return a.start_s < b.start_s; });
  return {};
}

Result<ServegenData> read_servegen(const std::string& path) {
  std::map<int64_t, Parts> found;
  ServegenData data;
  const auto wanted = [](const std::string& name) { return parse_member(name).has_value(); };
  const auto visit = [&](const std::string& name, const std::string& bytes) -> Status {
    const auto member = parse_member(name);
    Parts& parts = found[member->client];
    parts.client.number = member->client;
    bool& seen = member->trace ? parts.trace : parts.dataset;
    if (seen || found.size() > kMostClients) {
      return bad_input(
          fmt::format("{}: found a second one, expected the clients of one model", name));
    }
    seen = true;
    if (member->trace) return parse_servegen_windows(name, bytes, parts.client, data.window_s);
    return parse_servegen_lengths(name, bytes, parts.client);
  };
  if (Status status = visit_members(path, kMostMemberBytes, wanted, visit); !status) {
    return status.error();
  }
  if (found.empty()) {
    return bad_input(
        fmt::format("{}: found no chunk-N-trace.csv, expected ServeGen's clients", path));
  }
  data.windows = found.begin()->second.client.windows.size();
  for (auto& [number, parts] : found) {
    if (Status status = check_client(path, parts, data); !status) return status.error();
    data.clients.push_back(std::move(parts.client));
  }
  return data;
}

}  // namespace weft
