// The API under clients of every kind: patient, hasty, slow, wrong and gone. However they behave,
// in the end nothing runs, no block is held and every sequence is accounted for.
#include "real/api_server.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <future>
#include <thread>

#include "engine/reference_testing.h"
#include "real/cpu_cluster.h"
#include "real/http_server.h"
#include "real/http_test_client.h"
#include "real/wall_clock.h"

namespace weft {
namespace {

constexpr const char* kTemplate =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n{# <tool_call> #}";

// A tiny model and its texts.
class Fixture {
 public:
  explicit Fixture(const std::string& like) : folder_("weft_api_" + like) {
    Workers workers(1, false);
    const EngineFormat format = {.weights = WeightFormat::kF32, .loads_mtp = like == "deepseek-v3"};
    Checkpoint checkpoint = make(like, folder_.path());
    tokenizer_ = std::make_unique<Tokenizer>(
        Tokenizer::from_json(*checkpoint.texts().tokenizer, "tokenizer.json").value());
    config_ = *TokenizerConfig::from_json(*checkpoint.texts().tokenizer_config, "config");
    template_ = std::make_unique<ChatTemplate>(ChatTemplate::parse(kTemplate).value());
    auto model = CpuModel::load(std::move(checkpoint), format, best_isa(), workers);
    EXPECT_TRUE(model.ok());
    model_ = std::make_unique<CpuModel>(std::move(model).value());
  }

  [[nodiscard]] const CpuModel& model() const { return *model_; }
  [[nodiscard]] ApiModel api_model(int64_t capacity) const {
    ApiModel out;
    out.name = "tiny";
    out.fingerprint = "test";
    out.tokenizer = tokenizer_.get();
    out.tokenizer_config = &config_;
    out.chat_template = template_.get();
    out.chat_template_source = kTemplate;
    out.stop_tokens = {509, 511};
    out.sampling.temperature = 0;
    out.vocab = static_cast<int32_t>(model_->shape().vocab);
    out.context = model_->shape().context;
    out.capacity = capacity;
    return out;
  }

 private:
  static Checkpoint make(const std::string& like, const std::string& path) {
    RandomCheckpoint wanted;
    wanted.config = *preset_config(*architecture_by_name(like), "tiny", {});
    EXPECT_TRUE(write_random_checkpoint(path, wanted).ok());
    return Checkpoint::open(path).value();
  }

  TemporaryFolder folder_;
  std::unique_ptr<CpuModel> model_;
  std::unique_ptr<Tokenizer> tokenizer_;
  TokenizerConfig config_;
  std::unique_ptr<ChatTemplate> template_;
};

CpuClusterConfig narrow(int draft_tokens) {
  CpuClusterConfig config;
  config.instance.blocks = 48;
  config.instance.max_tokens = 64;
  config.instance.max_sequences = 4;
  config.instance.draft_tokens = draft_tokens;
  config.max_waiting = 6;
  return config;
}

// What `weft serve` is made of, with narrow limits and a loop on a thread of its own.
class Serving {
 public:
  explicit Serving(const Fixture& fixture, int draft_tokens = 0)
      : loop_(clock_),
        cluster_(loop_, fixture.model(), narrow(draft_tokens),
                 Callback<const TokenNews&>::to<&Serving::hear>(this)),
        api_(loop_, fixture.api_model(48 * 32 - 1 - draft_tokens), {{}, 16},
             {.submit = [this](TokenSequence s, uint64_t tag,
                               int priority) { cluster_.submit(std::move(s), tag, priority); },
              .cancel = [this](uint64_t tag) { cluster_.cancel(tag); },
              .gauges = [this] { return ApiGauges{.running = scheduler().running()}; }}),
        http_(http_config(), [this](const auto& exchange) { api_.handle(exchange); }) {
    EXPECT_TRUE(http_.listen().ok());
    thread_ = std::thread([this] { loop_.run(true); });
  }
  ~Serving() {
    http_.stop();
    on_loop([this] { loop_.stop(); });
    thread_.join();
  }

  [[nodiscard]] uint16_t port() const { return http_.port(); }

  // Whether nothing is left of any request, looked at on the loop.
  bool is_idle() {
    bool idle = false;
    on_loop([&] {
      idle = api_.in_flight() == 0 && cluster_.cluster().router().pending() == 0 &&
             scheduler().running() == 0 && scheduler().waiting() == 0 &&
             scheduler().blocks_in_use() == 0;
      if (idle) cluster_.cluster().check_integrity(Integrity::kDeep);
    });
    return idle;
  }
  bool becomes_idle(std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!is_idle()) {
      if (std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }

 private:
  static HttpServerConfig http_config() {
    HttpServerConfig config;
    config.port = 0;
    config.threads = 2;
    config.max_unsent_bytes = 256 << 10;
    return config;
  }
  const Scheduler& scheduler() { return cluster_.cluster().instance(0)->scheduler(); }
  void hear(const TokenNews& news) { api_.hear(news); }
  void on_loop(const std::function<void()>& run) {
    std::promise<void> done;
    loop_.inbox().post({.owner = {},
                        .run =
                            [&] {
                              run();
                              done.set_value();
                            },
                        .is_unowned = true});
    done.get_future().wait();
  }

  WallClock clock_;
  Loop loop_;
  CpuCluster cluster_;
  ApiServer api_;
  HttpServer http_;
  std::thread thread_;
};

// A request's body made of parts that may come in any mix.
std::string valid_body(Random& random, bool is_chat) {
  std::string text = "a";
  for (uint64_t left = random.below(120); left > 0; --left) text += "ab c"[random.below(4)];
  std::string out = is_chat
                        ? fmt::format(R"({{"messages":[{{"role":"user","content":"{}"}}])", text)
                        : fmt::format(R"({{"prompt":["{}","so"])", text);
  const bool is_long =
      random.below(5) == 0;  // not as a stream: a busy machine might read too slowly
  out += fmt::format(R"(,"max_tokens":{})", 1 + random.below(is_long ? 400 : 30));
  const auto maybe = [&](uint64_t one_of, std::string_view field) {
    if (random.below(one_of) == 0) out += field;
  };
  if (!is_long) maybe(2, R"(,"stream":true)");
  maybe(4, R"(,"n":3)");
  maybe(2, R"(,"temperature":1)");
  maybe(3, R"(,"stop":["a","zz"])");
  maybe(3, R"(,"ignore_eos":true)");
  maybe(8, R"(,"priority":-1)");
  maybe(4, is_chat ? R"(,"logprobs":true,"top_logprobs":3)" : R"(,"logprobs":2)");
  maybe(6, R"(,"response_format":{"type":"json_object"})");
  if (is_chat) {
    maybe(6,
          R"(,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object",)"
          R"("properties":{"a":{"type":"integer"}},"required":["a"]}}}],"tool_choice":"required")");
  }
  return out + "}";
}

std::string wrong_body(Random& random) {
  constexpr std::array kBodies = {
      "",
      "{",
      "[]",
      "{}",
      R"({"messages":7})",
      R"({"messages":[],"prompt":[]})",
      R"({"prompt":"a","n":1000,"messages":[{"role":"user","content":"a"}],"temperature":"x"})",
      R"({"prompt":"a","max_tokens":9999,"messages":[{"role":"user","content":"a"}]})",
      R"({"prompt":[[99999]],"model":"none","messages":[{"role":"user","content":"a"}]})"};
  if (random.below(3) > 0) return kBodies[random.below(kBodies.size())];
  std::string out = valid_body(random, true);  // with one byte changed
  out[random.below(out.size())] = static_cast<char>(random.below(256));
  return out;
}

struct Counts {
  int whole = 0;
  int refused = 0;
  int gone = 0;
};

class RandomClient {
 public:
  RandomClient(uint16_t port, uint64_t seed) : port_(port), random_(seed) {}

  Counts run(int exchanges) {
    for (int i = 0; i < exchanges; ++i) exchange();
    return counts_;
  }

 private:
  void exchange() {
    const bool is_chat = random_.below(2) == 0;
    const std::string_view path = is_chat ? "/v1/chat/completions" : "/v1/completions";
    switch (random_.below(10)) {
      case 0:
        return refused(path, wrong_body(random_));
      case 1:
        return other();
      case 2:
        return leave(path, valid_body(random_, is_chat), 0);
      case 3:
      case 4:
        return leave(path, valid_body(random_, is_chat), 1 + random_.below(600));
      case 5:
        return lag();
      default:
        return patient(path, valid_body(random_, is_chat));
    }
  }

  // Takes the whole answer.
  void patient(std::string_view path, const std::string& body) {
    TestClient client(port_);
    ASSERT_TRUE(client.send(post_request(path, body)));
    const TestAnswer answer = client.read_answer();
    ASSERT_TRUE(answer.status == 200 || answer.status == 429) << answer.status << body;
    EXPECT_TRUE(answer.whole) << body;
    if (answer.status == 429) {
      ++counts_.refused;
      return;
    }
    ++counts_.whole;
    if (answer.header("Content-Type").starts_with("text/event-stream")) {
      EXPECT_TRUE(answer.body.ends_with("data: [DONE]\n\n")) << answer.body;
    } else {
      EXPECT_TRUE(nlohmann::json::accept(answer.body)) << answer.body;
    }
  }
  // Any answer is as good as another, as long as it is one.
  void refused(std::string_view path, const std::string& body) {
    TestClient client(port_);
    ASSERT_TRUE(client.send(post_request(path, body)));
    EXPECT_TRUE(client.read_answer().whole) << body;
  }
  void other() {
    constexpr std::array kPaths = {"/metrics",   "/health",           "/ready",
                                   "/v1/models", "/v1/models/ti%6Ey", "/nothing"};
    TestClient client(port_);
    for (const char* path : kPaths) {
      ASSERT_TRUE(client.send(get_request(path)));
      EXPECT_TRUE(client.read_answer().whole);
    }
    ASSERT_TRUE(client.send(post_request("/tokenize", R"({"prompt":"a b"})")));
    EXPECT_EQ(client.read_answer().status, 200);
  }
  // Hangs up after so many bytes of the answer, or amid the request.
  void leave(std::string_view path, const std::string& body, size_t after) {
    TestClient client(port_);
    const std::string request = post_request(path, body, "Connection: close\r\n");
    const size_t sent = random_.below(4) == 0 ? random_.below(request.size()) : request.size();
    client.send(std::string_view(request).substr(0, sent));
    if (after > 0 && sent == request.size()) client.read_bytes(after);
    if (random_.below(2) == 0) client.reset();
    ++counts_.gone;
  }
  // Asks for a stream and does not read it: it is dropped, or fits the buffers.
  void lag() {
    auto& client = slow_.emplace_back(port_, 2048);
    client.send(post_request("/v1/completions",
                             R"({"prompt":"a","max_tokens":500,"n":3,"stream":true,"logprobs":5,)"
                             R"("ignore_eos":true})"));
    if (slow_.size() > 3) slow_.pop_front();
    ++counts_.gone;
  }

  uint16_t port_;
  Random random_;
  Counts counts_;
  std::deque<TestClient> slow_;
};

Counts let_loose(uint16_t port, int clients, int exchanges) {
  std::vector<std::future<Counts>> running;
  for (int i = 0; i < clients; ++i) {
    running.push_back(std::async(std::launch::async, [port, i, exchanges] {
      return RandomClient(port, static_cast<uint64_t>(i) + 1).run(exchanges);
    }));
  }
  Counts sum;
  for (auto& one : running) {
    const Counts counts = one.get();
    sum.whole += counts.whole;
    sum.refused += counts.refused;
    sum.gone += counts.gone;
  }
  return sum;
}

double metric(const std::string& text, const std::string& name) {
  double sum = 0;
  for (size_t at = text.find("\n" + name + "{"); at != std::string::npos;
       at = text.find("\n" + name + "{", at + 1)) {
    sum += std::atof(text.c_str() + text.find("} ", at) + 2);
  }
  return sum;
}

class ApiServers : public testing::TestWithParam<std::string> {};

TEST_P(ApiServers, AreIdleAgainAfterClientsOfEveryKind) {
  const Fixture fixture(GetParam());
  Serving serving(fixture, GetParam() == "deepseek-v3" ? 1 : 0);
  const Counts counts = let_loose(serving.port(), 10, 25);
  EXPECT_GT(counts.whole, 10);
  EXPECT_GT(counts.refused, 0);
  EXPECT_GT(counts.gone, 10);
  ASSERT_TRUE(serving.becomes_idle(std::chrono::seconds(20)));

  TestClient client(serving.port());
  ASSERT_TRUE(client.send(get_request("/metrics")));
  const std::string text = client.read_answer().body;
  EXPECT_EQ(metric(text, "weft:sequences_submitted_total"),
            metric(text, "vllm:request_success_total") +
                metric(text, "weft:sequences_rejected_total") +
                metric(text, "weft:sequences_failed_total"));
  EXPECT_EQ(metric(text, "weft:sequences_failed_total"), 0);
  EXPECT_GT(metric(text, "weft:sequences_rejected_total"), 0);
  EXPECT_GT(metric(text, "weft:clients_hung_up_total"), 0);
}

INSTANTIATE_TEST_SUITE_P(Some, ApiServers, testing::Values("qwen3", "deepseek-v3"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase(name, '-');
                           return name;
                         });

// The server goes while clients are waiting: nothing hangs, nothing is used after its end.
TEST(ApiServer, EndsAmidAnswers) {
  const Fixture fixture("qwen3");
  for (int round = 0; round < 5; ++round) {
    auto serving = std::make_unique<Serving>(fixture);
    std::deque<TestClient> clients;
    for (int i = 0; i < 8; ++i) {
      auto& client = clients.emplace_back(serving->port());
      ASSERT_TRUE(client.send(post_request(
          "/v1/completions",
          R"({"prompt":"abc","max_tokens":900,"ignore_eos":true,"stream":true,"n":2})")));
    }
    clients[0].read_bytes(1);
    serving.reset();
    for (TestClient& client : clients) client.read_to_end();
  }
}

}  // namespace
}  // namespace weft
