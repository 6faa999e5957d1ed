// Encoding: added tokens are cut out of the raw text, then of the normalised text; what is between
// goes through the pre-tokenizer, word by word, to the merges.
#include "model/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/byte_alphabet.h"

namespace weft {

// What one call of encode() works with.
struct Tokenizer::Work {
  PreTokenizer::Run run;
  Bpe::Scratch scratch;
  std::vector<TextPiece> pieces;
};

Result<Tokenizer> Tokenizer::build(const TokenizerSpec& spec) {
  Tokenizer result;
  auto bpe = Bpe::build(spec.bpe);
  if (!bpe.ok()) return bpe.error();
  result.bpe_ = std::move(*bpe);
  auto pre_tokenizer = PreTokenizer::build(spec.splits);
  if (!pre_tokenizer.ok()) {
    return bad_input("pre_tokenizer: " + pre_tokenizer.error().message);
  }
  result.pre_tokenizer_ = std::move(*pre_tokenizer);
  result.normalizers_ = spec.normalizers;
  if (auto status = result.add_tokens(spec); !status.ok()) return status.error();
  result.collect_bytes(spec);
  for (const auto* ends : {&spec.before, &spec.after}) {
    for (const int32_t id : *ends) {
      if (id < 0 || id >= result.vocab_size()) {
        return bad_input(fmt::format("post_processor: found the id {}, expected less than {}", id,
                                     result.vocab_size()));
      }
    }
  }
  result.set_ends(spec.before, spec.after);
  return result;
}

Status Tokenizer::add_tokens(const TokenizerSpec& spec) {
  std::vector<std::string> patterns;
  for (const AddedToken& token : spec.added) {
    if (token.id < 0 || token.id > kMaxTokenId) {
      return bad_input(fmt::format("added_tokens: {:?}: found the id {}, expected 0 to {}",
                                   token.content, token.id, kMaxTokenId));
    }
    const int32_t own = bpe_.find_text(token.content);
    if (own >= 0 && own != token.id) {
      return bad_input(
          fmt::format("added_tokens: {:?}: found the id {}, expected {} as in "
                      "model.vocab",
                      token.content, token.id, own));
    }
    if (token.id < bpe_.size() && own < 0 && !bpe_.text(token.id).empty()) {
      return bad_input(fmt::format("added_tokens: {:?} has the id {} of {:?} in model.vocab",
                                   token.content, token.id, bpe_.text(token.id)));
    }
    added_ids_.emplace_back(token.content, token.id);
    patterns.push_back(token.normalized ? normalize(token.content) : token.content);
  }
  std::stable_sort(added_ids_.begin(), added_ids_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  auto raw = AddedTokens::build(spec.added, patterns, false);
  if (!raw.ok()) return raw.error();
  auto normalized = AddedTokens::build(spec.added, patterns, true);
  if (!normalized.ok()) return normalized.error();
  raw_ = std::move(*raw);
  normalized_ = std::move(*normalized);
  return {};
}

void Tokenizer::collect_bytes(const TokenizerSpec& spec) {
  size_t size = bpe_.size();
  for (const AddedToken& token : spec.added) size = std::max<size_t>(size, token.id + 1);
  bytes_.resize(size);
  special_.resize(size);
  const auto set = [&](int32_t id, const std::string& text) {
    bytes_[id] = from_alphabet(text).value_or(text);
  };
  for (int32_t id = 0; id < bpe_.size(); ++id) set(id, bpe_.text(id));
  for (const AddedToken& token : spec.added) {
    set(token.id, token.content);
    special_[token.id] = token.special;
  }
}

void Tokenizer::set_ends(std::vector<int32_t> before, std::vector<int32_t> after) {
  before_ = std::move(before);
  after_ = std::move(after);
}

std::string Tokenizer::normalize(std::string_view text) const {
  std::string result(text);
  for (const NormalForm form : normalizers_) result = normalize_utf8(result, form);
  return result;
}

std::vector<int32_t> Tokenizer::encode(std::string_view utf8, bool add_special) const {
  std::string mended;
  if (valid_utf8_bytes(utf8) < utf8.size()) {
    mended = replace_invalid_utf8(utf8);
    utf8 = mended;
  }
  std::vector<int32_t> ids;
  ids.reserve(utf8.size() / 3 + before_.size() + after_.size());
  if (add_special) ids = before_;
  Work work{PreTokenizer::Run(pre_tokenizer_), {}, {}};
  std::vector<TextPiece> pieces;
  raw_.split(utf8, pieces);
  for (const TextPiece& piece : pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
    } else {
      encode_text(piece.text, work, ids);
    }
  }
  if (add_special) ids.insert(ids.end(), after_.begin(), after_.end());
  return ids;
}

void Tokenizer::encode_text(std::string_view text, Work& work, std::vector<int32_t>& ids) const {
  const bool changes = std::any_of(normalizers_.begin(), normalizers_.end(),
                                   [](NormalForm form) { return form != NormalForm::kNfc; });
  std::string normal;
  if (!normalizers_.empty() && (changes || !is_surely_nfc(text))) {
    normal = normalize(text);
    text = normal;
  }
  work.pieces.clear();
  normalized_.split(text, work.pieces);
  for (const TextPiece& piece : work.pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    for (const std::string_view word : work.run.words(piece.text)) {
      bpe_.encode(word, work.scratch, ids);
    }
  }
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  return id >= 0 && id < vocab_size() ? std::string_view(bytes_[id]) : std::string_view();
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size() && special_[id];
}

std::optional<int32_t> Tokenizer::token_id(std::string_view text) const {
  const auto found = std::lower_bound(
      added_ids_.begin(), added_ids_.end(), text,
      [](const auto& added, std::string_view wanted) { return added.first < wanted; });
  if (found != added_ids_.end() && found->first == text) return found->second;
  const int32_t id = bpe_.find_text(text);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (!skip_special || !is_special(id)) bytes += token_bytes(id);
  }
  return valid_utf8_bytes(bytes) == bytes.size() ? bytes : replace_invalid_utf8(bytes);
}

std::string Detokenizer::add(int32_t id) {
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  pending_ += tokenizer_.token_bytes(id);
  std::string text;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const size_t valid = valid_utf8_bytes(rest);
    text += rest.substr(0, valid);
    rest.remove_prefix(valid);
    if (rest.empty()) break;
    const Utf8Step step = utf8_step(rest);
    if (step.cut) break;
    text += kReplacement;
    rest.remove_prefix(step.bytes);
  }
  pending_ = std::string(rest);
  return text;
}

std::string Detokenizer::finish() {
  std::string text = replace_invalid_utf8(pending_);
  pending_.clear();
  return text;
}

}  // namespace weft
