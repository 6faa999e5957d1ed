// Made under a name of this process and renamed, so that two that start at once do not disturb each
// other and a half-written folder is never taken for a whole one.
#include "apps/default_model.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "model/checkpoint.h"
#include "model/random_checkpoint.h"

namespace weft {

namespace {

constexpr const char* kName = "default-model-1";  // another number, another model

Result<std::filesystem::path> cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
    return std::filesystem::path(cache) / "weft";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::filesystem::path(home) / ".cache" / "weft";
  }
  return bad_input("--model: missing, and neither XDG_CACHE_HOME nor HOME says where to keep one");
}

Status write_model(const std::filesystem::path& folder) {
  const auto like = architecture_by_name("qwen3");
  if (!like) return like.error();
  auto config = preset_config(*like, "tiny",
                              {{"hidden_size", "256"},
                               {"num_hidden_layers", "4"},
                               {"intermediate_size", "768"},
                               {"vocab_size", "4096"},
                               {"max_position_embeddings", "32768"}});
  if (!config) return config.error();
  RandomCheckpoint wanted;
  wanted.config = std::move(*config);
  return write_random_checkpoint(folder.string(), wanted);
}

}  // namespace

Result<std::string> default_model() {
  const auto cache = cache_folder();
  if (!cache) return cache.error();
  const std::filesystem::path folder = *cache / kName;
  std::error_code error;
  if (std::filesystem::exists(folder / "config.json", error)) return folder.string();
  std::filesystem::create_directories(*cache, error);
  if (error) return bad_input(fmt::format("{}: {}", cache->string(), error.message()));
  const std::filesystem::path made = *cache / fmt::format("{}.{}", kName, getpid());
  std::filesystem::remove_all(made, error);
  if (auto written = write_model(made); !written) return written.error();
  std::filesystem::rename(made, folder, error);
  if (error) std::filesystem::remove_all(made, error);  // another process was quicker
  if (std::filesystem::exists(folder / "config.json", error)) return folder.string();
  return bad_input(fmt::format("{}: could not be written", folder.string()));
}

}  // namespace weft
