// tokenizer.json: its tree walked into a TokenizerSpec. Whatever would change ids and is not done
// here is refused by its key and name.
#include <fmt/format.h>

#include <array>
#include <limits>

#include "model/json_read.h"
#include "model/tokenizer.h"

namespace weft {
namespace {

constexpr int kMaxNesting = 8;
constexpr std::string_view kPunctuation = R"([\p{P}$+<=>^`|~])";

Error unsupported(std::string_view key, std::string_view found, std::string_view expected) {
  return bad_input(fmt::format("{}: found {}, expected {}", key, found, expected));
}

// A part's "type".
std::string type_of(JsonObject object) {
  return std::string(json_text(object, "type").value_or("no type"));
}

// Calls `read(part, key)` for a part, or for each part of a Sequence.
template <class Read>
Status for_each_part(JsonElement element, const std::string& key, std::string_view list,
                     const Read& read, int depth = 0) {
  JsonObject object;
  if (element.get_object().get(object)) {
    return unsupported(key, describe_json(element), "a table with a type");
  }
  if (json_text(object, "type") != "Sequence") return read(object, key);
  JsonArray parts;
  const auto member = json_member(object, list);
  if (!member || member->get_array().get(parts)) {
    return unsupported(fmt::format("{}.{}", key, list), "no list", "the parts of the Sequence");
  }
  if (depth == kMaxNesting) return unsupported(key, "Sequences in Sequences", "fewer");
  size_t i = 0;
  for (const JsonElement part : parts) {
    const std::string part_key = fmt::format("{}.{}[{}]", key, list, i++);
    if (auto status = for_each_part(part, part_key, list, read, depth + 1); !status.ok()) {
      return status;
    }
  }
  return {};
}

Status read_vocab(JsonObject model, BpeSpec& bpe) {
  JsonObject vocab;
  const auto member = json_member(model, "vocab");
  if (!member || member->get_object().get(vocab)) {
    return unsupported("model.vocab", "no table", "tokens and their ids");
  }
  bpe.vocab.reserve(vocab.size());
  for (const auto& [text, value] : vocab) {
    int64_t id = 0;
    if (value.get_int64().get(id) || id < 0 || id > kMaxTokenId) {
      return unsupported(fmt::format("model.vocab.{:?}", text), describe_json(value),
                         fmt::format("an id from 0 to {}", kMaxTokenId));
    }
    bpe.vocab.emplace_back(text, static_cast<int32_t>(id));
  }
  return {};
}

// Both spellings: "a b" and ["a", "b"].
bool read_merge(JsonElement merge, std::pair<std::string_view, std::string_view>& parts) {
  std::string_view text;
  if (!merge.get_string().get(text)) {
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
      return false;
    }
    parts = {text.substr(0, space), text.substr(space + 1)};
    return true;
  }
  JsonArray pair;
  return !merge.get_array().get(pair) && pair.size() == 2 &&
         !pair.at(0).get_string().get(parts.first) && !pair.at(1).get_string().get(parts.second);
}

Status read_merges(JsonObject model, BpeSpec& bpe) {
  JsonArray merges;
  const auto member = json_member(model, "merges");
  if (!member || member->get_array().get(merges)) {
    return unsupported("model.merges", "no list", "pairs of tokens");
  }
  bpe.merges.reserve(merges.size());
  for (const JsonElement merge : merges) {
    auto& parts = bpe.merges.emplace_back();
    if (!read_merge(merge, parts)) {
      return unsupported(fmt::format("model.merges[{}]", bpe.merges.size() - 1),
                         describe_json(merge), "\"a b\" or [\"a\", \"b\"]");
    }
  }
  return {};
}

Status read_model(JsonObject root, BpeSpec& bpe) {
  JsonObject model;
  const auto member = json_member(root, "model");
  if (!member || member->get_object().get(model)) {
    return unsupported("model", "no table", "one with type \"BPE\"");
  }
  // Old files name no type; what has merges is BPE.
  const auto type = json_text(model, "type").value_or("BPE");
  if (type != "BPE") return unsupported("model.type", fmt::format("{:?}", type), "\"BPE\"");
  if (json_flag(model, "byte_fallback").value_or(false)) {
    return unsupported("model.byte_fallback", "true", "false: byte-level BPE needs none");
  }
  if (json_number(model, "dropout").value_or(0) > 0) {
    return unsupported("model.dropout", "a share", "null: it is for training");
  }
  for (const std::string_view affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto text = json_text(model, affix).value_or("");
    if (!text.empty()) {
      return unsupported(fmt::format("model.{}", affix), fmt::format("{:?}", text), "null");
    }
  }
  if (const auto unknown = json_text(model, "unk_token"); unknown && !unknown->empty()) {
    bpe.unknown = std::string(*unknown);
  }
  bpe.fuse_unknown = json_flag(model, "fuse_unk").value_or(false);
  bpe.ignore_merges = json_flag(model, "ignore_merges").value_or(false);
  if (auto status = read_vocab(model, bpe); !status.ok()) return status;
  return read_merges(model, bpe);
}

Status read_added(JsonObject root, std::vector<AddedToken>& added) {
  const auto member = json_member(root, "added_tokens");
  if (!member) return {};
  JsonArray tokens;
  if (member->get_array().get(tokens)) {
    return unsupported("added_tokens", describe_json(*member), "a list");
  }
  for (const JsonElement element : tokens) {
    const std::string key = fmt::format("added_tokens[{}]", added.size());
    JsonObject object;
    if (element.get_object().get(object)) {
      return unsupported(key, describe_json(element), "a table");
    }
    const auto id = json_integer(object, "id");
    const auto content = json_text(object, "content");
    if (!id || *id < 0 || *id > kMaxTokenId || !content) {
      return unsupported(key, "no id or content", "both");
    }
    const auto flag = [&](std::string_view name) {
      return json_flag(object, name).value_or(false);
    };
    added.push_back({std::string(*content), static_cast<int32_t>(*id), flag("special"),
                     flag("single_word"), flag("lstrip"), flag("rstrip"), flag("normalized")});
  }
  return {};
}

Status read_normalizer(JsonObject root, std::vector<NormalForm>& forms) {
  const auto member = json_member(root, "normalizer");
  if (!member) return {};
  return for_each_part(*member, "normalizer", "normalizers",
                       [&](JsonObject part, const std::string& key) -> Status {
                         constexpr std::array<std::pair<std::string_view, NormalForm>, 4> kForms = {
                             {{"NFC", NormalForm::kNfc},
                              {"NFD", NormalForm::kNfd},
                              {"NFKC", NormalForm::kNfkc},
                              {"NFKD", NormalForm::kNfkd}}};
                         const std::string type = type_of(part);
                         for (const auto& [name, form] : kForms) {
                           if (type != name) continue;
                           forms.push_back(form);
                           return {};
                         }
                         return unsupported(key, type, "NFC, NFD, NFKC or NFKD");
                       });
}

Status read_behavior(JsonObject part, const std::string& key, SplitBehavior& behavior) {
  constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kBehaviors = {
      {{"Isolated", SplitBehavior::kIsolated},
       {"Removed", SplitBehavior::kRemoved},
       {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
       {"MergedWithNext", SplitBehavior::kMergedWithNext},
       {"Contiguous", SplitBehavior::kContiguous}}};
  const auto text = json_text(part, "behavior").value_or("Isolated");
  for (const auto& [name, value] : kBehaviors) {
    if (text != name) continue;
    behavior = value;
    return {};
  }
  return unsupported(key + ".behavior", fmt::format("{:?}", text),
                     "Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous");
}

// Text that is to be found as it stands.
std::string quote_regex(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    constexpr std::string_view kSpecial = R"(\^$.[]|()?*+{}#-)";
    if (kSpecial.find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

Status read_split(JsonObject part, const std::string& key, SplitSpec& split) {
  JsonObject pattern;
  const auto member = json_member(part, "pattern");
  if (!member || member->get_object().get(pattern)) {
    return unsupported(key + ".pattern", "no table", "a Regex or a String");
  }
  if (const auto regex = json_text(pattern, "Regex")) {
    split.pattern = std::string(*regex);
  } else if (const auto text = json_text(pattern, "String")) {
    split.pattern = quote_regex(*text);
  } else {
    return unsupported(key + ".pattern", "neither", "a Regex or a String");
  }
  split.invert = json_flag(part, "invert").value_or(false);
  return read_behavior(part, key, split.behavior);
}

class PreTokenizerReader {
 public:
  explicit PreTokenizerReader(std::vector<SplitSpec>& splits) : splits_(splits) {}

  Status read(JsonObject part, const std::string& key) {
    const std::string type = type_of(part);
    if (is_byte_level_) return unsupported(key, type, "nothing behind ByteLevel");
    SplitSpec split;
    if (type == "ByteLevel") {
      is_byte_level_ = true;
      split.prefix_space = json_flag(part, "add_prefix_space").value_or(true);
      if (json_flag(part, "use_regex").value_or(true)) split.pattern = kGpt2Pattern;
    } else if (type == "Digits") {
      split.pattern = R"(\p{N})";
      const bool single = json_flag(part, "individual_digits").value_or(false);
      split.behavior = single ? SplitBehavior::kIsolated : SplitBehavior::kContiguous;
    } else if (type == "Split" || type == "Punctuation") {
      split.pattern = kPunctuation;
      auto status =
          type == "Split" ? read_split(part, key, split) : read_behavior(part, key, split.behavior);
      if (!status.ok()) return status;
    } else {
      return unsupported(key, type, "Split, Digits, Punctuation or ByteLevel");
    }
    if (!split.pattern.empty() || split.prefix_space) splits_.push_back(std::move(split));
    return {};
  }

  [[nodiscard]] bool is_byte_level() const { return is_byte_level_; }

 private:
  std::vector<SplitSpec>& splits_;
  bool is_byte_level_ = false;
};

Status read_pre_tokenizer(JsonObject root, std::vector<SplitSpec>& splits) {
  const auto member = json_member(root, "pre_tokenizer");
  if (!member) return unsupported("pre_tokenizer", "none", "one that ends in ByteLevel");
  PreTokenizerReader reader(splits);
  auto status = for_each_part(
      *member, "pre_tokenizer", "pretokenizers",
      [&](JsonObject part, const std::string& key) { return reader.read(part, key); });
  if (!status.ok()) return status;
  if (!reader.is_byte_level()) {
    return unsupported("pre_tokenizer", "no ByteLevel", "a byte-level tokenizer");
  }
  return {};
}

// The ids that a template's special token stands for.
Status read_special(JsonObject part, std::string_view name, const std::string& key,
                    std::vector<int32_t>& ids) {
  JsonObject table;
  JsonObject entry;
  JsonArray list;
  const auto tokens = json_member(part, "special_tokens");
  if (!tokens || tokens->get_object().get(table) || table.at_key(name).get_object().get(entry) ||
      entry.at_key("ids").get_array().get(list)) {
    return unsupported(key + ".special_tokens", "no ids", fmt::format("those of {:?}", name));
  }
  for (const JsonElement element : list) {
    int64_t id = 0;
    if (element.get_int64().get(id) || id < 0 || id > kMaxTokenId) {
      return unsupported(key + ".special_tokens", describe_json(element), "an id");
    }
    ids.push_back(static_cast<int32_t>(id));
  }
  return {};
}

Status read_template(JsonObject part, const std::string& key, TokenizerSpec& spec) {
  JsonArray single;
  const auto member = json_member(part, "single");
  if (!member || member->get_array().get(single)) {
    return unsupported(key + ".single", "no list", "the parts of a text");
  }
  std::vector<int32_t> before;
  std::vector<int32_t> after;
  bool seen_text = false;
  for (const JsonElement element : single) {
    JsonObject special;
    std::string_view name;
    if (!element["Sequence"].error() && !seen_text) {
      seen_text = true;
    } else if (!element["SpecialToken"].get_object().get(special) &&
               !special.at_key("id").get_string().get(name)) {
      auto status = read_special(part, name, key, seen_text ? after : before);
      if (!status.ok()) return status;
    } else {
      return unsupported(key + ".single", "another part", "one Sequence among SpecialTokens");
    }
  }
  if (!seen_text) return unsupported(key + ".single", "no Sequence", "one");
  spec.before.insert(spec.before.begin(), before.begin(), before.end());
  spec.after.insert(spec.after.end(), after.begin(), after.end());
  return {};
}

Status read_post_processor(JsonObject root, TokenizerSpec& spec) {
  const auto member = json_member(root, "post_processor");
  if (!member) return {};
  return for_each_part(*member, "post_processor", "processors",
                       [&](JsonObject part, const std::string& key) -> Status {
                         const std::string type = type_of(part);
                         if (type == "ByteLevel") return {};  // moves offsets only
                         if (type == "TemplateProcessing") return read_template(part, key, spec);
                         return unsupported(key, type, "ByteLevel or TemplateProcessing");
                       });
}

Status read_decoder(JsonObject root) {
  const auto member = json_member(root, "decoder");
  if (!member) return unsupported("decoder", "none", "ByteLevel");
  return for_each_part(*member, "decoder", "decoders",
                       [&](JsonObject part, const std::string& key) -> Status {
                         const std::string type = type_of(part);
                         if (type == "ByteLevel") return {};
                         return unsupported(key, type, "ByteLevel");
                       });
}

Status read_spec(JsonObject root, TokenizerSpec& spec) {
  if (auto status = read_model(root, spec.bpe); !status.ok()) return status;
  if (auto status = read_added(root, spec.added); !status.ok()) return status;
  if (auto status = read_normalizer(root, spec.normalizers); !status.ok()) return status;
  if (auto status = read_pre_tokenizer(root, spec.splits); !status.ok()) return status;
  if (auto status = read_post_processor(root, spec); !status.ok()) return status;
  return read_decoder(root);
}

}  // namespace

Result<Tokenizer> Tokenizer::from_json(std::string_view json, const std::string& name) {
  simdjson::dom::parser parser;
  auto root = parse_json_object(parser, json, name, "a Hugging Face tokenizer.json");
  if (!root.ok()) return root.error();
  TokenizerSpec spec;
  if (auto status = read_spec(*root, spec); !status.ok()) {
    return bad_input(fmt::format("{}: {}", name, status.error().message));
  }
  auto tokenizer = build(spec);
  if (!tokenizer.ok()) return bad_input(fmt::format("{}: {}", name, tokenizer.error().message));
  return tokenizer;
}

}  // namespace weft
