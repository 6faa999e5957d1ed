// The server under what lasts: timeouts, crowds, garbage and clients that read nothing.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "real/http_server.h"
#include "real/http_test_client.h"
#include "real/http_test_server.h"

namespace weft {
namespace {

using HttpServerSystemTest = HttpServerTest;

TEST_F(HttpServerSystemTest, EveryTimeoutEndsWhatItIsFor) {
  HttpServerConfig config;
  config.header_timeout = milliseconds(60);
  config.body_timeout = milliseconds(60);
  config.idle_timeout = milliseconds(60);
  start(config);
  TestClient silent(port());
  TestClient header(port());
  header.send("GET / HTTP/1.1\r\nHost: ");
  TestClient body(port());
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  TestClient idle(port());
  idle.send(get_request("/a"));
  EXPECT_EQ(idle.read_answer().status, 200);
  EXPECT_TRUE(silent.at_end());
  EXPECT_TRUE(idle.at_end());
  EXPECT_EQ(header.read_answer().status, 408);
  EXPECT_TRUE(header.at_end());
  EXPECT_EQ(body.read_answer().status, 408);
  EXPECT_TRUE(body.at_end());
  EXPECT_EQ(server_->counts().too_slow, 2U);
}

TEST_F(HttpServerSystemTest, SlowLorisIsCutAlthoughItNeverFallsSilent) {
  HttpServerConfig config;
  config.header_timeout = milliseconds(80);
  start(config);
  TestClient client(port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n");
  const auto start = std::chrono::steady_clock::now();
  while (server_->counts().too_slow == 0) {
    client.send("a: b\r\n");
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST_F(HttpServerSystemTest, RunningAnswersAreNotTimedOut) {
  HttpServerConfig config;
  config.header_timeout = config.body_timeout = config.idle_timeout = milliseconds(20);
  config.write_timeout = milliseconds(20);
  start(config);
  TestClient client(port());
  client.send(get_request("/later"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  TestClient idle(port());
  EXPECT_TRUE(idle.at_end());  // its timeout has passed since
  EXPECT_TRUE(exchange->respond(200, "text/plain", "done"));
  EXPECT_EQ(client.read_answer().body, "done");
}

TEST_F(HttpServerSystemTest, ClientThatReadsNothingIsCut) {
  HttpServerConfig config;
  config.write_timeout = milliseconds(60);
  start(config);
  TestClient client(port(), 4096);
  client.send(get_request("/later"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  exchange->respond(200, "text/plain", std::string(16 << 20, 'a'));
  const auto start = std::chrono::steady_clock::now();
  while (server_->counts().connections > 0) {
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
    std::this_thread::yield();
  }
  EXPECT_EQ(server_->counts().too_slow, 1U);
}

TEST_F(HttpServerSystemTest, RequestsFarAheadWaitForTheClientToRead) {
  HttpServerConfig config;
  config.max_unsent_bytes = 64 << 10;
  start(config);
  TestClient client(port(), 4096);
  const std::string body(60'000, 'b');
  std::thread sender([&] {
    for (int i = 0; i < 400; ++i) client.send(post_request("/a", body));
  });
  for (int i = 0; i < 400; ++i) ASSERT_EQ(client.read_answer().body, "POST /a " + body);
  sender.join();
}

TEST_F(HttpServerSystemTest, HangUpIsHeardWithinMilliseconds) {
  start();
  std::vector<double> waited;
  for (int i = 0; i < 51; ++i) {
    TestClient client(port());
    client.send(get_request("/later"));
    const auto exchange = box_.take();
    ASSERT_NE(exchange, nullptr);
    CloseWatch watch(*exchange);
    const auto start = std::chrono::steady_clock::now();
    client.hang_up();
    ASSERT_TRUE(watch.wait());
    waited.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
  }
  std::sort(waited.begin(), waited.end());
  RecordProperty("median_us", static_cast<int>(waited[waited.size() / 2] * 1000));
  EXPECT_LT(waited[waited.size() / 2], 20.0);
}

TEST_F(HttpServerSystemTest, FiveHundredStreamsAtOnce) {
  constexpr int kClients = 500;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < 2 * kClients + 100) GTEST_SKIP() << "too few file descriptors";
  files.rlim_cur = std::max<rlim_t>(files.rlim_cur, 2 * kClients + 100);
  setrlimit(RLIMIT_NOFILE, &files);
  HttpServerConfig config;
  config.threads = 2;
  start(config);
  std::vector<TestClient> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back(port());
    ASSERT_TRUE(clients.back().send(get_request("/later", fmt::format("X-Request-Id: {}\r\n", i))));
  }
  std::vector<std::shared_ptr<HttpExchange>> exchanges;
  for (int i = 0; i < kClients; ++i) {
    exchanges.push_back(box_.take());
    ASSERT_NE(exchanges.back(), nullptr);
    exchanges.back()->begin_stream(200, "text/event-stream");
  }
  EXPECT_EQ(server_->counts().connections, 500U);
  for (int part = 0; part < 20; ++part) {
    for (auto& exchange : exchanges) {
      ASSERT_TRUE(exchange->write(exchange->request().request_id + "\n"));
    }
  }
  for (auto& exchange : exchanges) exchange->finish();
  for (int i = 0; i < kClients; ++i) {
    const TestAnswer answer = clients[i].read_answer();
    EXPECT_TRUE(answer.whole);
    std::string expected;
    for (int part = 0; part < 20; ++part) expected += fmt::format("{}\n", i);
    ASSERT_EQ(answer.body, expected);
  }
}

TEST_F(HttpServerSystemTest, ClientsWaitWhileThereAreNoFileDescriptors) {
  start();
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const int lowest_free = dup(0);
  ASSERT_GE(lowest_free, 0);
  close(lowest_free);
  const rlimit one_more{static_cast<rlim_t>(lowest_free) + 1, files.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &one_more), 0);
  TestClient client(port());  // takes the last one: nothing is left to accept it with
  EXPECT_TRUE(client.connected());
  client.send(get_request("/a"));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(server_->counts().accepted, 0U);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(HttpServerSystemTest, GarbageIsRefusedAndHarmsNobody) {
  start();
  std::mt19937_64 random(1);
  const std::string seed =
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (int i = 0; i < 300; ++i) {
    TestClient client(port());
    std::string bytes = i % 2 == 0 ? seed + seed : std::string(random() % 2000, '\0');
    for (char& byte : bytes) {
      if (i % 2 == 1 || random() % 30 == 0) byte = static_cast<char>(random());
    }
    client.send(bytes);
    if (i % 3 == 0) {
      client.reset();
      continue;
    }
    client.shut_sending();
    const std::string answers = client.read_to_end();
    EXPECT_TRUE(answers.empty() || answers.starts_with("HTTP/1.1 ")) << answers;
  }
  EXPECT_GT(server_->counts().malformed, 50U);
  TestClient client(port());
  client.send(get_request("/a"));
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(HttpServerSystemTest, ClientsComeAndGoInTheMiddleOfEverything) {
  HttpServerConfig config;
  config.threads = 2;
  start(config);
  std::vector<std::thread> answering;
  for (int i = 0; i < 2; ++i) {
    answering.emplace_back([this] {
      while (auto exchange = box_.take()) {
        if (exchange->request().target == "/later/stop") return;
        CloseWatch watch(*exchange);
        exchange->begin_stream(200, "text/plain");
        for (int part = 0; part < 50; ++part) exchange->write("a part of the answer");
        if (exchange->request().query != "drop") exchange->finish();
      }
    });
  }
  std::mt19937_64 random(2);
  for (int i = 0; i < 500; ++i) {
    TestClient client(port());
    client.send(get_request(random() % 4 == 0 ? "/later?drop" : "/later") + get_request("/a"));
    const uint64_t way = random() % 4;
    if (way == 0) client.reset();
    if (way == 1) client.read_bytes(random() % 500);
    if (way == 2) client.read_answer();
    if (way == 3) client.read_until("GET /a");
  }
  for (int i = 0; i < 2; ++i) {
    TestClient client(port());
    client.send(get_request("/later/stop"));
    EXPECT_EQ(client.read_answer().status, 500);
  }
  for (auto& thread : answering) thread.join();
  server_->drain();
  EXPECT_TRUE(server_->wait_drained(seconds(10)));
}

}  // namespace
}  // namespace weft
