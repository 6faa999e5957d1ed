// The recorded lines become turns of a clock and what is posted in each.
#include "apps/replay.h"

#include <fmt/format.h>

#include <charconv>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "node/cluster.h"
#include "ports/clock.h"
#include "real/cpu_cluster.h"
#include "real/local_transport.h"

namespace weft {

namespace {

struct Line {
  char kind = 0;
  int64_t number = 0;  // in the file
  std::vector<std::string> fields;
};

// Words of a line, without its kind.
class Fields {
 public:
  Fields(const std::string& path, const Line& line) : path_(path), line_(line) {}

  [[nodiscard]] size_t count() const { return line_.fields.size(); }
  template <class T>
  T number(size_t index, int base = 10) {
    T value = 0;
    const std::string_view text = index < count() ? line_.fields[index] : std::string_view();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
      fail(fmt::format("found \"{}\", expected a number", text));
    }
    return value;
  }
  void fail(const std::string& what) {
    if (!error_) error_ = bad_input(fmt::format("{}:{}: {}", path_, line_.number, what));
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  const std::string& path_;
  const Line& line_;
  std::optional<Error> error_;
};

// Steps end when the record says so.
class ReplayDevice final : public Device {
 public:
  void submit(const Batch& batch, StepDone done) override {
    batch_ = &batch;
    done_ = std::move(done);
  }
  [[nodiscard]] bool fits(size_t outputs) const {
    return batch_ != nullptr && batch_->work.size() == outputs;
  }
  // Requires that it fits.
  void finish(std::span<const SequenceOutput> outputs) {
    batch_ = nullptr;
    const StepDone done = std::move(done_);
    done({outputs, {}});
  }

 private:
  const Batch* batch_ = nullptr;
  StepDone done_;
};

// Its next turn is the next that was recorded; what happened there is posted first.
class ReplayClock final : public Clock {
 public:
  ReplayClock(Instant first, std::function<std::optional<Instant>()> next)
      : now_(first), next_(std::move(next)) {}
  [[nodiscard]] Instant now() const override { return now_; }
  void wait_until(Instant, Inbox&) override {
    if (const auto instant = next_()) now_ = *instant;
  }

 private:
  Instant now_;
  std::function<std::optional<Instant>()> next_;
};

class Replay {
 public:
  Replay(std::string path, std::vector<Line> lines, const CpuClusterConfig& config)
      : path_(std::move(path)),
        lines_(std::move(lines)),
        clock_(first_instant(), [this] { return next_turn(); }),
        loop_(clock_),
        transport_(loop_),
        cluster_(loop_, transport_, cluster_config(config),
                 {[this](size_t instance) { return make_device(instance); }, {}},
                 Callback<const RequestRecord&>::to<&Replay::ended>(this)) {
    cluster_.listen(Callback<const StepReport&>::to<&Replay::step_done>(this));
  }

  Result<ReplaySummary> run() {
    while (!over_ && !error_) loop_.run_one_turn(true);
    if (error_) return *error_;
    summary_.digest = cluster_.router().digest();
    summary_.seconds = to_seconds(loop_.now() - first_instant());
    return summary_;
  }

 private:
  // The loop asks for the time once before its first turn: the record's first line.
  [[nodiscard]] Instant first_instant() const {
    return lines_.empty() ? Instant() : Instant(Fields(path_, lines_[0]).number<int64_t>(0));
  }
  std::unique_ptr<Device> make_device(size_t instance) {
    auto device = std::make_unique<ReplayDevice>();
    devices_[static_cast<uint32_t>(instance + 1)] = device.get();
    return device;
  }

