// The client against a scripted server: replies as they should be, and every way they go wrong.
#include "real/load_client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <vector>

#include "real/load_testing.h"

namespace weft {

namespace {

// Collects what the client hears.
struct Heard {
  struct Reply {
    std::vector<CompletionChunk> chunks;
    std::vector<Instant> at;
    std::vector<ReplyEnd> ends;
  };
  std::map<uint64_t, Reply> replies;

  void chunk(const ReplyChunk& chunk) {
    replies[chunk.tag].chunks.push_back(chunk.chunk);
    replies[chunk.tag].at.push_back(chunk.at);
  }
  void end(const ReplyEnd& end) { replies[end.tag].ends.push_back(end); }
};

struct Rig {
  explicit Rig(const std::string& url, Duration timeout = seconds(20)) {
    auto made = LoadClient::make({*parse_http_url(url), "", timeout});
    CHECK(made.ok());
    client = std::move(*made);
    client->listen(Callback<const ReplyChunk&>::to<&Heard::chunk>(&heard),
                   Callback<const ReplyEnd&>::to<&Heard::end>(&heard));
  }
  const Heard::Reply& post_one() {
    client->post(++tag, "/v1/completions", "{}");
    client->run();
    return heard.replies[tag];
  }
  ReplyEnd end_of_one() {
    const auto& reply = post_one();
    EXPECT_EQ(reply.ends.size(), 1u);
    return reply.ends.empty() ? ReplyEnd{} : reply.ends.front();
  }
  Heard heard;
  std::unique_ptr<LoadClient> client;
  uint64_t tag = 0;
};

void expect_words(const std::string& message, const std::vector<std::string>& words) {
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  for (const std::string& word : words) {
    EXPECT_NE(message.find(word), std::string::npos) << "no \"" << word << "\" in " << message;
  }
}

TEST(HttpUrl, IsTakenApart) {
  const auto url = parse_http_url("http://example.org:8000/api/v1/");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->host, "example.org");
  EXPECT_EQ(url->port, "8000");
  EXPECT_EQ(url->path, "/api");
  EXPECT_EQ(parse_http_url("http://[::1]:9")->authority(), "[::1]:9");
  EXPECT_EQ(parse_http_url("http://h")->port, "80");
}

TEST(HttpUrl, WhatIsNoneIsRefused) {
  for (const char* wrong : {"", "localhost:8000", "https://h", "http://", "http://:80",
                            "http://h:0", "http://h:x", "http://h:70000", "http://h/a?b",
                            "http://u@h", "http://[::1", "http://a:b:c", "http://h h"}) {
    const auto url = parse_http_url(wrong);
    ASSERT_FALSE(url.ok()) << wrong;
    EXPECT_EQ(url.error().code, ErrorCode::kBadInput);
    expect_words(url.error().message, {"url", wrong, "expected"});
  }
}

TEST(LoadClient, AReplyIsItsChunksAndOneEnd) {
  FakeServer server([](FakeExchange& exchange) {
    EXPECT_TRUE(exchange.asks("/v1/completions"));
    EXPECT_EQ(exchange.body(), "{}");
    exchange.begin_stream();
    exchange.token("a");
    exchange.token("b");
    exchange.usage(5, 2);
    exchange.end_stream();
  });
  Rig rig(server.url());
  const Instant before = rig.client->now();
  const auto& reply = rig.post_one();
  ASSERT_EQ(reply.ends.size(), 1u);
  EXPECT_EQ(reply.ends[0].outcome, ReplyOutcome::kCompleted) << reply.ends[0].message;
  ASSERT_EQ(reply.chunks.size(), 3u);
  EXPECT_TRUE(reply.chunks[1].content);
  EXPECT_EQ(reply.chunks[2].completion_tokens, 2);
  EXPECT_LE(before, reply.at[0]);
  EXPECT_LE(reply.at[0], reply.at[1]);
  EXPECT_LE(reply.at[2], reply.ends[0].at);
}

// Each byte of the stream comes in an HTTP chunk of its own: in the middle of events, lines and
// UTF-8 characters.
TEST(LoadClient, CutsAnywhereChangeNothing) {
  FakeServer server([](FakeExchange& exchange) {
    exchange.begin_stream();
    const std::string stream =
        "data: {\"choices\":[{\"text\":\"caf\xC3\xA9 \xF0\x9F\x98\x80\"}]}\r\n\r\n: ping\n\n"
        "data: {\"choices\":[{\"text\":\"b\",\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
    for (const char byte : stream) exchange.piece({&byte, 1});
    exchange.write("0\r\n\r\n");
  });
  Rig rig(server.url());
  const auto& reply = rig.post_one();
  ASSERT_EQ(reply.ends.size(), 1u);
  EXPECT_EQ(reply.ends[0].outcome, ReplyOutcome::kCompleted) << reply.ends[0].message;
  EXPECT_EQ(reply.chunks.size(), 2u);
}

TEST(LoadClient, ConnectionsAreUsedAgain) {
  std::atomic<int> requests = 0;
  FakeServer server([&requests](FakeExchange& exchange) {
    ++requests;
    exchange.begin_stream();
    exchange.token("a");
    exchange.end_stream();
  });
  Rig rig(server.url());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(rig.end_of_one().outcome, ReplyOutcome::kCompleted);
  }
  EXPECT_EQ(requests, 5);
  EXPECT_EQ(server.connections(), 1u);
  EXPECT_EQ(rig.client->counters().connections, 1);
}

