// The server over loopback sockets: framing, order, streams and refusals.
#include "real/http_server.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "real/http_test_client.h"
#include "real/http_test_server.h"

namespace weft {
namespace {

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  start();
  TestClient client(port());
  for (const char* path : {"/first", "/second"}) {
    ASSERT_TRUE(client.send(get_request(path)));
    const TestAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, std::string("GET ") + path);
    EXPECT_EQ(answer.header("Content-Type"), "text/plain");
    EXPECT_EQ(answer.header("Server"), "weft");
    EXPECT_EQ(answer.header("Date").size(), 29U);
    EXPECT_EQ(answer.header("Connection"), "");
  }
  EXPECT_EQ(server_->counts().requests, 2U);
  EXPECT_EQ(server_->counts().accepted, 1U);
}

TEST_F(HttpServerTest, KeepsSaneRequestIdsAndMakesOthers) {
  start();
  TestClient client(port());
  const auto id_for = [&client](const std::string& header) {
    client.send(get_request("/", header));
    return client.read_answer().header("X-Request-Id");
  };
  EXPECT_EQ(id_for("X-Request-Id: abc-123\r\n"), "abc-123");
  const std::string made = id_for("");
  EXPECT_TRUE(made.starts_with("req-")) << made;
  EXPECT_NE(id_for(""), made);
  EXPECT_TRUE(id_for("X-Request-Id: a b\r\n").starts_with("req-"));
  EXPECT_TRUE(id_for("X-Request-Id: " + std::string(129, 'a') + "\r\n").starts_with("req-"));
  EXPECT_EQ(id_for("X-Request-Id: " + std::string(128, 'a') + "\r\n"), std::string(128, 'a'));
}

TEST_F(HttpServerTest, HeadAndNoContentHaveNoBody) {
  start();
  TestClient client(port());
  client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + get_request("/none") + get_request("/b"));
  const TestAnswer head = client.read_answer(true);
  EXPECT_EQ(head.header("Content-Length"), "7");
  const TestAnswer none = client.read_answer();
  EXPECT_EQ(none.status, 204);
  EXPECT_EQ(none.header("Content-Length"), "");
  EXPECT_EQ(client.read_answer().body, "GET /b");
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  TestClient client(port());
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    requests += post_request("/later", std::to_string(i));
    requests += post_request("/now", std::to_string(i));
  }
  ASSERT_TRUE(client.send(requests));
  for (int i = 0; i < 20; ++i) {
    const auto exchange = box_.take();
    ASSERT_NE(exchange, nullptr);
    exchange->respond(200, "text/plain", "late " + exchange->request().body);
    EXPECT_EQ(client.read_answer().body, "late " + std::to_string(i));
    EXPECT_EQ(client.read_answer().body, "POST /now " + std::to_string(i));
  }
}

TEST_F(HttpServerTest, OldClientsAreServed) {
  start();
  TestClient once(port());
  once.send("GET /a HTTP/1.0\r\n\r\n");
  const TestAnswer answer = once.read_answer();
  EXPECT_EQ(answer.body, "GET /a");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(once.at_end());

  TestClient kept(port());
  for (int i = 0; i < 2; ++i) {
    kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(kept.read_answer().header("Connection"), "keep-alive");
  }
}

