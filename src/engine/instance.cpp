// A step: forward pass, sampling, drafts.
#include "engine/instance.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace weft {

namespace {

KvLayout layout_of(const CpuModel& model, const EngineInstanceConfig& config) {
  auto layout = kv_layout(model.shape(), model.architecture(), config.block_tokens, config.kv);
  CHECK(layout.ok(), "the block size was checked when it was read");
  return *layout;
}

int layers_of(const CpuModel& model) {
  return static_cast<int>(model.weights().layers.size() + model.weights().mtp.size());
}

// Of a step in which every sequence decodes; the scheduler bounds prompts alone by max_tokens.
int64_t decode_rows(const EngineInstanceConfig& config) {
  return config.max_sequences * (1 + config.draft_tokens);
}

bool ends_output(const TokenSequence& sequence, int32_t token) {
  return std::ranges::find(sequence.stop_tokens, token) != sequence.stop_tokens.end();
}

void hide_early_stops(const TokenSequence& sequence, std::span<float> logits) {
  if (sequence.generated() >= sequence.min_output) return;
  for (const int32_t token : sequence.stop_tokens) {
    if (token >= 0 && static_cast<size_t>(token) < logits.size()) {
      logits[static_cast<size_t>(token)] = -std::numeric_limits<float>::infinity();
    }
  }
}

}  // namespace

EngineInstance::EngineInstance(const CpuModel& model, const EngineInstanceConfig& config)
    : model_(model),
      config_(config),
      workers_(config.threads, config.pins_threads),
      kv_(layout_of(model, config), layers_of(model), config.blocks),
      forward_(model,
               {.tokens = std::max(config.max_tokens, decode_rows(config)),
                .sequences = config.max_sequences,
                .logit_rows = decode_rows(config)},
               kv_, workers_),
      samplers_(static_cast<size_t>(config.threads)) {
  CHECK(config.draft_tokens == 0 || model.has_mtp(), "drafts come from an MTP module");
}

// What each part computes: its chunk, or the last token and the drafts behind it.
void EngineInstance::lay_out(std::span<EnginePart> parts) {
  tokens_.clear();
  tables_.clear();
  for (EnginePart& part : parts) {
    const auto& known = part.sequence->tokens;
    const auto& drafts = part.sequence->drafts;
    const auto have = static_cast<int64_t>(known.size()) - part.context;
    const int64_t drafted =
        part.decode ? std::min<int64_t>(part.tokens - have, static_cast<int64_t>(drafts.size()))
                    : 0;
    CHECK(have >= (part.decode ? 1 : part.tokens), "what a step computes is known");
    const int64_t plain = part.decode ? have : part.tokens;
    tokens_.insert(tokens_.end(), known.begin() + part.context,
                   known.begin() + part.context + plain);
    tokens_.insert(tokens_.end(), drafts.begin(), drafts.begin() + std::max<int64_t>(drafted, 0));
    part.tokens = plain + std::max<int64_t>(drafted, 0);
    for (const BlockId block : part.table) tables_.push_back(block.value());
  }
  forward_parts_.clear();
  size_t token = 0;
  size_t block = 0;
  for (const EnginePart& part : parts) {
    const auto count = static_cast<size_t>(part.tokens);
    const int64_t wanted = !part.samples ? 0 : part.decode ? part.tokens : 1;
    forward_parts_.push_back({std::span(tokens_).subspan(token, count), part.context, wanted,
                              std::span(tables_).subspan(block, part.table.size())});
    token += count;
    block += part.table.size();
  }
}

void EngineInstance::step(std::span<EnginePart> parts) {
  if (parts.empty()) return;
  lay_out(parts);
  forward_.run(forward_parts_);
  int64_t row = 0;
  logit_rows_.clear();
  for (const ForwardPart& part : forward_parts_) {
    logit_rows_.push_back(row);
    row += part.logit_rows;
  }
  workers_.run([&](int thread) {
    const auto count = static_cast<int64_t>(parts.size());
    const Range range = split(count, 1, thread, workers_.threads());
    for (auto i = static_cast<size_t>(range.begin); i < static_cast<size_t>(range.end); ++i) {
      if (parts[i].samples)
        sample(parts[i], logit_rows_[i], samplers_[static_cast<size_t>(thread)]);
    }
  });
  if (config_.draft_tokens > 0) draft(parts);
}

