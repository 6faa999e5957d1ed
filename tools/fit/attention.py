"""Fits catalog/kernels/attention.toml on published kernel tables, by the C++ formula itself.

python3 tools/fit/attention.py --measurements DIR [--check] [--halves]
--check: prints the errors of the constants as they stand; exits 1 if a fitted median is over 10 %.
--halves: fits on half of the shapes, tests on the other half; and H100's constants on H200.
"""

import argparse
import sys
import tomllib
import zlib

import numpy as np
from scipy.optimize import least_squares

import attention_tables
import tables

CATALOG = tables.ROOT / "catalog/kernels/attention.toml"
# Constants in the order of the structs: least, most, first guess.
PREFILL = {
    "floor_us": (0, 40, 8),
    "compute_share": (0.05, 1, 0.6),
    "softmax_ops": (0, 1000, 100),
    "passes": (1, 6, 2),
    "tile_us": (0, 40, 2),
    "longest_share": (0, 2, 0.9),
    "window_us": (0, 20, 2),
}
DECODE = {
    "floor_us": (0, 40, 6),
    "memory_share": (0.6, 1, 0.9),
    "ramp_us": (0, 80, 10),
    "half_us": (0.01, 30, 3),
    "compute_share": (0.03, 1, 0.6),
    "item_us": (0, 30, 2),
    "width_us": (0, 30, 1),
    "tile_us": (0, 10, 0.5),
    "merge_us": (0, 60, 2),
    "row_tile": (16, 16, 16),
    "row_passes": (1, 20, 2),
    "chain_us": (0, 60, 4),
    "outside_window": (0, 1, 0),
    "part_rows": (0, 0, 0),
    "by_head": (0, 1, 0),
    "unsplit": (0, 1, 0),
    "key_ns": (0, 100, 5),
    "alone_us": (0, 20, 3),
    "few_by_head": (0, 1, 0),
}
FLAGS = {"by_head", "unsplit", "few_by_head"}
# What a constant is where it is left out.
OPTIONAL_PREFILL = {"window_us": 0.0}
OPTIONAL_DECODE = {
    "width_us": 0.0, "tile_us": 0.0, "merge_us": 0.0, "row_tile": 16.0,
    "key_ns": 0.0, "chain_us": 0.0, "outside_window": 0.0, "part_rows": 0.0, "alone_us": 0.0,
    "by_head": False, "unsplit": False, "few_by_head": False,
}  # fmt: skip

SAME_DIE = "same die; other kernels were measured on the H800"
HOPPER_ALONE = "sparse attention and absorbed prefill were measured on Hopper alone"
BLACKWELL = "no tables of GQA or sparse attention on it; shares of the nearest chip's peaks"
OTHER = "no tables of it; shares of another vendor's or generation's peaks, launch and tile times"
LIKE = {
    "h100": (["h800"], SAME_DIE),
    "h200": (["h100", "h800"], SAME_DIE),
    "h800": (["h100"], "same die"),
    "h20": (["h800", "h100"], "same generation, 78 of 132 SMs"),
    "gb200": (["h800", "h100"], HOPPER_ALONE),
    "gb300": (["gb200", "h800", "h100"], BLACKWELL),
    "b200": (["gb200", "h800", "h100"], BLACKWELL),
    "b300": (["gb300", "gb200", "h800", "h100"], BLACKWELL),
    "rtx-pro-6000": (["gb200", "h800", "h100"], OTHER),
}
PUBLISHED = {
    # Shares that give CloudMatrix384's utilisations at the shapes of attention_tables.cloudmatrix(), where
    # the lesser side takes its part too; the rest like the H800.
    "ascend-910c.mla_decode.bf16": (
        {"memory_share": 0.855, "compute_share": 0.71, "part_rows": 0.0},
        "h800.mla_decode.bf16",
        "arXiv 2506.12708v2, Tables 8 and 9: 65.4 % of 376 TFLOPS, 1,346 of 1,600 GB/s; floor, "
        "ramp and item time like FlashMLA on the H800",
    ),
}

