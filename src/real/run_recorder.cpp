// Writing the lines.
#include "real/run_recorder.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <iterator>

namespace weft {

Result<std::unique_ptr<RunRecorder>> RunRecorder::create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return bad_input(fmt::format("{}: {}", path, std::strerror(errno)));
  return std::unique_ptr<RunRecorder>(new RunRecorder(file));
}

RunRecorder::~RunRecorder() { std::fclose(file_); }

void RunRecorder::begin(const std::string& settings) {
  fmt::print(file_, "weft-record 1 {}\n", settings);
}

void RunRecorder::turn(Instant now) { fmt::print(file_, "t {}\n", now.ns()); }

void RunRecorder::arrived(const NewRequest& request) {
  line_.clear();
  auto to = std::back_inserter(line_);
  fmt::format_to(to, "a {} {} {} {}", request.tag, request.prompt.count(),
                 request.max_output.count(), request.priority);
  for (const BlockHash hash : request.blocks) fmt::format_to(to, " {:x}", hash.value());
  line_ += '\n';
  std::fwrite(line_.data(), 1, line_.size(), file_);
}

void RunRecorder::cancelled(uint64_t tag) { fmt::print(file_, "c {}\n", tag); }

void RunRecorder::cancelled_on_news(uint64_t news, uint64_t tag) {
  fmt::print(file_, "n {} {}\n", news, tag);
}

void RunRecorder::step(NodeId node, std::span<const SequenceOutput> outputs) {
  line_.clear();
  auto to = std::back_inserter(line_);
  fmt::format_to(to, "s {} {}", node.value(), outputs.size());
  for (const SequenceOutput& output : outputs) {
    fmt::format_to(to, " {}{}", output.tokens, output.end ? "e" : "");
  }
  line_ += '\n';
  std::fwrite(line_.data(), 1, line_.size(), file_);
}

void RunRecorder::end(uint64_t digest, uint64_t requests) {
  fmt::print(file_, "e {:x} {}\n", digest, requests);
  std::fflush(file_);
}

}  // namespace weft
