// Opening, use and end of the sequences.
#include "engine/token_book.h"

#include "base/check.h"

namespace weft {

void TokenBook::open(RequestId request, TokenSequence sequence) {
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