// Tokens one after the other, as long as each was drafted: what the model would have made alone.
void EngineInstance::sample(EnginePart& part, int64_t first_row, Sampler& sampler) {
  TokenSequence& sequence = *part.sequence;
  const int64_t rows = part.decode ? part.tokens : 1;
  const int64_t drafted = part.decode ? rows - 1 : 0;
  const int64_t most = std::min(rows, sequence.max_output - sequence.generated());
  SequenceOutput& output = part.output;
  output = {};
  while (output.tokens < most && !output.end) {
    const int32_t at = output.tokens;
    const std::span<float> logits = forward_.logits(first_row + at);
    hide_early_stops(sequence, logits);
    const auto allowed =
        sequence.constraint ? sequence.constraint->allowed() : std::span<const uint32_t>{};
    Sample next = sampler.sample(logits, sequence.sampling, sequence.counts,
                                 static_cast<uint64_t>(sequence.tokens.size()), allowed);
    const bool fits =
        next.token.id >= 0 && (!sequence.constraint || sequence.constraint->accept(next.token.id));
    if (!fits) {
      sequence.failed = output.end = true;
      break;
    }
    const int32_t token = next.token.id;
    sequence.append(std::move(next));
    ++output.tokens;
    output.end = ends_output(sequence, token);
    if (at < drafted && sequence.drafts[static_cast<size_t>(at)] != token) break;
  }
  sequence.drafts.clear();
}

// The MTP module follows the model: it sees each token that was kept together with the hidden state
// before it, and proposes what comes after the last; then it goes on with its own proposals.
void EngineInstance::draft(std::span<EnginePart> parts) {
  drafting_.clear();
  forward_parts_.clear();
  first_rows_.clear();
  int64_t row = 0;
  size_t block = 0;
  for (EnginePart& part : parts) {
    const auto& tokens = part.sequence->tokens;
    const auto known = static_cast<int64_t>(tokens.size()) - part.context;
    const int64_t rows = std::min(part.tokens, known - 1);
    const bool ended = part.output.end || part.sequence->generated() >= part.sequence->max_output;
    const auto table = std::span<const uint32_t>(tables_).subspan(block, part.table.size());
    if (rows > 0 && !ended) {
      const auto next = std::span(tokens).subspan(static_cast<size_t>(part.context + 1),
                                                  static_cast<size_t>(rows));
      forward_parts_.push_back({next, part.context, part.samples ? 1 : 0, table});
      first_rows_.push_back(row);
      drafting_.push_back(part.sequence);
    }
    row += part.tokens;
    block += part.table.size();
  }
  for (int d = 0; d < config_.draft_tokens && !forward_parts_.empty(); ++d) {
    forward_.run_mtp(forward_parts_, first_rows_);
    take_drafts();
  }
}

// What the module proposed joins the drafts, and is what it sees next.
void EngineInstance::take_drafts() {
  size_t kept = 0;
  int64_t row = 0;
  int64_t logit_row = 0;
  for (size_t i = 0; i < forward_parts_.size(); ++i) {
    ForwardPart part = forward_parts_[i];
    const auto tokens = static_cast<int64_t>(part.tokens.size());
    row += tokens;
    if (part.logit_rows == 0) continue;
    TokenSequence& sequence = *drafting_[i];
    const std::span<float> logits = forward_.logits(logit_row++);
    const auto& kernels = elementwise(model_.isa());
    sequence.drafts.reserve(static_cast<size_t>(config_.draft_tokens));
    sequence.drafts.push_back(
        static_cast<int32_t>(kernels.argmax(logits.data(), static_cast<int64_t>(logits.size()))));
    part.context += tokens;
    part.tokens = std::span(sequence.drafts).last(1);
    forward_parts_[kept] = part;
    first_rows_[kept] = row - 1;
    drafting_[kept] = &sequence;
    ++kept;
  }
  forward_parts_.resize(kept);
  first_rows_.resize(kept);
  drafting_.resize(kept);
}

}  // namespace weft
