// Tokens for steps that a model timed.
#include "apps/emulated_cluster.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/random.h"

namespace weft {

namespace {

// " word" in small letters: reads like text when put together.
bool is_word(std::string_view bytes) {
  if (bytes.size() < 3 || bytes[0] != ' ') return false;
  return std::ranges::all_of(bytes.substr(1), [](char c) { return c >= 'a' && c <= 'z'; });
}

// One of the bits that are set, by `draw`; -1 when none is.
int32_t pick_bit(std::span<const uint32_t> bits, uint64_t draw) {
  int64_t count = 0;
  for (const uint32_t word : bits) count += std::popcount(word);
  if (count == 0) return -1;
  auto left = static_cast<int64_t>(draw % static_cast<uint64_t>(count));
  for (size_t i = 0; i < bits.size(); ++i) {
    const int here = std::popcount(bits[i]);
    if (left >= here) {
      left -= here;
      continue;
    }
    uint32_t word = bits[i];
    for (; left > 0; --left) word &= word - 1;
    return static_cast<int32_t>(32 * i) + std::countr_zero(word);
  }
  return -1;
}

}  // namespace

EmulatedCluster::EmulatedCluster(const Tokenizer& tokenizer, uint64_t seed,
                                 Callback<const TokenNews&> news)
    : tokenizer_(tokenizer), seed_(seed), news_(news) {
  for (int32_t token = 0; token < tokenizer.vocab_size(); ++token) {
    if (is_word(tokenizer.token_bytes(token))) words_.push_back(token);
  }
  if (words_.empty()) words_ = tokenizer.encode(" word", false);
  for (int32_t token = 0; token < tokenizer.vocab_size(); ++token) {
    const std::string_view bytes = tokenizer.token_bytes(token);
    if (bytes == "\"" || bytes == "}" || bytes == "]") ends_.push_back(token);
  }
}

Result<std::unique_ptr<EmulatedCluster>> EmulatedCluster::make(const Deployment& deployment,
                                                               Scenario& scenario,
                                                               const Tokenizer& tokenizer,
                                                               Callback<const TokenNews&> news) {
  std::unique_ptr<EmulatedCluster> out(new EmulatedCluster(tokenizer, scenario.seed, news));
  auto world =
      World::make(out->clock_, deployment, scenario,
                  {Callback<const RequestRecord&>::to<&EmulatedCluster::request_ended>(out.get()),
                   Callback<const StepReport&>::to<&EmulatedCluster::step_done>(out.get())});
  if (!world) return world.error();
  out->world_ = std::move(*world);
  out->block_ = deployment.cluster.instances.front().scheduler.block.count();
  return out;
}

int64_t EmulatedCluster::capacity() {
  int64_t out = INT64_MAX;
  for (const InstanceConfig& instance : cluster().config().instances) {
    const SchedulerConfig& scheduler = instance.scheduler;
    const int64_t tokens = scheduler.blocks_per_rank * scheduler.block.count();
    out = std::min(out, tokens - 1 - scheduler.draft_tokens);
  }
  return out;
}

void EmulatedCluster::submit(TokenSequence sequence, uint64_t tag, int priority) {
  hash_blocks(sequence.tokens, block_, seed_, hashes_);
  const NewRequest request = {.prompt = Tokens(static_cast<int64_t>(sequence.tokens.size())),
                              .max_output = Tokens(sequence.max_output),
                              .priority = priority,
                              .blocks = hashes_,
                              .tag = tag};
  sequence.prompt = static_cast<int64_t>(sequence.tokens.size());
  auto made = std::make_unique<Open>();
  made->sequence = std::move(sequence);
  open_.insert(tag, std::move(made));
  const RequestId id = cluster().router().submit(request);
  auto* open = open_.find(tag);
  if (open == nullptr) return;  // rejected
  (*open)->request = id;
  (*open)->is_known = true;
  tag_of_.insert(id.value(), tag);
}

void EmulatedCluster::cancel(uint64_t tag) {
  auto* open = open_.find(tag);
  if (open != nullptr && (*open)->is_known) cluster().router().cancel((*open)->request);
}

int32_t EmulatedCluster::next_token(Open& open, uint64_t tag) {
  TokenSequence& sequence = open.sequence;
  const uint64_t draw = mix64(mix64(seed_, tag), sequence.tokens.size());
  if (!sequence.constraint) return words_[draw % words_.size()];
  const auto allowed = sequence.constraint->allowed();
  int32_t token = -1;
  // Every third token ends a string, a list or an object where one may end, or texts would not.
  for (const int32_t end : ends_) {
    const auto at = static_cast<size_t>(end);
    if (draw % 3 == 0 && (allowed[at / 32] >> (at % 32) & 1) != 0) token = end;
  }
  if (token < 0) token = pick_bit(allowed, draw);
  if (token < 0 || !sequence.constraint->accept(token)) {
    sequence.failed = true;
    return words_.front();
  }
  open.has_ended = sequence.constraint->has_ended();
  return token;
}

void EmulatedCluster::step_done(const StepReport& report) {
  const auto work = report.batch.work;
  for (size_t i = 0; i < work.size(); ++i) {
    if (report.outputs[i].tokens == 0) continue;
    const uint64_t* tag = tag_of_.find(work[i].request.value());
    if (tag == nullptr) continue;
    const uint64_t of = *tag;
    Open& open = **open_.find(of);
    TokenSequence& sequence = open.sequence;
    int64_t gained = 0;
    for (; gained < report.outputs[i].tokens && !open.has_ended && !sequence.failed; ++gained) {
      if (sequence.generated() >= sequence.max_output) break;
      const int32_t token = next_token(open, of);
      sequence.append({.token = {.id = token, .logprob = 0}, .top = {}});
    }
    if (gained == 0) continue;
    news_({.tag = of, .sequence = sequence, .tokens = gained});
    // The model would go on to its length.
    if (open_.find(of) != nullptr && open.has_ended) cancel(of);
  }
}

void EmulatedCluster::request_ended(const RequestRecord& record) {
  auto* found = open_.find(record.tag);
  CHECK(found != nullptr, "a request that was submitted ends once");
  const std::unique_ptr<Open> open = std::move(*found);
  open_.erase(record.tag);
  if (open->is_known) tag_of_.erase(open->request.value());
  RequestRecord told = record;
  if (open->has_ended && told.end == RequestEnd::kCancelled) told.end = RequestEnd::kCompleted;
  news_({.tag = record.tag, .sequence = open->sequence, .record = &told});
}

}  // namespace weft
