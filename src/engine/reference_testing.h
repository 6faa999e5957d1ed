// What transformers made of random checkpoints (tests/reference), and those checkpoints made again.
// Included by tests only.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/cpu_model.h"
#include "model/random_checkpoint.h"

namespace weft {

struct ReferenceLogits {
  size_t prompt = 0;
  int64_t position = 0;
  std::vector<float> values;
};

struct ReferencePrompt {
  std::vector<int32_t> tokens;
  std::vector<int32_t> greedy;
};

struct Reference {
  std::string name;
  std::map<std::string, std::string> arguments;  // of `weft model init`, without dashes
  std::vector<ReferencePrompt> prompts;
  std::vector<ReferenceLogits> logits;
  std::vector<ReferenceLogits> mtp;
};

inline std::vector<float> floats_from_base64(const std::string& text) {
  static const std::string kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(kDigits.find(c));
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<char>(bits >> held & 0xff));
  }
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  return out;
}

inline std::vector<ReferenceLogits> read_logits(const nlohmann::json& list) {
  std::vector<ReferenceLogits> out;
  for (const auto& entry : list) {
    out.push_back({entry["prompt"], entry["position"],
                   floats_from_base64(entry["values"].get<std::string>())});
  }
  return out;
}

inline Reference read_reference(const std::string& name) {
  std::ifstream file("tests/reference/" + name + ".json");
  const auto document = nlohmann::json::parse(file);
  Reference out;
  out.name = name;
  const std::vector<std::string> arguments = document["arguments"];
  for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
    out.arguments[arguments[i].substr(2)] = arguments[i + 1];
  }
  for (const auto& prompt : document["prompts"]) {
    out.prompts.push_back({prompt["tokens"], prompt["greedy"]});
  }
  out.logits = read_logits(document["logits"]);
  if (document.contains("mtp")) out.mtp = read_logits(document["mtp"]);
  return out;
}

// A folder that goes with the test.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / (name + "_" + std::to_string(getpid()))) {
    std::filesystem::remove_all(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

inline CpuModel load_reference(const Reference& reference, const TemporaryFolder& folder,
                               const EngineFormat& format, Isa isa, Workers& workers) {
  const auto& arguments = reference.arguments;
  if (!std::filesystem::exists(folder.path())) {
    RandomCheckpoint wanted;
    const auto like = architecture_by_name(arguments.at("like"));
    wanted.config = *preset_config(*like, arguments.at("size"), {});
    wanted.seed = std::stoull(arguments.at("seed"));
    wanted.type = arguments.at("dtype") == "f32" ? TensorType::kF32 : TensorType::kBf16;
    const Status written = write_random_checkpoint(folder.path(), wanted);
    EXPECT_TRUE(written.ok()) << written.error().message;
  }
  auto model = CpuModel::load(*Checkpoint::open(folder.path()), format, isa, workers);
  EXPECT_TRUE(model.ok()) << model.error().message;
  return std::move(model).value();
}

inline std::vector<std::string> reference_names() {
  std::vector<std::string> out;
  for (const auto& file : std::filesystem::directory_iterator("tests/reference")) {
    if (file.path().extension() == ".json") out.push_back(file.path().stem().string());
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace weft
