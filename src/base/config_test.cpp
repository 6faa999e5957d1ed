// The TOML reader: what it reads, and the exact line it answers to every kind of mistake.
#include "base/config.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <functional>

namespace weft {
namespace {

ConfigFile parse(std::string_view text) {
  auto file = ConfigFile::parse(text, "f.toml");
  CHECK(file.ok());
  return *std::move(file);
}

// The first mistake that `read` and finish() find in `text`.
std::string error_of(std::string_view text, const std::function<void(ConfigTable&)>& read) {
  ConfigFile file = parse(text);
  ConfigTable root = file.root();
  read(root);
  const auto error = root.finish();
  if (!error) return "";
  EXPECT_EQ(error->code, ErrorCode::kBadInput);
  return error->message;
}

TEST(Config, ReadsEveryKindOfValue) {
  ConfigFile file = parse(R"(
devices = 16
rate = 2.5
whole = 3
name = "deepseek-r1"
on = true
kind = "ssd"
sizes = [1, 2.5]
words = ["a", "b"]
parallel = { dp = 4 }
[[decode]]
x = 1
[[decode]]
x = 2
)");
  ConfigTable root = file.root();
  EXPECT_EQ(root.integer("devices"), 16);
  EXPECT_EQ(root.number("rate"), 2.5);
  EXPECT_EQ(root.number("whole"), 3.0);
  EXPECT_EQ(root.text("name"), "deepseek-r1");
  EXPECT_TRUE(root.boolean("on"));
  EXPECT_EQ(root.choice("kind", {"dram", "ssd"}, "dram"), "ssd");
  EXPECT_EQ(root.numbers("sizes"), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(root.texts("words"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(root.table("parallel").integer("dp"), 4);
  auto decode = root.tables("decode");
  ASSERT_EQ(decode.size(), 2u);
  EXPECT_EQ(decode[0].integer("x") + decode[1].integer("x"), 3);
  EXPECT_FALSE(root.finish().has_value());
  EXPECT_TRUE(root.has("rate") && !root.has("missing"));
  EXPECT_TRUE(root.is_text("name") && !root.is_text("rate") && !root.is_text("missing"));
  EXPECT_EQ(root.keys().front(), "decode");
  EXPECT_EQ(root.where("name"), "f.toml:5");
  EXPECT_EQ(decode[1].where(), "f.toml:13");
}

TEST(Config, AbsentKeysTakeTheirDefaults) {
  ConfigFile file = parse("");
  ConfigTable root = file.root();
  EXPECT_EQ(root.integer("a", 7), 7);
  EXPECT_EQ(root.number("b", 1.5), 1.5);
  EXPECT_EQ(root.text("c", "d"), "d");
  EXPECT_TRUE(root.boolean("e", true));
  EXPECT_EQ(root.choice("f", {"x", "y"}, "y"), "y");
  EXPECT_TRUE(root.numbers("g").empty() && root.texts("h").empty() && root.tables("i").empty());
  EXPECT_FALSE(root.find_table("j").has_value());
  EXPECT_FALSE(root.finish().has_value());
}

TEST(Config, MissingKeysSayWhatWasExpected) {
  const auto missing = [](const std::function<void(ConfigTable&)>& read) {
    return error_of("", read);
  };
  EXPECT_EQ(missing([](auto& t) { t.integer("n", {.min = 1}); }),
            "f.toml:1: n: missing; expected a whole number of at least 1");
  EXPECT_EQ(missing([](auto& t) { t.number("x"); }), "f.toml:1: x: missing; expected a number");
  EXPECT_EQ(missing([](auto& t) { t.text("s"); }), "f.toml:1: s: missing; expected a string");
  EXPECT_EQ(missing([](auto& t) { t.boolean("b"); }),
            "f.toml:1: b: missing; expected true or false");
  EXPECT_EQ(missing([](auto& t) { t.table("t"); }), "f.toml:1: t: missing; expected a table");
  EXPECT_EQ(missing([](auto& t) { t.table("t").integer("n", 1); }),
            "f.toml:1: t: missing; expected a table");
}

TEST(Config, WrongTypesSayWhatWasFound) {
  const char* text = R"(a = 1
b = "two"
c = true
d = 1.5
e = [1]
f = { x = 1 }
g = 2024-01-01
h = 2.0
)";
  const auto wrong = [text](const std::function<void(ConfigTable&)>& read) {
    return error_of(text, read);
  };
  EXPECT_EQ(wrong([](auto& t) { t.text("a"); }), "f.toml:1: a: found 1, expected a string");
  EXPECT_EQ(wrong([](auto& t) { t.integer("b"); }),
            "f.toml:2: b: found \"two\", expected a whole number");
  EXPECT_EQ(wrong([](auto& t) { t.number("c"); }), "f.toml:3: c: found true, expected a number");
  EXPECT_EQ(wrong([](auto& t) { t.integer("d"); }),
            "f.toml:4: d: found 1.5, expected a whole number");
  EXPECT_EQ(wrong([](auto& t) { t.integer("h"); }),
            "f.toml:8: h: found 2.0, expected a whole number");
  EXPECT_EQ(wrong([](auto& t) { t.boolean("e"); }),
            "f.toml:5: e: found an array, expected true or false");
  EXPECT_EQ(wrong([](auto& t) { t.integer("f"); }),
            "f.toml:6: f: found a table, expected a whole number");
  EXPECT_EQ(wrong([](auto& t) { t.text("g"); }),
            "f.toml:7: g: found a date or time, expected a string");
  EXPECT_EQ(wrong([](auto& t) { t.table("a"); }), "f.toml:1: a: found 1, expected a table");
  EXPECT_EQ(wrong([](auto& t) { t.tables("f"); }),
            "f.toml:6: f: found a table, expected an array of tables ([[...]])");
  EXPECT_EQ(wrong([](auto& t) { t.tables("e"); }), "f.toml:5: e: found 1, expected a table");
  EXPECT_EQ(wrong([](auto& t) { t.numbers("a"); }),
            "f.toml:1: a: found 1, expected an array of numbers");
  EXPECT_EQ(wrong([](auto& t) { t.texts("e"); }), "f.toml:5: e: found 1, expected a string");
}

TEST(Config, RangesAreHeldAndNamed) {
  const auto integer = [](const char* text, IntegerRange range) {
    return error_of(text, [range](auto& t) { t.integer("n", range); });
  };
  EXPECT_EQ(integer("n = 0", {.min = 1}),
            "f.toml:1: n: found 0, expected a whole number of at least 1");
  EXPECT_EQ(integer("n = 9", {.max = 8}),
            "f.toml:1: n: found 9, expected a whole number of at most 8");
  EXPECT_EQ(integer("n = 9", {.min = 1, .max = 8}),
            "f.toml:1: n: found 9, expected a whole number from 1 to 8");
  EXPECT_EQ(integer("n = 8", {.min = 8, .max = 8}), "");
  const auto number = [](const char* text, NumberRange range) {
    return error_of(text, [range](auto& t) { t.number("x", range); });
  };
  EXPECT_EQ(number("x = -1", {.min = 0}), "f.toml:1: x: found -1, expected a number of at least 0");
  EXPECT_EQ(number("x = 1.5", {.max = 1}),
            "f.toml:1: x: found 1.5, expected a number of at most 1");
  EXPECT_EQ(number("x = 2", {.min = 0, .max = 1}),
            "f.toml:1: x: found 2, expected a number from 0 to 1");
  EXPECT_EQ(number("x = 0", {.min = 0, .exclusive_min = true}),
            "f.toml:1: x: found 0, expected a number above 0");
  EXPECT_EQ(number("x = 0", {.min = 0, .max = 1, .exclusive_min = true}),
            "f.toml:1: x: found 0, expected a number above 0, up to 1");
  EXPECT_EQ(number("x = inf", {}), "f.toml:1: x: found inf, expected a number");
  EXPECT_EQ(number("x = nan", {}), "f.toml:1: x: found nan, expected a number");
  EXPECT_EQ(error_of("x = 1\ny = [1, nan]", [](auto& t) { t.numbers("y"); }),
            "f.toml:2: y: found nan, expected a number");
}

TEST(Config, ChoicesListWhatIsAllowed) {
  EXPECT_EQ(error_of("k = \"tape\"",
                     [](auto& t) {
                       t.choice("k", {"dram", "ssd"}, "dram");
                     }),
            "f.toml:1: k: found \"tape\", expected dram or ssd");
  EXPECT_EQ(error_of("k = 3",
                     [](auto& t) {
                       t.choice("k", {"dram", "ssd"}, "dram");
                     }),
            "f.toml:1: k: found 3, expected a string");
  EXPECT_EQ(join_alternatives({}), "");
  EXPECT_EQ(join_alternatives({"a"}), "a");
  EXPECT_EQ(join_alternatives({"a", "b", "c"}), "a, b or c");
}

TEST(Config, UnknownKeysAreErrorsInEveryTable) {
  EXPECT_EQ(error_of("a = 1\nb = 2", [](auto& t) { t.integer("a"); }), "f.toml:2: b: unknown key");
  EXPECT_EQ(error_of("[t]\nx = 1\ny = 2", [](auto& t) { t.table("t").integer("x"); }),
            "f.toml:3: t.y: unknown key");
  EXPECT_EQ(error_of("[[d]]\nx = 1\n[[d]]\nx = 2\nz = 3",
                     [](auto& t) {
                       for (ConfigTable& d : t.tables("d")) d.integer("x");
                     }),
            "f.toml:5: d[1].z: unknown key");
  EXPECT_EQ(error_of("[t]\nx = 1", [](auto&) {}), "f.toml:1: t: unknown key");
}

TEST(Config, TheFirstErrorStands) {
  EXPECT_EQ(error_of("a = 1\nb = 2\nc = 3",
                     [](auto& t) {
                       t.text("b");
                       t.text("a");
                       t.fail("c", "too late");
                     }),
            "f.toml:2: b: found 2, expected a string");
  EXPECT_EQ(error_of("[t]\na = 1", [](auto& t) { t.table("t").fail("a", "does not divide 3"); }),
            "f.toml:2: t.a: does not divide 3");
}

TEST(Config, WhatIsNotTomlNamesFileAndLine) {
  const auto file = ConfigFile::parse("a = 1\nb = = 2\n", "f.toml");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, ErrorCode::kBadInput);
  EXPECT_TRUE(file.error().message.starts_with("f.toml:2: not TOML: ")) << file.error().message;
  EXPECT_EQ(file.error().message.find('\n'), std::string::npos);
  const auto twice = ConfigFile::parse("a = 1\na = 2\n", "f.toml");
  ASSERT_FALSE(twice.ok());
  EXPECT_TRUE(twice.error().message.starts_with("f.toml:2: not TOML: ")) << twice.error().message;
}

TEST(Config, FilesAreLoadedAndAbsentOnesNamed) {
  const auto absent = ConfigFile::load("no/such/file.toml");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(absent.error().message,
            "no/such/file.toml: cannot be opened; expected a readable TOML file");
  const auto folder = ConfigFile::load(testing::TempDir());
  ASSERT_FALSE(folder.ok());
  EXPECT_TRUE(folder.error().message.starts_with(testing::TempDir() + ": cannot be read"));
  const std::string path = testing::TempDir() + "/weft_config_test.toml";
  std::ofstream(path) << "a = 5\n";
  auto file = ConfigFile::load(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->root().integer("a"), 5);
  EXPECT_EQ(file->name(), path);
  std::remove(path.c_str());
}

// A string with a line break in it must not break the one line of the error.
TEST(Config, ErrorsAreOneLine) {
  EXPECT_EQ(error_of("s = \"a\\nb\"", [](auto& t) { t.integer("s"); }),
            "f.toml:1: s: found \"a\\nb\", expected a whole number");
  EXPECT_EQ(error_of("s = \"a\\nb\"", [](auto& t) { t.choice("s", {"x"}, "x"); }),
            "f.toml:1: s: found \"a\\nb\", expected x");
  EXPECT_EQ(error_of("\"a\\nb\" = 1", [](auto&) {}), "f.toml:1: a\\nb: unknown key");
}

TEST(ConfigSet, OverridesValuesInTablesAndArrays) {
  ConfigFile file = parse("seed = 1\n[[decode]]\nn = 2\n");
  EXPECT_TRUE(file.set("seed=7").ok());
  EXPECT_TRUE(file.set("decode.0.n=64").ok());
  EXPECT_TRUE(file.set("decode.0.parallel.dp=8").ok());
  EXPECT_TRUE(file.set("model=deepseek-r1").ok());
  EXPECT_TRUE(file.set("slo={ttft_ms=20.5}").ok());
  ConfigTable root = file.root();
  EXPECT_EQ(root.integer("seed"), 7);
  EXPECT_EQ(root.tables("decode")[0].integer("n"), 64);
  EXPECT_EQ(root.tables("decode")[0].table("parallel").integer("dp"), 8);
  EXPECT_EQ(root.text("model"), "deepseek-r1");
  EXPECT_EQ(root.table("slo").number("ttft_ms"), 20.5);
  EXPECT_FALSE(root.finish().has_value());
}

TEST(ConfigSet, SaysWhatItCouldNotSet) {
  ConfigFile file = parse("seed = 1\n[[decode]]\nn = 2\n");
  const auto error = [&file](const char* assignment) {
    const Status status = file.set(assignment);
    return status.ok() ? "" : status.error().message;
  };
  EXPECT_EQ(error("seed"), "--set seed: expected key=value, like seed=2 or decode.0.devices=80");
  EXPECT_EQ(error("=2"), "--set =2: expected key=value, like seed=2 or decode.0.devices=80");
  EXPECT_EQ(error("decode.1.n=2"), "--set decode.1.n=2: \"1\" is not an index below 1");
  EXPECT_EQ(error("decode.x.n=2"), "--set decode.x.n=2: \"x\" is not an index below 1");
  EXPECT_EQ(error("seed.a.b=2"), "--set seed.a.b=2: \"a\" is not a table");
  EXPECT_EQ(error("seed.a=2"), "--set seed.a=2: nothing of that name holds keys");
  EXPECT_EQ(error("a=it's"), "--set a=it's: not a value");
}

// An overridden value has no line; its errors name the file alone.
TEST(ConfigSet, ErrorsInOverridesNameTheFileWithoutALine) {
  ConfigFile file = parse("seed = 1\n");
  ASSERT_TRUE(file.set("seed=none").ok());
  ConfigTable root = file.root();
  root.integer("seed");
  EXPECT_EQ(root.finish()->message, "f.toml: seed: found \"none\", expected a whole number");
  ConfigFile other = parse("seed = 1\n");
  ASSERT_TRUE(other.set("sed=2").ok());
  ConfigTable other_root = other.root();
  other_root.integer("seed");
  EXPECT_EQ(other_root.finish()->message, "f.toml: sed: unknown key");
}

TEST(Config, TheDocumentWritesItselfWithItsOverrides) {
  ConfigFile file = parse("seed = 1\nname = \"a\"\n");
  ASSERT_TRUE(file.set("seed=9").ok());
  ConfigFile again = parse(file.to_toml());
  EXPECT_EQ(again.root().integer("seed"), 9);
  EXPECT_EQ(again.root().text("name"), "a");
}

TEST(Config, TablesOfOneFileCanStandOnTheirOwn) {
  auto file = ConfigFile::parse("[[case]]\nid = 1\n[[case]]\nid = \"b\"\n", "f.toml");
  auto tables = file->root().tables("case");
  ASSERT_EQ(tables.size(), 2U);
  EXPECT_EQ(tables[0].text("id"), "");
  EXPECT_EQ(tables[0].finish_apart()->message, "f.toml:2: case[0].id: found 1, expected a string");
  EXPECT_EQ(tables[1].text("id"), "b");
  EXPECT_FALSE(tables[1].finish_apart().has_value());
}

}  // namespace
}  // namespace weft