TEST(LoadClient, AConnectionClosedMeanwhileIsReplaced) {
  FakeServer server([](FakeExchange& exchange) {
    exchange.begin_stream();
    exchange.token("a");
    exchange.end_stream();
    exchange.hang_up();
  });
  Rig rig(server.url());
  for (int i = 0; i < 5; ++i) {
    const ReplyEnd end = rig.end_of_one();
    EXPECT_EQ(end.outcome, ReplyOutcome::kCompleted) << end.message;
  }
  EXPECT_EQ(server.connections(), 5u);
}

TEST(LoadClient, AStatusSaysWhatTheServerSaid) {
  FakeServer server([](FakeExchange& exchange) {
    exchange.reply(429, "application/json", R"({"error":{"message":"queue full"}})",
                   "Retry-After: 1.5\r\n");
  });
  Rig rig(server.url());
  const ReplyEnd end = rig.end_of_one();
  EXPECT_EQ(end.outcome, ReplyOutcome::kStatus);
  EXPECT_EQ(end.status, 429);
  EXPECT_EQ(end.retry_after_s, 1.5);
  expect_words(end.message, {"429", "queue full"});
}

TEST(LoadClient, HangingUpIsAFailedConnection) {
  FakeServer server([](FakeExchange& exchange) {
    if (exchange.body() != "{}") return exchange.hang_up();
    exchange.begin_stream();
    exchange.token("a");
    exchange.token("b");
    exchange.piece("data: {\"choi");
    exchange.hang_up();
  });
  Rig rig(server.url());
  const auto& reply = rig.post_one();
  ASSERT_EQ(reply.ends.size(), 1u);
  EXPECT_EQ(reply.ends[0].outcome, ReplyOutcome::kConnection);
  EXPECT_EQ(reply.chunks.size(), 2u);
  expect_words(reply.ends[0].message, {"closed", "after 2 chunks"});
  rig.client->post(99, "/v1/completions", "at once");
  rig.client->run();
  EXPECT_EQ(rig.heard.replies[99].ends.at(0).outcome, ReplyOutcome::kConnection);
}

TEST(LoadClient, AnEndWithoutDoneCountsOnlyAfterAFinishReason) {
  FakeServer server([](FakeExchange& exchange) {
    exchange.begin_stream();
    exchange.token("a");
    if (exchange.body() != "{}") {
      exchange.piece("data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\n");
    }
    exchange.write("0\r\n\r\n");
  });
  Rig rig(server.url());
  expect_words(rig.end_of_one().message, {"[DONE]", "after 1 chunk"});
  rig.client->post(99, "/v1/completions", "with a reason");
  rig.client->run();
  EXPECT_EQ(rig.heard.replies[99].ends.at(0).outcome, ReplyOutcome::kCompleted);
}

TEST(LoadClient, GarbageIsABadReply) {
  struct Case {
    std::string reply;
    std::vector<std::string> words;
  };
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
  const std::vector<Case> cases = {
      {"SSH-2.0-server\r\n\r\n", {"SSH-2.0", "expected HTTP"}},
      {head + "data: <html>\n\n", {"<html>", "expected a JSON object"}},
      {head + "data: {\"answer\": 42}\n\n", {"42", "choices"}},
      {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\nhi!",
       {"text/html", "hi!", "expected text/event-stream"}},
      {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
       "zz\r\n",
       {"zz", "expected HTTP"}},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(20000, 'x') + "\r\n\r\n", {"expected"}},
      {head + "data: " + std::string(2 << 20, 'x'), {"1 MiB"}},
  };
  std::atomic<size_t> which = 0;
  FakeServer server([&](FakeExchange& exchange) {
    exchange.write(cases[which].reply);
    exchange.hang_up();
  });
  Rig rig(server.url());
  for (; which < cases.size(); ++which) {
    const ReplyEnd end = rig.end_of_one();
    EXPECT_EQ(end.outcome, ReplyOutcome::kBadReply) << which << ": " << end.message;
    expect_words(end.message, cases[which].words);
  }
}

