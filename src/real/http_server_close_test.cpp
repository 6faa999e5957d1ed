// How exchanges and connections end: clients that hang up, lag or shut one half, handles that are
// dropped, drain and stop.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "real/http_server.h"
#include "real/http_test_client.h"
#include "real/http_test_server.h"

namespace weft {
namespace {

using HttpServerCloseTest = HttpServerTest;

TEST_F(HttpServerCloseTest, HangUpIsHeardWhileTheAnswerIsComputed) {
  start();
  for (const bool reset : {false, true}) {
    TestClient client(port());
    client.send(get_request("/later"));
    const auto exchange = box_.take();
    ASSERT_NE(exchange, nullptr);
    CloseWatch watch(*exchange);
    EXPECT_FALSE(exchange->closed());
    EXPECT_FALSE(watch.heard());
    reset ? client.reset() : client.hang_up();
    EXPECT_TRUE(watch.wait());
    EXPECT_TRUE(exchange->closed());
    EXPECT_FALSE(exchange->respond(200, "text/plain", "late"));
    CloseWatch late(*exchange);
    EXPECT_TRUE(late.heard());
  }
  EXPECT_EQ(server_->counts().hung_up, 2U);
}

TEST_F(HttpServerCloseTest, HangUpIsHeardWithinAStream) {
  start();
  TestClient client(port());
  client.send(get_request("/later"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  CloseWatch watch(*exchange);
  exchange->begin_stream(200, "text/plain");
  exchange->write("one");
  EXPECT_NE(client.read_until("one").size(), 0U);
  client.hang_up();
  EXPECT_TRUE(watch.wait());
  EXPECT_FALSE(exchange->write("two"));
  EXPECT_FALSE(exchange->finish());
}

TEST_F(HttpServerCloseTest, NobodyHearsOfACloseAfterTheAnswer) {
  start();
  TestClient client(port());
  client.send(get_request("/later"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  const auto held = std::make_shared<int>(1);
  exchange->on_close([held, exchange] { FAIL(); });  // let go with the answer
  EXPECT_EQ(held.use_count(), 2);
  exchange->respond(200, "text/plain", "done");
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(client.read_answer().body, "done");
  client.hang_up();
  server_->stop();
  EXPECT_FALSE(exchange->closed());
}

TEST_F(HttpServerCloseTest, AnswersGoOutToAClientThatHasShutItsSendingHalf) {
  start();
  TestClient client(port());
  client.send(get_request("/a"));
  EXPECT_EQ(client.read_answer().body, "GET /a");
  const std::string large(8 << 20, 'a');
  client.send(post_request("/l", large));
  client.shut_sending();
  EXPECT_EQ(client.read_answer().body, "POST /l " + large);
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerCloseTest, DroppedExchangesAreTold) {
  start();
  TestClient client(port());
  client.send(get_request("/later") + get_request("/later"));
  ASSERT_NE(box_.take(), nullptr);
  EXPECT_EQ(client.read_answer().status, 500);
  auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  exchange->begin_stream(200, "text/plain");
  exchange->write("part");
  EXPECT_NE(client.read_until("part\r\n").size(), 0U);
  exchange.reset();
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerCloseTest, SlowClientIsDropped) {
  HttpServerConfig config;
  config.max_unsent_bytes = 64 << 10;
  start(config);
  TestClient client(port(), 4096);
  client.send(get_request("/later"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  CloseWatch watch(*exchange);
  exchange->begin_stream(200, "text/plain");
  const std::string part(4000, 'x');
  size_t most = 0;
  for (int i = 0; i < 100'000 && exchange->write(part); ++i) {
    most = std::max(most, exchange->queued_bytes());
  }
  EXPECT_TRUE(exchange->closed());
  EXPECT_LE(most, config.max_unsent_bytes + 16);
  EXPECT_TRUE(watch.wait());
  EXPECT_EQ(server_->counts().too_slow, 1U);
}

TEST_F(HttpServerCloseTest, DrainEndsIdleConnectionsAndLetsAnswersFinish) {
  start();
  TestClient idle(port());
  idle.send(get_request("/a"));
  EXPECT_EQ(idle.read_answer().status, 200);
  TestClient running(port());
  running.send(get_request("/later"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  exchange->begin_stream(200, "text/plain");
  server_->drain();
  EXPECT_FALSE(server_->wait_drained(milliseconds(1)));
  EXPECT_TRUE(idle.at_end());
  EXPECT_FALSE(TestClient(port()).connected());
  EXPECT_TRUE(exchange->write("still here"));
  EXPECT_TRUE(exchange->finish());
  const TestAnswer answer = running.read_answer();
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body, "still here");
  EXPECT_TRUE(running.at_end());
  running.hang_up();
  idle.hang_up();
  EXPECT_TRUE(server_->wait_drained(seconds(10)));
}

TEST_F(HttpServerCloseTest, DrainLetsARequestArriveThatHasBegun) {
  start();
  TestClient client(port());
  client.send("POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 100);
  server_->drain();
  EXPECT_FALSE(server_->wait_drained(milliseconds(1)));
  client.send("ok");
  const TestAnswer answer = client.read_answer();
  EXPECT_EQ(answer.body, "POST /e ok");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerCloseTest, ExceptionEndsItsConnectionAlone) {
  start();
  TestClient thrown(port());
  TestClient other(port());
  thrown.send(get_request("/throw"));
  EXPECT_TRUE(thrown.at_end());
  other.send(get_request("/a"));
  EXPECT_EQ(other.read_answer().status, 200);
}

TEST_F(HttpServerCloseTest, StopCutsWhatRunsAndExchangesOutliveTheServer) {
  start();
  TestClient client(port());
  client.send(get_request("/later"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  CloseWatch watch(*exchange);
  exchange->begin_stream(200, "text/plain");
  server_->stop();
  EXPECT_TRUE(watch.heard());
  EXPECT_TRUE(exchange->closed());
  server_.reset();
  EXPECT_FALSE(exchange->write("late"));
  EXPECT_FALSE(exchange->finish());
  EXPECT_EQ(exchange->request().target, "/later");
}

}  // namespace
}  // namespace weft