  std::optional<Instant> next_turn() {
    if (error_) return std::nullopt;
    if (at_ >= lines_.size() || lines_[at_].kind == 'e') {
      finish();
      return std::nullopt;
    }
    Fields fields(path_, lines_[at_]);
    if (lines_[at_].kind != 't') fields.fail("found an event, expected a turn");
    const Instant now(fields.number<int64_t>(0));
    if (fields.error()) return error_ = fields.error(), std::nullopt;
    ++summary_.turns;
    ++at_;
    while (at_ < lines_.size() && lines_[at_].kind != 't' && lines_[at_].kind != 'e' && !error_) {
      post_event();
    }
    return now;
  }
  void finish() {
    over_ = true;
    if (at_ >= lines_.size()) return;
    Fields fields(path_, lines_[at_]);
    summary_.recorded = fields.number<uint64_t>(0, 16);
    summary_.has_digest = !fields.error();
    error_ = fields.error();
  }

  void post_event() {
    const size_t line = at_++;
    if (lines_[line].kind == 'n') return nested_.push_back(line);
    const auto run = [this, line] {
      if (!error_) play(lines_[line]);
    };
    loop_.inbox().post({.owner = {}, .run = run, .is_unowned = true});
  }

  void play(const Line& line) {
    Fields fields(path_, line);
    if (line.kind == 'a') {
      arrive(fields);
    } else if (line.kind == 'c') {
      cancel(fields.number<uint64_t>(0));
    } else if (line.kind == 's') {
      step(line, fields);
    } else {
      fields.fail("found an unknown event, expected t, a, c, s, n or e");
    }
    if (fields.error() && !error_) error_ = fields.error();
  }

  void arrive(Fields& fields) {
    NewRequest request;
    request.tag = fields.number<uint64_t>(0);
    request.prompt = Tokens(fields.number<int64_t>(1));
    request.max_output = Tokens(fields.number<int64_t>(2));
    request.priority = fields.number<int>(3);
    hashes_.clear();
    for (size_t i = 4; i < fields.count(); ++i) {
      hashes_.emplace_back(fields.number<uint64_t>(i, 16));
    }
    if (request.prompt.count() <= 0 || request.max_output.count() <= 0) {
      fields.fail("found no token, expected prompt and output of one at least");
    }
    if (fields.error()) return;
    request.blocks = hashes_;
    ++summary_.requests;
    ended_in_call_ = false;
    const RequestId id = cluster_.router().submit(request);
    if (ended_in_call_) return;
    tag_of_[id.value()] = request.tag;
    request_of_[request.tag] = id;
  }

  void step(const Line& line, Fields& fields) {
    const auto found = devices_.find(fields.number<uint32_t>(0));
    const auto count = fields.number<size_t>(1);
    if (found == devices_.end()) return fields.fail("no such instance");
    if (count + 2 != fields.count()) return fields.fail("found another number of outputs");
    outputs_.clear();
    for (std::string text : std::span(line.fields).subspan(2)) {
      const bool end = text.ends_with('e');
      if (end) text.pop_back();
      int32_t tokens = 0;
      const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), tokens);
      if (error != std::errc() || last != text.data() + text.size() || tokens < 0) {
        return fields.fail(fmt::format("found \"{}\", expected tokens", text));
      }
      outputs_.push_back({tokens, end});
    }
    if (!found->second->fits(count)) {
      error_ =
          Error{ErrorCode::kInternal,
                fmt::format("{}:{}: the scheduler planned another step here", path_, line.number)};
      return;
    }
    ++summary_.steps;
    found->second->finish(outputs_);
  }

  void cancel(uint64_t tag) {
    const auto found = request_of_.find(tag);
    if (found != request_of_.end()) cluster_.router().cancel(found->second);
  }
  // What the front cancelled while it heard these.
  void news() {
    ++news_count_;
    while (!nested_.empty() && !error_) {
      Fields fields(path_, lines_[nested_.front()]);
      const auto count = fields.number<uint64_t>(0);
      const auto tag = fields.number<uint64_t>(1);
      if (fields.error()) error_ = fields.error();
      if (fields.error() || count != news_count_) return;
      nested_.pop_front();
      cancel(tag);
    }
  }
  void step_done(const StepReport& report) {
    for (size_t i = 0; i < report.outputs.size(); ++i) {
      if (report.outputs[i].tokens == 0) continue;
      if (tag_of_.contains(report.batch.work[i].request.value())) news();
    }
  }
  void ended(const RequestRecord& record) {
    const auto found = request_of_.find(record.tag);
    ended_in_call_ = true;
    news();
    if (found == request_of_.end()) return;
    tag_of_.erase(found->second.value());
    request_of_.erase(record.tag);
  }