TEST(LoadClient, AnErrorInTheStreamEndsIt) {
  FakeServer server([](FakeExchange& exchange) {
    exchange.begin_stream();
    exchange.token("a");
    exchange.piece("data: {\"error\":{\"message\":\"out of memory\"}}\n\n");
    exchange.end_stream();
  });
  Rig rig(server.url());
  const ReplyEnd end = rig.end_of_one();
  EXPECT_EQ(end.outcome, ReplyOutcome::kError);
  EXPECT_EQ(end.message, "out of memory");
}

TEST(LoadClient, SilenceTimesOut) {
  FakeServer server([](FakeExchange& exchange) {
    exchange.begin_stream();
    exchange.token("a");  // and no more
  });
  Rig rig(server.url(), milliseconds(100));
  const ReplyEnd end = rig.end_of_one();
  EXPECT_EQ(end.outcome, ReplyOutcome::kTimeout);
  expect_words(end.message, {"0.1 s", "after 1 chunk"});
}

TEST(LoadClient, NobodyThereIsARefusedConnection) {
  std::string url;
  {
    url = FakeServer([](FakeExchange&) {}).url();
  }
  Rig rig(url);
  const ReplyEnd end = rig.end_of_one();
  EXPECT_EQ(end.outcome, ReplyOutcome::kConnection);
  expect_words(end.message, {"refused"});
  const auto fetched = rig.client->fetch("/v1/models", "");
  ASSERT_FALSE(fetched.ok());
  EXPECT_EQ(fetched.error().code, ErrorCode::kUnavailable);
}

TEST(LoadClient, FetchGivesTheWholeReply) {
  FakeServer server([](FakeExchange& exchange) {
    exchange.reply(exchange.asks("/v1/models") ? 200 : 404, "application/json", exchange.body());
  });
  Rig rig(server.url());
  EXPECT_EQ(rig.client->fetch("/v1/models", "")->status, 200);
  const auto reply = rig.client->fetch("/tokenize", "{\"a\":1}");
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->status, 404);
  EXPECT_EQ(reply->body, "{\"a\":1}");
}

TEST(LoadClient, AbortedStreamsSayNoMore) {
  FakeServer server([](FakeExchange& exchange) {
    exchange.begin_stream();
    exchange.token("a");  // and no more
  });
  struct Waker {
    LoadClient& client;
    void wake() {
      client.abort_all();
      client.stop();
    }
  };
  Rig rig(server.url());
  for (uint64_t i = 0; i < 20; ++i) rig.client->post(i, "/v1/completions", "{}");
  Waker waker{*rig.client};
  rig.client->wake_at(rig.client->now() + milliseconds(30), Callback<>::to<&Waker::wake>(&waker));
  rig.client->run();
  EXPECT_EQ(rig.client->in_flight(), 0);
  for (const auto& [tag, reply] : rig.heard.replies) EXPECT_TRUE(reply.ends.empty()) << tag;
  const auto& again = rig.heard.replies;
  const size_t heard = again.size();
  rig.client->run();  // what was cancelled is let go, and tells nothing
  EXPECT_EQ(again.size(), heard);
  rig.client->post(99, "/v1/completions", "{}");  // still under way when the client goes
}

TEST(LoadClient, ManyStreamsAtOnceKeepApart) {
  FakeServer server([](FakeExchange& exchange) {
    exchange.begin_stream();
    for (int i = 0; i < std::stoi(exchange.body()); ++i) exchange.token("x");
    exchange.end_stream();
  });
  Rig rig(server.url());
  constexpr uint64_t kStreams = 200;
  for (uint64_t i = 0; i < kStreams; ++i) {
    rig.client->post(i, "/v1/completions", std::to_string(i + 1));
  }
  rig.client->run();
  for (uint64_t i = 0; i < kStreams; ++i) {
    EXPECT_EQ(rig.heard.replies[i].chunks.size(), i + 1);
    EXPECT_EQ(rig.heard.replies[i].ends.at(0).outcome, ReplyOutcome::kCompleted);
  }
  EXPECT_EQ(rig.client->in_flight(), 0);
}

}  // namespace

}  // namespace weft
