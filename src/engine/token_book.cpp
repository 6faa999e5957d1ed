// Opening, use and end of the sequences.
#include "engine/token_book.h"

#include <algorithm>

#include "base/check.h"

namespace weft {

bool TokenSequence::has_penalties() const {
  return sampling.repetition_penalty != 1 || sampling.presence_penalty != 0 ||
         sampling.frequency_penalty != 0;
}

void TokenSequence::append(Sample sample) {
  tokens.push_back(sample.token.id);
  if (has_penalties()) counts.add_output(sample.token.id);
  if (sampling.logprobs >= 0) samples.push_back(std::move(sample));
}

void TokenSequence::truncate(int64_t generated) {
  if (generated == this->generated()) return;
  CHECK(generated < this->generated(), "tokens that were counted are known");
  if (constraint) constraint->rewind(static_cast<size_t>(this->generated() - generated));
  tokens.resize(static_cast<size_t>(prompt + generated));
  samples.resize(std::min(samples.size(), static_cast<size_t>(generated)));
  drafts.clear();
  if (!has_penalties()) return;
  counts = {};
  counts.add_prompt(std::span(tokens).first(static_cast<size_t>(prompt)));
  for (const int32_t token : output()) counts.add_output(token);
}

void TokenBook::open(RequestId request, TokenSequence sequence) {
  if (sequence.has_penalties()) sequence.counts.add_prompt(sequence.tokens);
  auto owned = std::make_unique<TokenSequence>(std::move(sequence));
  const bool is_new = sequences_.insert(request.value(), std::move(owned)).second;
  CHECK(is_new, "a request is opened once");
}

TokenSequence* TokenBook::find(RequestId request) {
  auto* found = sequences_.find(request.value());
  return found == nullptr || (*found)->closed ? nullptr : found->get();
}

void TokenBook::close(RequestId request) {
  auto* found = sequences_.find(request.value());
  if (found == nullptr) return;
  (*found)->closed = true;
  if ((*found)->users == 0) sequences_.erase(request.value());
}

TokenSequence* TokenBook::use(RequestId request) {
  auto* found = sequences_.find(request.value());
  if (found == nullptr) return nullptr;
  ++(*found)->users;
  return found->get();
}

void TokenBook::leave(RequestId request) {
  auto* found = sequences_.find(request.value());
  CHECK(found != nullptr && (*found)->users > 0, "left as often as used");
  if (--(*found)->users == 0 && (*found)->closed) sequences_.erase(request.value());
}

}  // namespace weft