TEST_F(HttpServerTest, CloseIsHonoured) {
  start();
  TestClient client(port());
  client.send(get_request("/a", "Connection: close\r\n") + get_request("/never"));
  const TestAnswer answer = client.read_answer();
  EXPECT_EQ(answer.body, "GET /a");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerTest, BodiesMayComeInChunksOrBeAskedFor) {
  start();
  TestClient client(port());
  client.send("POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "POST /c abcde");
  client.send("POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 100);
  client.send("ok");
  EXPECT_EQ(client.read_answer().body, "POST /e ok");
  const std::string large(1 << 20, 'a');
  client.send(post_request("/l", large));
  EXPECT_EQ(client.read_answer().body, "POST /l " + large);
}

TEST_F(HttpServerTest, StreamsArriveAsTheyAreWritten) {
  start();
  TestClient client(port());
  client.send(get_request("/later") + get_request("/after"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  EXPECT_TRUE(exchange->begin_stream(200, "text/event-stream", {{"Cache-Control", "no-cache"}}));
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(head.find("Cache-Control: no-cache\r\n"), std::string::npos);
  EXPECT_TRUE(exchange->write("one"));
  EXPECT_EQ(client.read_until("one\r\n"), "3\r\none\r\n");
  EXPECT_TRUE(exchange->write(""));
  EXPECT_TRUE(exchange->write("two"));
  EXPECT_EQ(client.read_until("two\r\n"), "3\r\ntwo\r\n");
  EXPECT_TRUE(exchange->finish());
  EXPECT_EQ(client.read_until("\r\n\r\n"), "0\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "GET /after");
  EXPECT_FALSE(exchange->closed());
}

TEST_F(HttpServerTest, StreamsToOldClientsEndWithTheConnection) {
  start();
  TestClient client(port());
  client.send("GET /later HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  exchange->begin_stream(200, "text/plain");
  exchange->write("one");
  exchange->write("two");
  exchange->finish();
  const TestAnswer answer = client.read_answer();
  EXPECT_EQ(answer.header("Transfer-Encoding"), "");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_EQ(answer.body, "onetwo");
}

TEST_F(HttpServerTest, StreamsToHeadHaveNoParts) {
  start();
  TestClient client(port());
  client.send("HEAD /later HTTP/1.1\r\nHost: x\r\n\r\n" + get_request("/after"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  exchange->begin_stream(200, "text/plain");
  EXPECT_TRUE(exchange->write("one"));
  EXPECT_TRUE(exchange->finish());
  EXPECT_EQ(client.read_answer(true).status, 200);
  EXPECT_EQ(client.read_answer().body, "GET /after");
}

TEST_F(HttpServerTest, PartsFromManyThreadsComeWhole) {
  start();
  TestClient client(port());
  client.send(get_request("/later"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  exchange->begin_stream(200, "text/plain");
  std::vector<std::thread> writers;
  for (const char letter : {'a', 'b', 'c', 'd'}) {
    writers.emplace_back([&exchange, letter] {
      for (int i = 0; i < 500; ++i) EXPECT_TRUE(exchange->write(std::string(10, letter)));
    });
  }
  for (auto& writer : writers) writer.join();
  exchange->finish();
  const TestAnswer answer = client.read_answer();
  ASSERT_TRUE(answer.whole);
  ASSERT_EQ(answer.body.size(), 4 * 500 * 10U);
  for (size_t i = 0; i < answer.body.size(); i += 10) {
    ASSERT_EQ(answer.body.substr(i, 10), std::string(10, answer.body[i]));
  }
  while (exchange->queued_bytes() > 0) std::this_thread::yield();
}

TEST_F(HttpServerTest, RefusalsAreReadEvenByClientsThatStillSend) {
  HttpServerConfig config;
  config.max_body_bytes = 1000;
  start(config);
  TestClient client(port());
  client.send(post_request("/a", std::string(50'000, 'a')));
  const TestAnswer answer = client.read_answer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(answer.header("X-Request-Id").starts_with("req-"));
  EXPECT_TRUE(client.at_end());
  TestClient malformed(port());
  malformed.send(get_request("/a") + "garbage\r\n\r\n");
  EXPECT_EQ(malformed.read_answer().status, 200);
  EXPECT_EQ(malformed.read_answer().status, 400);
  EXPECT_TRUE(malformed.at_end());
  EXPECT_EQ(server_->counts().malformed, 2U);
}

TEST_F(HttpServerTest, OneConnectionTooManyIsTold) {
  HttpServerConfig config;
  config.max_connections = 2;
  start(config);
  TestClient first(port());
  TestClient second(port());
  for (TestClient* client : {&first, &second}) {
    client->send(get_request("/a"));
    EXPECT_EQ(client->read_answer().status, 200);
  }
  TestClient third(port());
  third.send(get_request("/a"));
  const TestAnswer refused = third.read_answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Retry-After"), "1");
  EXPECT_TRUE(third.at_end());
  third.hang_up();
  first.hang_up();
  while (server_->counts().connections > 1) std::this_thread::yield();
  TestClient fourth(port());
  fourth.send(get_request("/a"));
  EXPECT_EQ(fourth.read_answer().status, 200);
  EXPECT_EQ(server_->counts().refused, 1U);
}

TEST_F(HttpServerTest, ThreadsShareTheConnections) {
  HttpServerConfig config;
  config.threads = 3;
  start(config);
  std::vector<TestClient> clients;
  for (int i = 0; i < 9; ++i) clients.emplace_back(port());
  for (auto& client : clients) client.send(get_request("/a"));
  for (auto& client : clients) EXPECT_EQ(client.read_answer().body, "GET /a");
  server_->drain();
  for (auto& client : clients) EXPECT_TRUE(client.at_end());
}

std::string listen_error(const HttpServerConfig& config) {
  HttpServer server(config, [](const std::shared_ptr<HttpExchange>&) {});
  const Status listening = server.listen();
  return listening.ok() ? "" : listening.error().message;
}

TEST_F(HttpServerTest, ListenSaysInOneLineWhyNot) {
  start();
  HttpServerConfig config;
  config.port = port();
  const std::string taken = listen_error(config);
  EXPECT_EQ(taken, "http: cannot listen on 127.0.0.1:" + std::to_string(port()) +
                       ": Address already in use");
  config.port = 0;
  config.host = "not an address";
  EXPECT_EQ(listen_error(config),
            "http: found host \"not an address\", expected an address or a known name");
  config.host = "localhost";
  EXPECT_EQ(listen_error(config), "");
  config.tls_certificate = "/nowhere/cert.pem";
  EXPECT_EQ(listen_error(config),
            "http: found one of TLS certificate and key, expected both or none");
  config.tls_key = "/nowhere/key.pem";
  const std::string missing = listen_error(config);
  EXPECT_TRUE(missing.starts_with("/nowhere/cert.pem: found no usable TLS certificate ("))
      << missing;
  EXPECT_EQ(missing.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace weft
