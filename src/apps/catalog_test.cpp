// weft catalog as a person runs it: what it prints, and how it ends on a wrong name.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

namespace weft {
namespace {

struct Ended {
  int exit_code = -1;
  std::string output;  // of both streams
};

// Runs the program from the root of the source tree, where the tests run.
Ended run(const std::string& arguments) {
  Ended result;
  std::FILE* pipe = popen((std::string(WEFT_PROGRAM) + " " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 4096> chunk{};
  for (size_t got = 0; (got = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) {
    result.output.append(chunk.data(), got);
  }
  const int status = pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

bool holds(const Ended& result, const std::string& words) {
  return result.output.find(words) != std::string::npos;
}

TEST(CatalogCommand, ListsByKind) {
  const Ended listed = run("catalog list");
  EXPECT_EQ(listed.exit_code, 0);
  EXPECT_EQ(listed.output.find("chips\n"), 0u);
  EXPECT_TRUE(holds(listed, "\nmodels\n"));
  EXPECT_TRUE(holds(listed, "cloudmatrix384"));
  EXPECT_EQ(run("catalog").output, listed.output);
}

TEST(CatalogCommand, ShowsFiguresGradesSourcesAndWhatFollows) {
  const Ended shown = run("catalog show deepseek-r1");
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_TRUE(holds(shown, "grade"));
  EXPECT_TRUE(holds(shown, "https://"));
  EXPECT_TRUE(holds(shown, "671.025 billion"));
  EXPECT_TRUE(holds(shown, "70272 bytes"));
}

TEST(CatalogCommand, WritesJson) {
  const Ended shown = run("catalog show cloudmatrix384 --json -");
  EXPECT_EQ(shown.exit_code, 0);
  const auto document = nlohmann::json::parse(shown.output, nullptr, false);
  ASSERT_TRUE(document.is_object());
  EXPECT_EQ(document["kind"], "system");
  EXPECT_EQ(document["derived"]["dies"]["value"], 768);
  for (const auto& figure : document["figures"]) {
    EXPECT_FALSE(figure["grade"].get<std::string>().empty());
    EXPECT_FALSE(figure["source"].get<std::string>().empty());
  }
}

TEST(CatalogCommand, AWrongNameIsOneLineAndExitCode2) {
  const Ended wrong = run("catalog show deepseek-r3");
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_TRUE(holds(wrong, "deepseek-r1"));
  EXPECT_EQ(wrong.output.find('\n'), wrong.output.size() - 1);
}

TEST(CatalogCommand, HelpHasAnExample) {
  EXPECT_TRUE(holds(run("catalog --help"), "weft catalog show cloudmatrix384"));
  EXPECT_TRUE(holds(run("catalog show --help"), "weft catalog show ascend-910c"));
}

}  // namespace
}  // namespace weft