HEAD = """# Constants of the attention kernels of src/cost/attention_kernel.h, by tools/fit/attention.py.
# CHIP: like: chips whose kernels stand for those that this chip has no tables of, with shares of its
# own peaks (grade U, for the reason given).
# CHIP.KERNEL.KV: kv = bf16 or fp8 (all KV of 8 and 4 bits). Kernels: gqa, gqa_narrow (heads of less
# than 128 values), gqa_wide (17 to 32 heads per KV head, where they have a kernel of their own), mha
# (as many KV heads as heads), by_head (each query head by itself), mla (prefill not absorbed, decode
# absorbed), mla_absorbed, sparse (MLA on top-k rows) and index (their scores).
# Both kinds
#   floor_us       an empty launch, microseconds
#   compute_share  of the dense peak of `math`, in which scores and values are multiplied
# *_prefill
#   softmax_ops    operations of the matrix unit that one score's softmax is worth
#   passes         times that q, k, v and o rows cross memory (rotary embedding and the write to
#                  the cache are passes of their own)
#   tile_us        a core's time to begin and end a tile of 128 queries of a head
#   longest_share  of one core's time for the tile that meets most keys
#   window_us      a core's time to mask the far edge of a window in a tile
# *_decode
#   memory_share   of the peak bandwidth, many bytes in flight
#   ramp_us        until enough bytes are in flight, and the merge of splits
#   half_us        memory time at which half of the ramp is paid
#   item_us        a core's least time for one sequence and KV head
#   width_us       the same, for each 256 values of the row (K and V of a head of 128)
#   tile_us        the same, for each 256 values of each row tile after the first
#   merge_us       what the ramp grows by, for each 256 values of each row tile after the first
#   row_tile       query rows that a matrix instruction holds (16 where it is left out)
#   row_passes     times that q and o rows cross memory
#   chain_us       a core's walk over a long sequence's keys, before they are split
#   outside_window 1: parts are laid over keys outside a window too
#   part_rows      query rows of a part, where parts are whole: waves of them
#   by_head        true: every query head walks its own keys, by
#   key_ns         a core's time for 256 values of a key of one head, and
#   alone_us       a head's least time on an idle core;
#   unsplit        true: and its keys are never split
#   few_by_head    true: with few blocks of keys, by_head's kernel is taken (attention_layers.h)
# range_sequences, range_keys: what was measured (keys: of a prompt, or context of a sequence).
"""


class Fitter:
    def __init__(self):
        self.library = tables.library("attention_abi", "cost/attention_kernel.cpp")
        self.constants = {}  # name -> {constant: value}
        self.notes = {}  # name -> (source, math, ranges)

    def microseconds(self, table, constants, rows=slice(None)):
        names = PREFILL if table.is_prefill else DECODE
        values = np.array([float(constants[n]) for n in names])
        peaks = tables.peaks(table.chip, table.math)
        shapes = np.ascontiguousarray(table.shapes[rows])
        loads = np.ascontiguousarray(table.loads[rows])
        out = np.empty(len(loads))
        call = self.library.prefill_seconds if table.is_prefill else self.library.decode_seconds
        arrays = map(tables.pointer, (values, peaks, shapes, loads))
        call(*arrays, len(loads), tables.pointer(out))
        return out * 1e6

    def fit(self, parts, rows=None):
        """Constants of tables of one name; `rows`: per part, what to fit on."""
        table = parts[0]
        names = dict(PREFILL if table.is_prefill else DECODE)
        for name, (least, most) in table.bounds.items():
            names[name] = (least, most, min(max(names[name][2], least), most))
        base = dict(self.constants[table.base]) if table.base else {}
        base |= table.given
        free = [n for n in table.free or names if n not in table.given]
        assert all(names[n][0] < names[n][1] for n in free), (table.name, free)
        rows = rows or [sample(len(p.us)) for p in parts]
        # Every part counts alike, however many rows it has.
        scale = [np.sqrt(min(1.0, 1000 / max(1, len(r)))) if len(parts) > 1 else 1.0 for r in rows]

        def full(x):
            return {**base, **dict(zip(free, x))}

        def residuals(x):
            return np.concatenate([
                s * np.log(self.microseconds(p, full(x), r) / p.us[r])
                for p, r, s in zip(parts, rows, scale)
            ])

        start = [np.clip(base.get(n, names[n][2]), *names[n][:2]) for n in free]
        solved = least_squares(
            residuals, start, loss="soft_l1", f_scale=0.1,
            bounds=([names[n][0] for n in free], [names[n][1] for n in free]),
            x_scale=[max(abs(names[n][2]), 0.1) for n in free],
        )
        return {k: round(float(v), 4) for k, v in full(solved.x).items()}

    def fit_all(self, groups):
        for name, parts in groups.items():
            self.constants[name] = self.fit(parts)
        for name, (given, base, source) in PUBLISHED.items():
            self.constants[name] = {**self.constants[base], **given}

    def ratio(self, table):
        name = table.name if table.name in self.constants else f"{table.chip}.{table.kernel}.bf16"
        return self.microseconds(table, self.constants[name]) / table.us


def optional(name):
    return OPTIONAL_PREFILL if "prefill" in name else OPTIONAL_DECODE


def sample(count):
    if count <= tables.FITTED_ROWS:
        return np.arange(count)
    return np.random.default_rng(1).choice(count, tables.FITTED_ROWS, replace=False)


def grouped(all_tables):
    """Fitted tables by name, those without a base first."""
    groups = {}
    for table in sorted((t for t in all_tables if not t.tag), key=lambda t: t.base.count(".")):
        groups.setdefault(table.name, []).append(table)
    based = {n: p for n, p in groups.items() if p[0].base}
    order = sorted(based, key=lambda n: based[n][0].base in based)
    return {n: p for n, p in groups.items() if n not in based} | {n: based[n] for n in order}


