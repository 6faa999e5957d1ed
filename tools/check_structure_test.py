#!/usr/bin/env python3
"""Tests of check_structure.py: every rule has an example that breaks it and one that keeps it."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import check_structure

OPENING = "// What it is for.\n"


def rules(path, text):
    """The rules that a file breaks, each once per violation."""
    source = check_structure.Source(path, text)
    return [violation.rule for check in check_structure.FILE_CHECKS for violation in check(source)]


def violations(path, text):
    source = check_structure.Source(path, text)
    return [violation for check in check_structure.FILE_CHECKS for violation in check(source)]


def function_of(lines, head="void f()"):
    return head + " {\n" + "  g();\n" * (lines - 2) + "}\n"


class Sizes(unittest.TestCase):
    def test_line_length(self):
        self.assertEqual(rules("src/base/a.cpp", OPENING + "x" * 101 + "\n"), ["line-length"])
        self.assertEqual(rules("src/base/a.cpp", OPENING + "x" * 100 + "\n"), [])

    def test_a_line_counts_characters_not_bytes(self):
        self.assertEqual(rules("src/base/a.cpp", OPENING + "→" * 100 + "\n"), [])

    def test_file_lines(self):
        self.assertEqual(rules("src/base/a.cpp", OPENING + ";\n" * 1000), ["file-lines"])
        self.assertEqual(rules("src/base/a.cpp", OPENING + ";\n" * 999), [])

    def test_header_lines(self):
        self.assertEqual(rules("src/base/a.h", OPENING + ";\n" * 200), ["header-lines"])
        self.assertEqual(rules("src/base/a.h", OPENING + ";\n" * 199), [])


class Functions(unittest.TestCase):
    def assert_function_lines(self, text, expected):
        found = [v.message for v in violations("src/base/a.cpp", OPENING + text)]
        self.assertEqual(found, [f"{expected} lines, at most 70"] if expected else [])

    def test_a_function_at_the_limit(self):
        self.assert_function_lines(function_of(70), None)
        self.assert_function_lines(function_of(71), "f has 71")

    def test_in_a_namespace_and_in_a_class(self):
        self.assert_function_lines("namespace a::b {\n" + function_of(71) + "}\n", "f has 71")
        self.assert_function_lines(
            "class A final : public B {\n public:\n" + function_of(71, "int m() const override")
            + "  int x_ = 0;\n};\n", "m has 71")

    def test_kinds_of_heads(self):
        heads = {
            "template <class T>\nauto A<T>::go(std::span<T> x) const noexcept -> std::vector<T>":
                "A<T>::go",
            "A::A(int x) : x_(x), y_{1, 2}, z_{}": "A::A",
            "A::A(int x) : B{x}, y_(2)": "A::A",
            "bool operator==(const A& a, const A& b)": "operator==",
            "TEST(Suite, Case)": "TEST(Suite, Case)",
            "A::~A() noexcept(false)": "A::~A",
        }
        for head, name in heads.items():
            lines = 72 + head.count("\n")
            found = [v.message for v in violations("src/base/a.cpp",
                                                   OPENING + function_of(72, head))]
            self.assertEqual(len(found), 1, head)
            self.assertTrue(found[0].endswith(f" has {lines} lines, at most 70"), found)
            self.assertIn(name.split("::")[-1], found[0])

    def test_braces_in_text_and_comments_are_none(self):
        body = 'const char* a = "}}}"; char b = \'}\'; // }}}\n/* } */ auto c = R"(})"; int d = 1\'0;\n'
        self.assert_function_lines("void f() {\n" + body + "  g();\n" * 70 + "}\n", "f has 74")

    def test_what_is_no_function(self):
        for head in ("constexpr int kTable[] =", "enum class A", "struct A",
                     "const std::map<int, int> kMap(compare, ", "int x"):
            self.assert_function_lines(head + " {\n" + "\n" * 90 + "};\n", None)

    def test_blocks_inside_count_for_the_function(self):
        self.assert_function_lines(
            "void f() {\n  if (a) {\n" + "  g();\n" * 68 + "  }\n}\n", "f has 72")

    def test_the_next_function_starts_anew(self):
        self.assert_function_lines(function_of(40) + "\n" + function_of(40, "void g()"), None)


class Ports(unittest.TestCase):
    def interface(self, functions):
        return (OPENING + "class P {\n public:\n  virtual ~P() = default;\n"
                + "".join(f"  virtual void f{i}(int x) = 0;\n" for i in range(functions)) + "};\n")

    def test_at_most_seven_functions(self):
        self.assertEqual(rules("src/ports/p.h", self.interface(8)), ["interface-functions"])
        self.assertEqual(rules("src/ports/p.h", self.interface(7)), [])

    def test_abstract_only_in_ports(self):
        self.assertEqual(rules("src/node/p.h", self.interface(2)), ["abstract", "abstract"])
        self.assertEqual(violations("src/node/p.h", self.interface(1))[0].line, 5)
        self.assertEqual(rules("src/node/p.h", OPENING + "class A {\n  virtual void f();\n};\n"), [])


class Includes(unittest.TestCase):
    def assert_rules(self, path, line, expected):
        self.assertEqual(rules(path, OPENING + line + "\n"), expected, f"{path}: {line}")

    def test_arrows(self):
        for folder, seen in (("base", "model"), ("model", "hardware"), ("sched", "hardware"),
                             ("cache", "sched"), ("sched", "ports"), ("cost", "sched"),
                             ("runtime", "node"), ("node", "sim"), ("node", "engine"),
                             ("real", "sim"), ("sim", "real"), ("sim", "apps"),
                             ("plan", "real"), ("report", "sim"), ("cache", "nowhere")):
            self.assert_rules(f"src/{folder}/a.h", f'#include "{seen}/x.h"', ["arrow"])
        for folder, seen in (("base", "base"), ("sched", "cache"), ("hardware", "model"),
                             ("ports", "model"), ("runtime", "ports"), ("node", "runtime"),
                             ("sim", "node"), ("real", "engine"), ("plan", "sim"), ("apps", "plan")):
            self.assert_rules(f"src/{folder}/a.h", f'#include "{seen}/x.h"', [])

    def test_tests_follow_the_arrows_too(self):
        self.assert_rules("src/sched/a_test.cpp", '#include "sim/x.h"', ["arrow"])

    def test_paths_start_at_src(self):
        self.assert_rules("src/base/a.h", '#include "b.h"', ["include"])

    def test_unknown_folder(self):
        self.assertEqual(rules("src/util/a.h", OPENING), ["folder"])

    def test_pure_folders(self):
        for header in ("thread", "mutex", "chrono", "iostream", "fstream", "unordered_map"):
            self.assert_rules("src/sched/a.h", f"#include <{header}>", ["pure"])
            self.assert_rules("src/cache/a.cpp", f"#include <{header}>", ["pure"])
            self.assert_rules("src/node/a.h", f"#include <{header}>", [])
        self.assert_rules("src/sched/a_test.cpp", "#include <chrono>", [])
        self.assert_rules("src/cache/a.h", "std::unordered_map<int, int> map_;", ["pure"])
        self.assert_rules("src/cache/a.h", "// no std::unordered_map here", [])

    def test_cmake_declares_the_same_arrows(self):
        found = list(check_structure.check_cmake("weft_folder(base)\nweft_folder(sched sim base)\n"
                                                 "weft_folder(other base)\n"
                                                 "weft_folder(sim node LIBRARIES a::b)\n"))
        self.assertEqual([(v.line, v.rule) for v in found], [(2, "arrow"), (3, "folder")])


class Words(unittest.TestCase):
    def test_opening_comment(self):
        self.assertEqual(rules("src/base/a.h", "#pragma once\n"), ["opening-comment"])
        self.assertEqual(rules("src/base/a.h", OPENING * 6), ["opening-comment"])
        self.assertEqual(rules("src/base/a.h", OPENING * 5 + "#pragma once\n"), [])
        self.assertEqual(rules("src/base/a.h", ""), ["opening-comment"])

    def test_unfinished(self):
        for word in ("TO" + "DO", "FIX" + "ME"):
            self.assertEqual(rules("src/base/a.h", OPENING + f"// {word}: later\n"), ["unfinished"])


class Places(unittest.TestCase):
    def test_tests_stand_beside_the_code(self):
        self.assertEqual(rules("bench/a_test.cpp", OPENING), ["test-place"])
        self.assertEqual(rules("src/base/a_test.cpp", OPENING), [])

    def test_twins(self):
        paths = {"src/real/wall_clock.h", "src/real/cpu_device.cpp", "src/sim/virtual_clock.h"}
        found = list(check_structure.check_twins(paths))
        self.assertEqual([(v.path, v.rule) for v in found], [("src/real/cpu_device.cpp", "twin")])
        self.assertEqual(list(check_structure.check_twins(paths | {"src/sim/model_device.h"})), [])


class Program(unittest.TestCase):
    """The whole program over a small tree, with its baseline."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "src" / "base").mkdir(parents=True)
        (self.root / "tools").mkdir()
        self.baseline = self.root / "tools" / "structure_baseline.txt"

    def write(self, extra):
        (self.root / "src" / "base" / "a.cpp").write_text(OPENING + "x" * (100 + extra) + "\n")

    def run_check(self, *arguments):
        program = pathlib.Path(check_structure.__file__)
        return subprocess.run([sys.executable, "-B", program, "--root", self.root, *arguments],
                              capture_output=True, text=True, check=False)

    def test_names_file_line_and_rule(self):
        self.write(1)
        result = self.run_check()
        self.assertEqual(result.returncode, 1)
        self.assertIn("src/base/a.cpp:2: line-length: 101 characters, at most 100\n", result.stdout)

    def test_a_clean_tree(self):
        self.write(0)
        self.assertEqual(self.run_check().returncode, 0)

    def test_the_baseline_tolerates_so_much_and_no_more(self):
        self.baseline.write_text("# why\nline-length src/base/a.cpp 5\n")
        self.write(5)
        self.assertEqual(self.run_check().returncode, 0)
        self.write(6)
        self.assertEqual(self.run_check().returncode, 1)

    def test_the_baseline_only_goes_down(self):
        self.baseline.write_text("# why\nline-length src/base/a.cpp 5\n")
        self.write(3)
        result = self.run_check()
        self.assertEqual(result.returncode, 1)
        self.assertIn("can be lowered to 3", result.stdout)
        self.assertEqual(self.run_check("--tighten").returncode, 0)
        self.assertEqual(self.baseline.read_text(), "# why\nline-length src/base/a.cpp 3\n")
        self.write(0)
        self.assertEqual(self.run_check("--tighten").returncode, 0)
        self.assertEqual(self.baseline.read_text(), "# why\n")

    def test_long_files_are_warned_of(self):
        (self.root / "src" / "base" / "a.cpp").write_text(OPENING + ";\n" * 400)
        result = self.run_check()
        self.assertEqual(result.returncode, 0)
        self.assertIn("a.cpp: warning: 401 lines", result.stdout)


if __name__ == "__main__":
    unittest.main()
