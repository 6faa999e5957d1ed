// Runs a fuzzer's entry point without libFuzzer: over every file of a corpus folder and over
// mutations of each that are the same in every run. Usage: x_replay CORPUS_FOLDER [MUTATIONS]
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kLongestInput = 64 * 1024;

std::vector<std::string> read_corpus(const char* folder) {
  std::vector<std::string> inputs = {""};
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream in(entry.path(), std::ios::binary);
      inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
  }
  std::sort(inputs.begin(), inputs.end());
  return inputs;
}

// One small change: a byte, a run cut out, doubled or moved, or the tail of another input.
void mutate(std::string& input, const std::vector<std::string>& corpus, std::mt19937_64& random) {
  const auto below = [&random](size_t bound) { return bound == 0 ? 0 : random() % bound; };
  const size_t at = below(input.size() + 1);
  const size_t length = below(std::min<size_t>(input.size() - at, 16) + 1);
  switch (random() % 6) {
    case 0:
      input.insert(at, 1, static_cast<char>(random() & 0xff));
      break;
    case 1:
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << random() % 8));
      break;
    case 2:
      input.erase(at, length);
      break;
    case 3:
      input.insert(below(input.size()), input.substr(at, length));
      break;
    case 4: {
      constexpr const char* kPieces[] = {
          "-1", "0", "1e308",   "9223372036854775808", "nan", "\"", "{", "]", ",", "\n", "\r\n",
          "[[", "=", "\xff\xfe"};
      input.insert(at, kPieces[below(std::size(kPieces))]);
      break;
    }
    default: {
      const std::string& other = corpus[below(corpus.size())];
      input = input.substr(0, at) + other.substr(below(other.size()));
    }
  }
  if (input.size() > kLongestInput) input.resize(kLongestInput);
}

// Keeps the input in a file while it runs: when the process dies, that is what killed it. The copy
// is exactly as long as the input, so that AddressSanitizer sees a read past its end, and is never
// null, as with libFuzzer.
void run(const std::string& input, const std::string& path) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << input;
  const std::unique_ptr<uint8_t[]> bytes(new uint8_t[input.size()]);
  std::copy(input.begin(), input.end(), bytes.get());
  LLVMFuzzerTestOneInput(bytes.get(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER [MUTATIONS]\n", argv[0]);
    return 2;
  }
  const long mutations = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 300;
  const std::vector<std::string> corpus = read_corpus(argv[1]);
  const std::string path = std::string(argv[0]) + ".input";
  std::printf("%zu inputs with %ld mutations each; the one that runs is in %s\n", corpus.size(),
              mutations, path.c_str());
  std::fflush(stdout);
  std::mt19937_64 random(1);
  for (const std::string& seed : corpus) {
    run(seed, path);
    std::string input = seed;
    for (long i = 0; i < mutations; ++i) {
      if (i % 8 == 0) input = seed;  // up to eight changes on top of each other
      mutate(input, corpus, random);
      run(input, path);
    }
  }
  std::filesystem::remove(path);
  return 0;
}
