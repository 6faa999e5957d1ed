// EngineInstance: one instance of a model on this machine's processors, with the KV of its
// sequences. It computes a step at a time: forward pass, sampling, check of draft tokens, new
// drafts. What a sequence's next token is does not depend on the others in the step, on how its
// prompt was cut into chunks, or on the number of threads.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/cpu_model.h"
#include "engine/forward.h"
#include "engine/kv_memory.h"
#include "engine/sampler.h"
#include "engine/token_book.h"
#include "kernels/workers.h"
#include "model/batch.h"

namespace weft {

struct EngineInstanceConfig {
  int threads = 1;
  bool pins_threads = false;
  KvFormat kv = KvFormat::kBf16;
  int64_t block_tokens = 32;  // a multiple of 16; of 32: attention reads values where they lie
  int64_t blocks = 0;
  int64_t max_tokens = 8192;    // of one step that computes prompts
  int64_t max_sequences = 256;  // of one step
  int draft_tokens = 0;         // of the MTP module, if the model has one
};

// One sequence's part of a step. Requires that `sequence` holds every token before `context` +
// `tokens`, but for a decode step's drafts.
struct EnginePart {
  TokenSequence* sequence = nullptr;
  int64_t context = 0;  // tokens whose KV is in place
  int64_t tokens = 0;   // a chunk of what is known; decode: 1 + as many drafts as may be checked
  bool decode = false;
  bool samples = false;
  std::span<const BlockId> table;
  SequenceOutput output;  // written by the step
};

class EngineInstance {
 public:
  // `model` outlives the instance.
  EngineInstance(const CpuModel& model, const EngineInstanceConfig& config);

  // Appends to each sequence what it gained, and leaves its drafts for the next step.
  void step(std::span<EnginePart> parts);

  [[nodiscard]] const EngineInstanceConfig& config() const { return config_; }
  [[nodiscard]] KvMemory& kv() { return kv_; }

 private:
  void lay_out(std::span<EnginePart> parts);
  void sample(EnginePart& part, int64_t first_row, Sampler& sampler);
  void draft(std::span<EnginePart> parts);
  void take_drafts();

  const CpuModel& model_;
  EngineInstanceConfig config_;
  Workers workers_;
  KvMemory kv_;
  Forward forward_;
  std::vector<Sampler> samplers_;  // by thread
  std::vector<ForwardPart> forward_parts_;
  std::vector<int32_t> tokens_;           // of the step, part after part
  std::vector<uint32_t> tables_;          // the same of blocks
  std::vector<TokenSequence*> drafting_;  // by forward part
  std::vector<int64_t> logit_rows_;       // by part: its first row of logits
  std::vector<int64_t> first_rows_;       // by forward part: of the hidden states it goes on from
};

}  // namespace weft