  std::string path_;
  std::vector<Line> lines_;
  size_t at_ = 1;
  bool over_ = false;
  std::optional<Error> error_;
  ReplaySummary summary_;
  ReplayClock clock_;
  Loop loop_;
  LocalTransport transport_;
  std::map<uint32_t, ReplayDevice*> devices_;  // by node
  std::map<uint64_t, uint64_t> tag_of_;        // by request
  std::map<uint64_t, RequestId> request_of_;   // by tag
  std::deque<size_t> nested_;                  // lines, of cancellations
  uint64_t news_count_ = 0;
  std::vector<SequenceOutput> outputs_;
  std::vector<BlockHash> hashes_;
  bool ended_in_call_ = false;
  Cluster cluster_;
};

Line split_line(const std::string& text, int64_t number) {
  Line line{.kind = text.empty() ? '?' : text[0], .number = number, .fields = {}};
  size_t at = text.find(' ');
  while (at != std::string::npos) {
    const size_t end = text.find(' ', at + 1);
    const size_t size = end == std::string::npos ? end : end - at - 1;
    line.fields.push_back(text.substr(at + 1, size));
    at = end;
  }
  return line;
}

// "weft-record 1 instances=1 ..."
Result<CpuClusterConfig> read_settings(const std::string& path, const std::string& text) {
  const Line line = split_line(text, 1);
  if (!text.starts_with("weft-record ") || line.fields.empty() || line.fields[0] != "1") {
    return bad_input(fmt::format("{}:1: found \"{}\", expected \"weft-record 1 ...\"", path,
                                 text.substr(0, 40)));
  }
  std::map<std::string, int64_t> values;
  for (const std::string& field : std::span(line.fields).subspan(1)) {
    const size_t equals = field.find('=');
    const std::string value = equals == std::string::npos ? "" : field.substr(equals + 1);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < 0) {
      return bad_input(fmt::format("{}:1: found \"{}\", expected KEY=NUMBER", path, field));
    }
    values[field.substr(0, equals)] = number;
  }
  CpuClusterConfig config;
  const auto take = [&](const char* key, int64_t least, int64_t most, auto& to) -> Status {
    const auto found = values.find(key);
    if (found == values.end() || found->second < least || found->second > most) {
      return bad_input(fmt::format("{}:1: {}: expected {} to {}", path, key, least, most));
    }
    to = static_cast<std::remove_reference_t<decltype(to)>>(found->second);
    return {};
  };
  constexpr int64_t kMost = int64_t{1} << 31;
  for (const Status& status : {take("instances", 1, 4096, config.instances),
                               take("block", 1, 65536, config.instance.block_tokens),
                               take("blocks", 1, kMost, config.instance.blocks),
                               take("max_tokens", 1, kMost, config.instance.max_tokens),
                               take("max_sequences", 1, kMost, config.instance.max_sequences),
                               take("draft_tokens", 0, 64, config.instance.draft_tokens),
                               take("max_waiting", 0, kMost, config.max_waiting)}) {
    if (!status) return status.error();
  }
  return config;
}

}  // namespace

Result<ReplaySummary> replay_run(const std::string& path) {
  std::ifstream in(path);
  std::string text;
  if (!in || !std::getline(in, text)) {
    return bad_input(path + ": could not be read; expected what weft serve --record wrote");
  }
  const auto config = read_settings(path, text);
  if (!config) return config.error();
  std::vector<Line> lines;
  for (int64_t number = 2; std::getline(in, text); ++number) {
    if (in.eof()) break;  // cut off in the middle
    lines.push_back(split_line(text, number));
  }
  if (lines.empty() || lines[0].kind != 't') {
    return bad_input(path + ":2: expected the instant of a turn");
  }
  Replay replay(path, std::move(lines), *config);
  return replay.run();
}

}  // namespace weft
