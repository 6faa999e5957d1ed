// The server under what lasts: timeouts, crowds, garbage, clients that read nothing, and TLS.
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/resource.h>

#include <cstdio>
#include <filesystem>
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

// A key and a certificate for itself, in files that go with the object.
class TestCertificate {
 public:
  TestCertificate() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-tls-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    write(key_path(), [key](FILE* file) {
      PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
    write(path(), [certificate](FILE* file) { PEM_write_X509(file, certificate); });
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  ~TestCertificate() { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path() const { return folder_ + "/certificate.pem"; }
  [[nodiscard]] std::string key_path() const { return folder_ + "/key.pem"; }

 private:
  static void write(const std::string& path, const std::function<void(FILE*)>& content) {
    FILE* file = std::fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    content(file);
    std::fclose(file);
  }
  std::string folder_;
};

// TLS over a TestClient's socket.
class TlsClient {
 public:
  TlsClient(uint16_t port, const std::string& certificate)
      : client_(port), context_(SSL_CTX_new(TLS_client_method())), tls_(nullptr) {
    SSL_CTX_load_verify_locations(context_, certificate.c_str(), nullptr);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    tls_ = SSL_new(context_);
    SSL_set_fd(tls_, client_.descriptor());
    shaken_ = SSL_connect(tls_) == 1;
  }
  ~TlsClient() {
    SSL_free(tls_);
    SSL_CTX_free(context_);
  }
  [[nodiscard]] bool shaken() const { return shaken_; }
  void send(const std::string& bytes) {
    SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()));
  }
  std::string read_until(const std::string& mark) {
    std::string read;
    std::array<char, 4096> buffer;
    while (read.find(mark) == std::string::npos) {
      const int bytes = SSL_read(tls_, buffer.data(), static_cast<int>(buffer.size()));
      if (bytes <= 0) break;
      read.append(buffer.data(), static_cast<size_t>(bytes));
    }
    return read;
  }
  // True when the server has said good-bye.
  bool at_end() {
    char byte = 0;
    const int bytes = SSL_read(tls_, &byte, 1);
    return bytes <= 0 && SSL_get_error(tls_, bytes) == SSL_ERROR_ZERO_RETURN;
  }
  void hang_up() { client_.hang_up(); }

 private:
  TestClient client_;
  SSL_CTX* context_;
  SSL* tls_;
  bool shaken_ = false;
};

class HttpServerTlsTest : public HttpServerTest {
 protected:
  void start_tls(int most = 100) {
    HttpServerConfig config;
    config.tls_certificate = certificate_.path();
    config.tls_key = certificate_.key_path();
    config.max_connections = most;
    config.header_timeout = milliseconds(500);
    start(config);
  }
  TestCertificate certificate_;
};

TEST_F(HttpServerTlsTest, RoundTripAndStream) {
  start_tls();
  TlsClient client(port(), certificate_.path());
  ASSERT_TRUE(client.shaken());
  client.send(get_request("/a"));
  EXPECT_NE(client.read_until("GET /a").find("HTTP/1.1 200 OK"), std::string::npos);
  client.send(get_request("/later", "Connection: close\r\n"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  exchange->begin_stream(200, "text/plain");
  exchange->write("one");
  EXPECT_NE(client.read_until("one\r\n").find("chunked"), std::string::npos);
  const std::string large(1 << 19, 'z');
  exchange->write(large);
  exchange->finish();
  EXPECT_NE(client.read_until("0\r\n\r\n").find(large), std::string::npos);
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerTlsTest, HangUpIsHeard) {
  start_tls();
  TlsClient client(port(), certificate_.path());
  client.send(get_request("/later"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  CloseWatch watch(*exchange);
  client.hang_up();
  EXPECT_TRUE(watch.wait());
}

TEST_F(HttpServerTlsTest, WhatIsNoTlsIsClosed) {
  start_tls();
  TestClient plain(port());
  plain.send(get_request("/a"));
  EXPECT_EQ(plain.read_to_end().find("HTTP"), std::string::npos);
  TestClient silent(port());
  EXPECT_TRUE(silent.at_end());
  EXPECT_EQ(server_->counts().requests, 0U);
}

TEST_F(HttpServerTlsTest, RefusalsAndStopWorkToo) {
  start_tls(1);
  TlsClient first(port(), certificate_.path());
  ASSERT_TRUE(first.shaken());
  TlsClient second(port(), certificate_.path());
  EXPECT_NE(second.read_until("connections\n").find("503"), std::string::npos);
  EXPECT_TRUE(second.at_end());
  first.send(get_request("/later"));
  const auto exchange = box_.take();
  ASSERT_NE(exchange, nullptr);
  server_->stop();
  EXPECT_TRUE(exchange->closed());
}

TEST_F(HttpServerTlsTest, KeyOfAnotherCertificateIsRefused) {
  const TestCertificate other;
  HttpServerConfig config;
  config.port = 0;
  config.tls_certificate = certificate_.path();
  config.tls_key = other.key_path();
  HttpServer server(config, [](const std::shared_ptr<HttpExchange>&) {});
  const Status listening = server.listen();
  ASSERT_FALSE(listening.ok());
  EXPECT_TRUE(listening.error().message.starts_with(other.key_path() + ": found no usable TLS key"))
      << listening.error().message;
}

}  // namespace
}  // namespace weft
