// Figures are read with grade and source, and a figure without them is refused.
#include "hardware/figures.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Figures, UnitsFollowFromKeys) {
  EXPECT_EQ(unit_of_key("int8_tops"), "TOPS");
  EXPECT_EQ(unit_of_key("bf16_tflops"), "TFLOPS");
  EXPECT_EQ(unit_of_key("memory_gb"), "GB");
  EXPECT_EQ(unit_of_key("memory_gib"), "GiB");
  EXPECT_EQ(unit_of_key("memory_tb_per_s"), "TB/s");
  EXPECT_EQ(unit_of_key("gb_per_s"), "GB/s");
  EXPECT_EQ(unit_of_key("node_gb_per_s"), "GB/s");
  EXPECT_EQ(unit_of_key("latency_us"), "us");
  EXPECT_EQ(unit_of_key("power_w"), "W");
  EXPECT_EQ(unit_of_key("price_usd_per_hour"), "USD/h");
  EXPECT_EQ(unit_of_key("capital_usd"), "USD");
  EXPECT_EQ(unit_of_key("kv_bf16_bytes_per_token"), "bytes");
  EXPECT_EQ(unit_of_key("packages"), "");
}

TEST(Figures, AreRecordedInTheOrderTheyAreAskedFor) {
  auto file = ConfigFile::parse(R"(
b = { value = 2.5, grade = "P", source = "a paper" }
a = { value = 3, grade = "U", source = "a guess" }
c = { value = true, grade = "C", source = "a vendor" }
)",
                                "x.toml");
  ASSERT_TRUE(file.ok());
  std::vector<Figure> figures;
  FigureReader reader(file.value().root(), &figures, "link.");
  EXPECT_EQ(reader.integer("a"), 3);
  EXPECT_EQ(reader.number("b"), 2.5);
  EXPECT_TRUE(reader.boolean("c", false));
  EXPECT_EQ(reader.number("absent", 7.0), 7.0);
  EXPECT_FALSE(reader.table().finish().has_value());
  ASSERT_EQ(figures.size(), 3u);
  EXPECT_EQ(figures[0].key, "link.a");
  EXPECT_EQ(figures[1].value, "2.5");
  EXPECT_EQ(figures[2].grade, "C");
  EXPECT_EQ(figures[2].source, "a vendor");
}

std::string error_of(const std::string& text) {
  auto file = ConfigFile::parse(text, "x.toml");
  EXPECT_TRUE(file.ok());
  std::vector<Figure> figures;
  FigureReader reader(file.value().root(), &figures);
  reader.number("power_w");
  const auto error = reader.table().finish();
  return error ? error->message : "";
}

TEST(Figures, NeedGradeAndSource) {
  EXPECT_NE(error_of(R"(power_w = { value = 3, source = "s" })").find("power_w.grade: missing"),
            std::string::npos);
  EXPECT_NE(error_of(R"(power_w = { value = 3, grade = "A", source = "s" })").find("found \"A\""),
            std::string::npos);
  EXPECT_NE(error_of(R"(power_w = { value = 3, grade = "C" })").find("power_w.source: missing"),
            std::string::npos);
  EXPECT_NE(error_of(R"(power_w = { value = -3, grade = "C", source = "s" })").find("found -3"),
            std::string::npos);
  EXPECT_NE(error_of(R"(power_w = 3)").find("x.toml:1: power_w: found 3, expected a table"),
            std::string::npos);
  EXPECT_NE(error_of(R"(power_w = { value = 3, grade = "C", source = "s", unit = "W" })")
                .find("unknown key"),
            std::string::npos);
}

TEST(Figures, AFigureReplacesTheOneOfItsKey) {
  std::vector<Figure> figures = {{"a", "1", "", "C", "s"}, {"link.b", "2", "", "C", "s"}};
  put_figure(figures, {"a", "3", "", "D", "t"});
  put_figure(figures, {"c", "4", "", "D", "t"});
  ASSERT_EQ(figures.size(), 3u);
  EXPECT_EQ(figures[0].value, "3");
  drop_figures(figures, "link.");
  EXPECT_EQ(figures.size(), 2u);
}

}  // namespace
}  // namespace weft