def span(arrays):
    values = np.concatenate(arrays)
    return f"[{values.min():g}, {values.max():g}]"


def entry(fitter, name, parts):
    lines = [f"[{name}]"]
    lines += [
        f"{k} = {tables.toml_value(bool(v)) if k in FLAGS else format(v, '.6g')}"
        for k, v in fitter.constants[name].items()
        if v != optional(name).get(k)
    ]
    if parts is None:
        lines += [f'source = "{PUBLISHED[name][2]}"', "range_sequences = [1, 512]",
                  "range_keys = [1024, 131072]"]  # fmt: skip
        return "\n".join(lines) + "\n"
    ratios = np.concatenate([fitter.ratio(p) for p in parts])
    median = np.median(np.abs(ratios - 1))
    sources = ", ".join(dict.fromkeys(p.source for p in parts))
    source = f"fitted on {sources}, {len(ratios)} rows, median error {median:.1%}"
    if parts[0].base:
        source += f"; {', '.join(parts[0].free)} fitted, the rest of {parts[0].base}"
    lines += [
        f'math = "{parts[0].math}"',
        f'source = "{source.replace("%", " %")}"',
        f"range_sequences = {span([p.sequences for p in parts])}",
        f"range_keys = {span([p.keys for p in parts])}",
    ]
    return "\n".join(lines) + "\n"


def write(fitter, groups):
    names = list(groups) + list(PUBLISHED)
    text = HEAD
    for chip in tables.chips():
        like, reason = LIKE.get(chip, (["h100", "h800"], OTHER))
        if chip.startswith("ascend") and chip != "ascend-910c":
            like = ["ascend-910c", *like]
        text += f"\n[{chip}]\n"
        quoted = ", ".join(f'"{c}"' for c in like)
        text += f'like = [{quoted}]\ngrade = "U"\nreason = "{reason}"\n'
        for name in sorted(n for n in names if n.startswith(chip + ".")):
            text += "\n" + entry(fitter, name, groups.get(name))
    CATALOG.parent.mkdir(parents=True, exist_ok=True)
    CATALOG.write_text(text)


def read_catalog(fitter):
    for chip, kernels in tomllib.loads(CATALOG.read_text()).items():
        for kernel, formats in kernels.items():
            if isinstance(formats, dict):
                for kv, constants in formats.items():
                    names = PREFILL if kernel.endswith("prefill") else DECODE
                    fitter.constants[f"{chip}.{kernel}.{kv}"] = {
                        n: optional(kernel)[n] if n not in constants else constants[n] for n in names
                    }


def report(fitter, all_tables):
    print(tables.REPORT_HEAD)
    too_far = []
    for table in all_tables:
        ratio = fitter.ratio(table)
        label = f"{table.name}, {table.tag or table.source}"[:57]
        print(tables.report_row(label, ratio))
        if not table.tag and np.median(np.abs(ratio - 1)) > tables.WORST_MEDIAN:
            too_far.append(table.name)
    return too_far


def halves(fitter, groups):
    """Shapes go to a half by hash, so that all loads of a shape are on one side."""
    print(f"\nfitted on half of the shapes (or loads), tested on the other\n{tables.REPORT_HEAD}")
    for name, parts in groups.items():
        if parts[0].base:
            continue
        few = len({s.tobytes() for s in parts[0].shapes}) < 4
        side = []
        for part in parts:
            keys = part.loads if few else part.shapes
            side.append(np.array([zlib.crc32(k.tobytes()) & 1 for k in keys]) == 0)
        rows = [np.flatnonzero(s)[sample(int(s.sum()))] for s in side]
        constants = fitter.fit(parts, rows)
        test = np.concatenate([
            fitter.microseconds(p, constants, ~s) / p.us[~s] for p, s in zip(parts, side)
        ])
        print(tables.report_row(name, test))
    print("\nconstants of one chip on another's tables")
    for ours, theirs in (("h100", "h200"), ("gb200", "gb300"), ("gb200", "b200"),
                         ("gb300", "b300")):  # fmt: skip
        for name, parts in groups.items():
            other = f"{ours}.{name.partition('.')[2]}"
            if name.startswith(theirs + ".") and other in fitter.constants:
                ratio = np.concatenate([
                    fitter.microseconds(p, fitter.constants[other]) / p.us for p in parts
                ])
                print(tables.report_row(f"{other} on {theirs}", ratio))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measurements", required=True)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--halves", action="store_true")
    arguments = parser.parse_args()
    all_tables = list(attention_tables.all_tables(arguments.measurements))
    groups = grouped(all_tables)
    fitter = Fitter()
    if arguments.check:
        read_catalog(fitter)
    else:
        fitter.fit_all(groups)
        write(fitter, groups)
    too_far = report(fitter, all_tables)
    if arguments.halves:
        halves(fitter, groups)
    if too_far:
        print("median over 10 %:", ", ".join(sorted(set(too_far))))
        if arguments.check:
            sys.exit(1)


if __name__ == "__main__":
    main()
