// LoadClient: many streamed completions at once from one OpenAI-compatible server, on one thread.
// It speaks HTTP/1.1 and server-sent events; what the caller sees of a reply is a stream of
// (instant, chunk) and one end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/callback.h"
#include "base/result.h"
#include "base/time.h"
#include "real/completion_chunk.h"

namespace weft {

struct HttpUrl {
  std::string host;  // a name or an address; IPv6 without brackets
  std::string port;
  std::string path;  // "" or "/prefix", without a final slash
  std::string text;  // as it was given

  [[nodiscard]] std::string authority() const;  // host:port for the Host header
  [[nodiscard]] std::string base() const;       // what paths are appended to, for messages
};

// "http://HOST[:PORT][/PREFIX]"; a final "/v1" is taken off, since every path here begins with it.
// kBadInput names what was found and expected.
Result<HttpUrl> parse_http_url(const std::string& text);

struct LoadClientConfig {
  HttpUrl url;
  std::string api_key;              // sent as a bearer token; empty: none
  Duration timeout = seconds(600);  // of one reply, from sending to its end
};

struct ReplyChunk {
  uint64_t tag = 0;
  Instant at;  // when its bytes were read; chunks of one read share it
  const CompletionChunk& chunk;
};

enum class ReplyOutcome {
  kCompleted,   // [DONE], or a finish_reason and then the end of the reply
  kStatus,      // any status but 200
  kTimeout,     // no end within the timeout
  kConnection,  // no connection, or one that ended too early
  kBadReply,    // not what the API says: no event stream, no JSON, broken HTTP
  kError,       // an error object in the stream
};

struct ReplyEnd {
  uint64_t tag = 0;
  Instant at;
  ReplyOutcome outcome = ReplyOutcome::kCompleted;
  int status = 0;             // of HTTP, 0 when none came
  std::string message;        // one line; empty when completed
  double retry_after_s = -1;  // of the header; -1: none, or a date
};

struct HttpReply {
  int status = 0;
  std::string body;
};

// What it cost this process to drive the load.
struct LoadClientCounters {
  int64_t connections = 0;  // that were opened
  int64_t resent = 0;       // requests that met a connection which the server had just closed
  int64_t reads = 0;
  int64_t bytes = 0;
  int64_t chunks = 0;
};

struct LoadClientState;  // known to load_client.cpp alone

class LoadClient {
 public:
  // Raises this process's limit of open files as far as it may. kBadInput: the host has no address.
  static Result<std::unique_ptr<LoadClient>> make(LoadClientConfig config);
  ~LoadClient();
  LoadClient(const LoadClient&) = delete;
  LoadClient& operator=(const LoadClient&) = delete;

  // From the client's making, on the monotonic clock.
  [[nodiscard]] Instant now() const;

  // Before the first post(). Chunks and ends come inside run(), never inside post().
  void listen(Callback<const ReplyChunk&> chunk, Callback<const ReplyEnd&> end);
  // POST of a JSON body to the server's `path` ("/v1/completions"), the reply a stream. Tags are
  // the caller's; every post() gets one end, unless abort_all() comes first.
  void post(uint64_t tag, std::string_view path, std::string body);
  // Calls `wake` inside run() at the instant, or at once when it has passed. One at a time: another
  // replaces it.
  void wake_at(Instant at, Callback<> wake);
  // Calls `interrupt` inside run() when the process gets SIGINT or SIGTERM, which then no longer
  // end it.
  void catch_interrupts(Callback<> interrupt);

  // Until stop(); without catch_interrupts() also until nothing is posted or waited for.
  void run();
  void stop();
  // Closes every connection; no end comes for what was posted. Not to be called from the listener.
  void abort_all();

  // One request and its whole reply, up to 4 MiB, outside run(). An empty `body`: GET.
  // kUnavailable: no connection, or it ended early, or the timeout; kBadInput: no HTTP.
  Result<HttpReply> fetch(std::string_view path, std::string body);

  [[nodiscard]] int64_t in_flight() const;
  [[nodiscard]] const LoadClientCounters& counters() const;
  [[nodiscard]] int64_t most_open_files() const;

 private:
  explicit LoadClient(std::unique_ptr<LoadClientState> impl);
  std::unique_ptr<LoadClientState> impl_;
};

}  // namespace weft
