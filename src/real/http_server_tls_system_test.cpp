// The server over TLS, with certificates made here.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "real/http_server.h"
#include "real/http_test_client.h"
#include "real/http_test_server.h"

namespace weft {
namespace {

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
