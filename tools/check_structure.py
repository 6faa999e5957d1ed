#!/usr/bin/env python3
"""Checks sizes, names and arrows of the sources against the rules of CONTRIBUTING.md.

Usage: check_structure.py [--root FOLDER] [--tighten]

Prints one line per violation, "file:line: rule: what", and exits with 1 when there is any.
tools/structure_baseline.txt is a ratchet: each line "rule file excess" tolerates that much in that
file. More is a violation; less asks for the line to be lowered, which --tighten does. Nothing but
a person adds a line.
"""

import argparse
import collections
import dataclasses
import pathlib
import re
import sys

LINE_LENGTH = 100
FILE_LINES = 1000
FILE_LINES_AIM = 400
HEADER_LINES = 200
FUNCTION_LINES = 70
INTERFACE_FUNCTIONS = 7
OPENING_COMMENT_LINES = 5

# Folder -> the folders it may include. Arrows point down only.
FACTS = {"base", "model", "hardware"}
PURE = {"sched", "cache", "cost", "api"} | FACTS
PORTS = {"ports", "runtime"}
MAY_SEE = {
    "base": set(),
    "model": {"base"},
    "hardware": {"model", "base"},
    "ports": {"model", "base"},
    "runtime": {"ports", "base"},
    "cost": FACTS,
    "cache": {"model", "base"},
    "sched": {"cache", "model", "base"},
    "api": {"model", "base"},
    "kernels": {"base"},
    "engine": {"kernels"} | PURE,
    "node": PURE | PORTS,
    "real": {"node", "engine", "kernels"} | PURE | PORTS,
    "sim": {"node"} | PURE | PORTS,
    "plan": {"sim", "report", "node"} | PURE | PORTS,
    "report": {"node"} | PURE,
}
MAY_SEE["apps"] = set(MAY_SEE)

# What pure folders must not know: threads, time, the outside, and any order that hangs on hashes.
PURE_FOLDERS = {"sched", "cache"}
IMPURE_HEADERS = {
    "thread", "mutex", "shared_mutex", "condition_variable", "future", "atomic", "chrono",
    "iostream", "fstream", "filesystem", "cstdio", "random", "unordered_map", "unordered_set",
}

# real/X asks for sim/Y: the same port in the other world.
TWINS = {
    "cpu_device": "model_device",
    "file_store": "model_store",
    "ucx_transport": "model_transport",
    "wall_clock": "virtual_clock",
}

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME)\b")
PURE_VIRTUAL = re.compile(r"\bvirtual\b[^;{}]*=\s*0\s*$")


