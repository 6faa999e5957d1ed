"""Fits catalog/kernels/gemm.toml on published kernel tables, by the C++ formula itself.

python3 tools/fit/gemm.py --measurements DIR [--check] [--halves]
--check: prints the errors of the constants as they stand; exits 1 if a fitted median is over 10 %.
--halves: fits on half of the shapes and tests on the other half; and H100's constants on H200.
"""

import argparse
import functools
import sys
import tomllib
import zlib

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

import tables

CATALOG = tables.ROOT / "catalog/kernels/gemm.toml"

# Constants in the order of GemmConstants: least, most, first guess.
CONSTANTS = {
    "floor_us": (0, 20, 3),
    "memory_share": (0.3, 1, 0.85),
    "compute_share": (0.2, 1, 0.8),
    "edge": (0, 400, 20),
    "fill_us": (0, 8, 0.5),
    "split_us": (0, 20, 2.5),
    "splits": (1, 8, 8),
    "passes": (0, 12, 0.5),
    "step_ns": (0, 0, 0),
    "token_passes": (0, 0, 0),
    "slot_us": (0, 0, 0),
    "ramp_us": (0, 0, 0),
    "half_us": (1, 1, 1),
    "mean_tile": (0, 0, 0),
}
STEPPED = ("gb200.fp8_block", "gb200.fp4")  # whose tiles wait for their pipeline
STEPS = (0, 4, 1.5)
BLOCK_SCALES = 1 + 4 / 128
BYTES = {  # of a weight and an activation, with scales
    "bf16": (2, 2), "fp8": (1, 1), "fp8_block": (1 + 4 / 128 / 128, BLOCK_SCALES),
    "int8": (1, 1), "fp4": (0.5 + 1 / 16, 0.5 + 1 / 16),
}  # fmt: skip
HEAD = """\
# Constants of matrix products (src/cost/gemm_cost.h): tools/fit/gemm.py wrote them.
# CHIP: like: chips whose constants stand for the kinds that it has no tables of, as shares of its own
# peaks (grade U, for the reason given). CHIP.KIND: kinds are bf16, fp8 (a scale per row or tensor),
# fp8_block (a scale per 128 x 128 weights), int8, fp4.
#   floor_us       an empty launch, microseconds
#   memory_share   of the peak bandwidth
#   compute_share  of the dense peak
#   edge           values of area that each value of a tile's two edges is worth
#   fill_us        a core's time to begin and end a tile
#   split_us       adding up a product that is split along k, in `splits` parts at most
#   step_ns        the least time per value of k in a tile: its pipeline waits for memory (0: hidden)
#   tile_rows      rows of the smallest tile (64)
#   passes         bytes per activation value that quantising it moves
#   table_us       what the table's own kernels for quantising add to an empty launch; engines fuse
#                  them with others and count them there
# range_m, range_n, range_k: what was measured.

"""


def make(chip, kind, source, m, n, k, us, groups=1, **more):
    weight, activation = BYTES[kind]
    columns = np.broadcast_arrays(*(np.asarray(c, float) for c in (m, n, k, groups)))
    widths = [np.full(len(columns[0]), b) for b in (weight, activation)]
    shapes = np.ascontiguousarray(np.stack([*columns, *widths], 1))
    return tables.Table(chip, kind, source, shapes, np.asarray(us, float), **more)


def all_tables(root):
    names = {"bfloat16": "bf16", "fp8": "fp8", "fp8_block": "fp8_block", "nvfp4": "fp4"}
    for chip, stem in (("h100", "h100_sxm"), ("h200", "h200_sxm"), ("gb200", "gb200")):
        d = pd.read_csv(
            f"{root}/kernels/aiconfigurator/{stem}__gemm__trtllm__1.3.0rc20__gemm_perf.csv.gz"
        )
        for name, kind in names.items():
            rows = d[d.gemm_dtype == name]
            if rows.empty:
                continue
            fixed = {"passes": 0.0} if kind == "bf16" else {}
            if kind in ("fp8_block", "fp4"):
                fixed |= {"splits": 1.0, "split_us": 0.0}
            yield make(
                chip, kind, "gemm_perf (TensorRT-LLM 1.3.0rc20)", rows.m, rows.n, rows.k,
                rows.latency * 1e3, fixed=fixed,
            )
    for chip in ("h800", "h20"):
        d = pd.read_csv(f"{root}/kernels/infersim/gemm/{chip}/data.csv")
        fixed = {"splits": 1.0, "split_us": 0.0, "passes": 0.0}
        yield make(
            chip, "fp8_block", "InferSim gemm (DeepGEMM)", d.m, d.n, d.k, d.latency_us, fixed=fixed
        )
    # CloudMatrix384 (arXiv 2506.12708v2), Table 10: groups, m, n, k, share of 752 TOPS.
    rows = np.array([
        (4, 7168, 4096, 4096, 79.4), (4, 2048, 7168, 4096, 77.4), (4, 7168, 4096, 8192, 82.7),
        (4, 2048, 7168, 8192, 81.1), (8, 7168, 4096, 4096, 79.6), (8, 2048, 7168, 4096, 77.9),
    ])  # fmt: skip
    groups, m, n, k, share = rows.T
    us = 2 * groups * m * n * k / (752e12 * share / 100) * 1e6
    fixed = {
        "floor_us": 1.5, "memory_share": 0.841, "splits": 8.0, "split_us": 2.5, "passes": 0.0,
    }  # fmt: skip
    yield make("ascend-910c", "int8", "CloudMatrix384, Table 10", m, n, k, us, groups, fixed=fixed)


