// Requests in, tokens out.
#include "real/cpu_cluster.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/random.h"
#include "real/cpu_device.h"

namespace weft {

void hash_blocks(std::span<const int32_t> tokens, int64_t block, uint64_t salt,
                 std::vector<BlockHash>& out) {
  out.clear();
  uint64_t chain = salt;
  for (size_t i = 0; i < tokens.size(); ++i) {
    chain = mix64(chain, static_cast<uint64_t>(tokens[i]));
    if ((i + 1) % static_cast<size_t>(block) == 0) out.emplace_back(chain);
  }
}

ClusterConfig cluster_config(const CpuClusterConfig& config) {
  ClusterConfig out;
  out.router.id = NodeId(0);
  out.router.max_pending = config.max_waiting;
  for (int i = 0; i < config.instances; ++i) {
    const NodeId id(static_cast<uint32_t>(i + 1));
    InstanceConfig instance;
    instance.id = id;
    instance.router = out.router.id;
    instance.scheduler.block = Tokens(config.instance.block_tokens);
    instance.scheduler.blocks_per_rank = config.instance.blocks;
    instance.scheduler.max_tokens_per_rank = config.instance.max_tokens;
    instance.scheduler.max_sequences_per_rank = config.instance.max_sequences;
    instance.scheduler.draft_tokens = config.instance.draft_tokens;
    out.instances.push_back(instance);
    out.router.peers.push_back({.id = id, .max_outstanding = 2 * config.instance.max_sequences});
  }
  return out;
}

std::string record_settings(const CpuClusterConfig& config) {
  const EngineInstanceConfig& instance = config.instance;
  return fmt::format(
      "instances={} block={} blocks={} max_tokens={} max_sequences={} draft_tokens={} "
      "max_waiting={}",
      config.instances, instance.block_tokens, instance.blocks, instance.max_tokens,
      instance.max_sequences, instance.draft_tokens, config.max_waiting);
}

CpuCluster::CpuCluster(Loop& loop, const CpuModel& model, const CpuClusterConfig& config,
                       Callback<const TokenNews&> news)
    : loop_(loop),
      model_(model),
      config_(config),
      news_(news),
      transport_(loop),
      cluster_(loop, transport_, weft::cluster_config(config),
               {[this](size_t) -> std::unique_ptr<Device> {
                  return std::make_unique<CpuDevice>(loop_, model_, book_, config_.instance);
                },
                {}},
               Callback<const RequestRecord&>::to<&CpuCluster::ended>(this)) {
  cluster_.listen(Callback<const StepReport&>::to<&CpuCluster::step_done>(this));
}

// The router names the request; nothing reaches an instance before the next turn, so that the book
// knows it by then.
void CpuCluster::submit(TokenSequence sequence, uint64_t tag, int priority) {
  hash_blocks(sequence.tokens, config_.instance.block_tokens, config_.hash_salt, hashes_);
  const NewRequest request = {.prompt = Tokens(static_cast<int64_t>(sequence.tokens.size())),
                              .max_output = Tokens(sequence.max_output),
                              .priority = priority,
                              .blocks = hashes_,
                              .tag = tag};
  sequence.prompt = static_cast<int64_t>(sequence.tokens.size());
  if (config_.recorder != nullptr) config_.recorder->arrived(request);
  submitted_ = &sequence;
  const RequestId id = cluster_.router().submit(request);
  if (submitted_ == nullptr) return;  // rejected, and the news is out
  submitted_ = nullptr;
  tag_of_.insert(id.value(), tag);
  request_of_.insert(tag, id.value());
  book_.open(id, std::move(sequence));
}

void CpuCluster::cancel(uint64_t tag) {
  const uint64_t* request = request_of_.find(tag);
  if (request != nullptr && config_.recorder != nullptr) {
    tells_ ? config_.recorder->cancelled_on_news(news_count_, tag)
           : config_.recorder->cancelled(tag);
  }
  if (request != nullptr) cluster_.router().cancel(RequestId(*request));
}

void CpuCluster::tell(const TokenNews& news) {
  ++news_count_;
  tells_ = true;
  news_(news);
  tells_ = false;
}

void CpuCluster::step_done(const StepReport& report) {
  if (config_.recorder != nullptr) config_.recorder->step(report.node, report.outputs);
  for (size_t i = 0; i < report.outputs.size(); ++i) {
    const int64_t tokens = report.outputs[i].tokens;
    if (tokens == 0) continue;
    const RequestId id = report.batch.work[i].request;
    const TokenSequence* sequence = book_.find(id);
    if (sequence == nullptr) continue;
    tell({.tag = *tag_of_.find(id.value()), .sequence = *sequence, .tokens = tokens});
  }
}

void CpuCluster::ended(const RequestRecord& record) {
  const uint64_t* request = request_of_.find(record.tag);
  if (request == nullptr) {
    CHECK(submitted_ != nullptr, "only a rejected request ends before it is known");
    tell({.tag = record.tag, .sequence = *submitted_, .record = &record});
    submitted_ = nullptr;
    return;
  }
  const RequestId id(*request);
  const TokenSequence* sequence = book_.find(id);
  if (sequence->users > 0) sequence = &nothing_;
  tell({.tag = record.tag, .sequence = *sequence, .record = &record});
  book_.close(id);
  tag_of_.erase(id.value());
  request_of_.erase(record.tag);
}

}  // namespace weft