@dataclasses.dataclass(frozen=True)
class Violation:
    path: str
    line: int
    rule: str
    message: str
    excess: int = 1

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Source:
    """One file: its lines, and its code with comments, literals and directives blanked out."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        if self.lines[-1] == "":
            self.lines.pop()
        parts = path.split("/")
        self.folder = parts[1] if parts[0] == "src" and len(parts) > 2 else None
        self.is_header = path.endswith(".h")
        self.is_test = path.endswith("_test.cpp")
        self.code = blank_out(text)

    def line_of(self, position):
        return self.code.count("\n", 0, position) + 1


TOKEN = re.compile(
    r"""  (?P<comment> //(?:\\\n|[^\n])* | /\*.*?\*/ )
        | (?P<raw> R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)" )
        | (?P<string> "(?:\\.|[^"\\\n])*" )
        | (?P<number> \b\d(?:'?[\w.])* )
        | (?P<char> '(?:\\.|[^'\\\n])+' )
        | (?P<directive> ^[ \t]*\#(?:\\\n|//|[^\n])* )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE)


def blank_out(text):
    def blank(match):
        token = match.group()
        if match.lastgroup == "number":
            return token
        ends = '""' if match.lastgroup in ("raw", "mark", "string") else ""
        return ends + re.sub(r"[^\n]", " ", token)[len(ends):]

    return TOKEN.sub(blank, text)


def check_sizes(source):
    for number, line in enumerate(source.lines, 1):
        if len(line) > LINE_LENGTH:
            yield Violation(source.path, number, "line-length",
                            f"{len(line)} characters, at most {LINE_LENGTH}",
                            len(line) - LINE_LENGTH)
    limit = HEADER_LINES if source.is_header else FILE_LINES
    rule = "header-lines" if source.is_header else "file-lines"
    if len(source.lines) > limit:
        yield Violation(source.path, len(source.lines), rule,
                        f"{len(source.lines)} lines, at most {limit}", len(source.lines) - limit)


def check_opening_comment(source):
    count = 0
    while count < len(source.lines) and source.lines[count].startswith("//"):
        count += 1
    if not 1 <= count <= OPENING_COMMENT_LINES:
        yield Violation(source.path, 1, "opening-comment",
                        f"starts with {count} lines of comment; wanted are 1 to "
                        f"{OPENING_COMMENT_LINES} that say what the file is for")


def check_unfinished(source):
    for number, line in enumerate(source.lines, 1):
        if UNFINISHED.search(line):
            yield Violation(source.path, number, "unfinished", "finish it, or file an issue")


@dataclasses.dataclass
class Scope:
    kind: str  # "namespace", "class", "function", or "other": an initializer, an enum
    name: str
    line: int
    pure_functions: int = 0


QUALIFIERS = re.compile(
    r"""\) \s* (?: (?: const | noexcept (?:\s*\([^{}]*\))? | override | final | mutable | try | &&?
        | requires \b [^{};]* | -> \s* [^{};=]+ ) \s* )* $""", re.VERBOSE)
CLASS_HEAD = re.compile(r"^\s*(?:template\s*<.*>\s*)?(?:class|struct|union)\b", re.DOTALL)


def kind_of(head):
    """What a brace opens, told by the text since the last statement."""
    head = head.strip()
    if re.match(r'(inline\s+)?namespace\b|extern\s*""$', head):
        return "namespace"
    if CLASS_HEAD.match(head) and not QUALIFIERS.search(head):
        return "class"
    if re.search(r"\)\s*(noexcept\s*)?:(?!:)", head):  # a constructor's list of members
        return "function" if head[-1] in ")}" else "other"
    return "function" if QUALIFIERS.search(head) else "other"


def name_of(head):
    test = re.search(r"\b[A-Z_]+\(\s*\w+\s*,\s*\w+\s*\)\s*$", head)
    if test:
        return test.group().strip()
    match = re.search(r"([\w:~]+|operator\s*[^\s\w(]+)\s*\(", head) or re.search(r"(\w+)\s*$", head)
    return match.group(1) if match else "?"


def find_scopes(source):
    """Yields (scope, last line) for every function and class that is not inside a function."""
    code = source.code
    stack = []
    head_start = 0
    inner = 0  # braces open inside a function or an initializer
    for match in re.finditer(r"[{};]", code):
        char, position = match.group(), match.start()
        opaque = stack and stack[-1].kind in ("function", "other")
        if char == "{":
            if opaque:
                inner += 1
                continue
            head = re.sub(r"\b(public|private|protected)\s*:(?!:)",
                          lambda label: " " * len(label.group()), code[head_start:position])
            lead = len(head) - len(head.lstrip())
            stack.append(Scope(kind_of(head), name_of(head), source.line_of(head_start + lead)))
            if stack[-1].kind in ("namespace", "class"):
                head_start = position + 1
        elif char == "}":
            if opaque and inner:
                inner -= 1
                continue
            if not stack:
                continue
            scope = stack.pop()
            yield scope, source.line_of(position)
            if scope.kind != "other":
                head_start = position + 1
        elif not opaque:
            statement = code[head_start:position]
            if stack and PURE_VIRTUAL.search(statement) and "~" not in statement:
                stack[-1].pure_functions += 1
            head_start = position + 1


def check_scopes(source):
    for scope, last in find_scopes(source):
        lines = last - scope.line + 1
        if scope.kind == "function" and lines > FUNCTION_LINES:
            yield Violation(source.path, scope.line, "function-lines",
                            f"{scope.name} has {lines} lines, at most {FUNCTION_LINES}",
                            lines - FUNCTION_LINES)
        if scope.kind == "class" and scope.pure_functions > INTERFACE_FUNCTIONS:
            yield Violation(source.path, scope.line, "interface-functions",
                            f"{scope.name} has {scope.pure_functions} pure virtual functions, at "
                            f"most {INTERFACE_FUNCTIONS}",
                            scope.pure_functions - INTERFACE_FUNCTIONS)


def check_virtual(source):
    if source.folder == "ports":
        return
    for match in re.finditer(r"[^;{}]*", source.code):
        if PURE_VIRTUAL.search(match.group()):
            position = match.start() + match.group().rindex("virtual")
            yield Violation(source.path, source.line_of(position), "abstract",
                            "only ports/ holds abstract classes")


def check_includes(source):
    if source.folder is None:
        return
    if source.folder not in MAY_SEE:
        yield Violation(source.path, 1, "folder", f"src/{source.folder} is not a folder of the design")
        return
    for number, line in enumerate(source.lines, 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if not match:
            continue
        quote, target = match.groups()
        if quote == '"':
            folder = target.split("/")[0] if "/" in target else None
            if folder is None:
                yield Violation(source.path, number, "include", f'write "{source.folder}/{target}"')
            elif folder != source.folder and folder not in MAY_SEE[source.folder]:
                yield Violation(source.path, number, "arrow",
                                f"{source.folder} must not see {folder}")
        elif source.folder in PURE_FOLDERS and not source.is_test and target in IMPURE_HEADERS:
            yield Violation(source.path, number, "pure", f"no <{target}> in {source.folder}")


def check_unordered(source):
    if source.folder not in PURE_FOLDERS or source.is_test:
        return
    for match in re.finditer(r"\bstd::unordered_\w+", source.code):
        yield Violation(source.path, source.line_of(match.start()), "pure",
                        f"no {match.group()} in {source.folder}: its order hangs on hashes")


def check_place(source):
    if source.is_test and source.folder is None:
        yield Violation(source.path, 1, "test-place", "a test stands beside its code, in src/FOLDER")


def check_twins(paths):
    for path in sorted(paths):
        match = re.fullmatch(r"src/real/(\w+)\.(h|cpp)", path)
        if match and match.group(1) in TWINS:
            twin = f"src/sim/{TWINS[match.group(1)]}."
            if not any(other.startswith(twin) for other in paths):
                yield Violation(path, 1, "twin", f"has no twin {twin}h")


def check_cmake(text):
    """The arrows that CMakeLists.txt declares, against the same table."""
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r"weft_folder\(([\w ]+)", line)
        if not match:
            continue
        folder, *seen = match.group(1).split(" LIBRARIES ")[0].split()
        if folder not in MAY_SEE:
            yield Violation("CMakeLists.txt", number, "folder",
                            f"{folder} is not a folder of the design")
            continue
        for other in seen:
            if other not in MAY_SEE[folder]:
                yield Violation("CMakeLists.txt", number, "arrow", f"{folder} must not see {other}")


FILE_CHECKS = (check_sizes, check_opening_comment, check_unfinished, check_scopes, check_virtual,
               check_includes, check_unordered, check_place)


def check_tree(root):
    """Every violation under root, and the warnings that fail nothing."""
    violations, warnings, paths = [], [], set()
    for top in ("src", "bench", "fuzz"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in (".h", ".cpp"):
                continue
            path = file.relative_to(root).as_posix()
            paths.add(path)
            source = Source(path, file.read_text(encoding="utf-8", errors="replace"))
            for check in FILE_CHECKS:
                violations.extend(check(source))
            if FILE_LINES_AIM < len(source.lines) <= FILE_LINES and not source.is_header:
                warnings.append(f"{path}: warning: {len(source.lines)} lines; about "
                                f"{FILE_LINES_AIM} is the aim")
    violations.extend(check_twins(paths))
    cmake = root / "CMakeLists.txt"
    if cmake.exists():
        violations.extend(check_cmake(cmake.read_text(encoding="utf-8")))
    return violations, warnings, len(paths)


def read_baseline(path):
    baseline = {}
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            rule, file, excess = line.split()[:3]
            baseline[rule, file] = int(excess)
    return baseline


def apply_baseline(violations, baseline):
    """What the baseline does not tolerate, and the baseline as low as it can be."""
    groups = collections.defaultdict(list)
    for violation in violations:
        groups[violation.rule, violation.path].append(violation)
    left, lowered = [], {}
    for key, group in groups.items():
        excess = sum(violation.excess for violation in group)
        if excess > baseline.get(key, 0):
            left.extend(group)
        if key in baseline:
            lowered[key] = min(excess, baseline[key])
    return left, lowered


def write_baseline(path, baseline):
    notes = [line for line in path.read_text(encoding="utf-8").split("\n") if line.startswith("#")]
    rows = [f"{rule} {file} {excess}" for (rule, file), excess in sorted(baseline.items())]
    path.write_text("\n".join(notes + rows) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="checks sizes, names and arrows of the sources")
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--tighten", action="store_true", help="lowers the baseline where it can")
    arguments = parser.parse_args()
    baseline_path = arguments.root / "tools" / "structure_baseline.txt"
    baseline = read_baseline(baseline_path)
    violations, warnings, files = check_tree(arguments.root)
    left, lowered = apply_baseline(violations, baseline)
    if arguments.tighten and lowered != baseline:
        write_baseline(baseline_path, lowered)
        baseline = lowered
    for line in warnings:
        print(line)
    for violation in left:
        print(violation)
    for rule, path in sorted(baseline):
        if lowered.get((rule, path), 0) < baseline[rule, path]:
            print(f"tools/structure_baseline.txt:1: baseline: {rule} {path} can be lowered to "
                  f"{lowered.get((rule, path), 0)}: tools/check_structure.py --tighten")
    loose = lowered != baseline
    print(f"{files} files, {len(left)} violations, {len(warnings)} long files")
    return 1 if left or loose else 0


if __name__ == "__main__":
    sys.exit(main())