@functools.cache
def formula():
    return tables.library("gemm_abi", "cost/gemm_cost.cpp")


def predict(constants, chip, kind, shapes):
    rate = {"fp8_block": "fp8"}.get(kind, kind)
    out = np.empty(len(shapes))
    c = np.array([float(constants.get(k, v[0] if k == "half_us" else 0)) for k, v in CONSTANTS.items()])
    formula().gemm_seconds(
        tables.pointer(c), tables.pointer(tables.peaks(chip, rate)), tables.pointer(shapes),
        len(shapes), tables.pointer(out),
    )
    return out * 1e6 + constants.get("table_us", 0)


def fit(table, rows=None):
    shapes, us = table.drawn(np.arange(len(table.us)) if rows is None else rows)
    quantises = table.fixed.get("passes") != 0
    spec = {k: v for k, v in CONSTANTS.items() if k not in table.fixed and v[0] < v[1] and k != "splits"}
    if table.name in STEPPED:
        spec["step_ns"] = STEPS
    if quantises:
        # An empty launch is that of BF16; the rest of the table's floor is its quantising kernels.
        spec["table_us"] = (0, 20, 2)
        spec.pop("floor_us", None)

    def whole(x):
        c = {"splits": 8.0, "token_passes": 0.0} | dict(table.fixed) | dict(zip(spec, x))
        if quantises:
            c.setdefault("floor_us", BF16_FLOOR_US)
        return c

    def residuals(x):
        return np.log(predict(whole(x), table.chip, table.kind, shapes) / us)

    low, high, guess = (np.array([spec[k][i] for k in spec], float) for i in range(3))
    scale = np.maximum(np.abs(guess), 0.1)
    found = least_squares(
        residuals, guess, bounds=(low, high), loss="soft_l1", f_scale=0.1, x_scale=scale,
        diff_step=1e-3,
    )
    return whole(found.x)


BF16_FLOOR_US = 2.5


def ratios(constants, table, rows=None):
    pick = slice(None) if rows is None else rows
    shapes = np.ascontiguousarray(table.shapes[pick])
    return predict(constants, table.chip, table.kind, shapes) / table.us[pick]


def like(chip, fitted):
    own = {t.kind for t in fitted if t.chip == chip}
    same = {
        "h800": (["h100"], "same die and memory; DeepGEMM alone was measured on it"),
        "h20": (["h100"], "same generation, fewer cores; DeepGEMM alone was measured on it"),
        "b200": (["gb200", "h100"], "same chip in a server"),
        "b300": (["gb200", "h100"], "same generation; FP4 is faster, INT8 almost gone"),
        "gb300": (["gb200", "h100"], "same generation; FP4 is faster, INT8 almost gone"),
        "gb200": (["h100"], "INT8 was not measured on it"),
        "rtx-pro-6000": (["gb200", "h100"], "same generation, GDDR7; nobody has published tables"),
    }
    if chip in same:
        return same[chip]
    if chip.startswith("ascend") and chip != "ascend-910c":
        return ["ascend-910c", "h100"], "no tables of it; shares of the 910C's peaks"
    if chip in ("h100", "h200") and own:
        return [], ""
    return ["h100"], "no tables of it; shares of another generation's or vendor's peaks"


def write(fits, fitted):
    out = [HEAD]
    for chip in tables.chips():
        names, reason = like(chip, fitted)
        if names:
            out.append(tables.toml_table(chip, {"like": names, "grade": "U", "reason": reason}))
        for table in fitted:
            if table.chip != chip:
                continue
            constants = {k: float(v) for k, v in fits[table.name].items()}
            ratio = ratios(constants, table)
            m, n, k = table.shapes[:, 0], table.shapes[:, 1], table.shapes[:, 2]
            source = (
                f"fitted on {table.source}, {len(ratio)} rows, median error "
                f"{np.median(np.abs(ratio - 1)):.1%}"
            )
            ends = {f"range_{x}": [int(v.min()), int(v.max())] for x, v in zip("mnk", (m, n, k))}
            out.append(tables.toml_table(table.name, constants | {"source": source} | ends))
    CATALOG.write_text(out[0] + "\n".join(out[1:]))


def check(fitted):
    catalog = tomllib.loads(CATALOG.read_text())
    return tables.report(fitted, (ratios(catalog[t.chip][t.kind], t) for t in fitted))


def halves(fitted):
    print(tables.REPORT_HEAD)
    for table in fitted:
        key = np.array([zlib.crc32(row[1:3].tobytes()) & 1 for row in table.shapes])
        if key.min() == key.max():
            continue
        constants = fit(table, np.flatnonzero(key == 0))
        test = np.flatnonzero(key == 1)
        print(tables.report_row(f"{table.name}, shapes that it never saw", ratios(constants, table, test)))
    by_name = {t.name: t for t in fitted}
    for kind in ("bf16", "fp8", "fp8_block"):
        constants = fit(by_name[f"h100.{kind}"])
        print(tables.report_row(f"h200.{kind} with the h100's constants", ratios(constants, by_name[f"h200.{kind}"])))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--measurements", required=True)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--halves", action="store_true")
    options = parser.parse_args()
    fitted = list(all_tables(options.measurements))
    if options.check:
        return check(fitted)
    if options.halves:
        return halves(fitted)
    write({table.name: fit(table) for table in fitted}, fitted)
    return check(fitted)


if __name__ == "__main__":
    sys.exit(main())
