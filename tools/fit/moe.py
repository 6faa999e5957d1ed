"""Fits catalog/kernels/moe.toml on published kernel tables, by the C++ formula itself.

python3 tools/fit/moe.py --measurements DIR [--check]
--check: prints the errors of the constants as they stand; exits 1 if a fitted median is over 10 %.
"""

import argparse
import functools
import sys
import tomllib

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

import gemm
import tables

CATALOG = tables.ROOT / "catalog/kernels/moe.toml"
# Route, permute, two products and gather, as kernels of a captured graph. What the tables have above
# it is their own launching, one operator at a time: gpt-oss on one H200 decodes in less than that.
CAPTURED_FLOOR_US = 10.0
CONSTANTS = gemm.CONSTANTS | {
    "floor_us": (0, 80, 20), "passes": (0, 40, 8), "token_passes": (0, 80, 4),
    "slot_us": (0, 1, 0.05), "ramp_us": (0, 60, 10), "half_us": (0.01, 200, 10),
}  # fmt: skip
SMOOTH = {"slot_us": 0.0, "ramp_us": 0.0, "half_us": 1.0, "mean_tile": False}
# Triton's matmul_ogs: heights by the batch alone; dequantising hides what a tile's edges cost.
BY_MEAN = SMOOTH | {"mean_tile": True, "edge": 0.0, "fill_us": 0.0}
BYTES = gemm.BYTES | {"fp8_grouped": gemm.BYTES["fp8_block"], "four_bit_weights": (0.5 + 1 / 32, 2)}
HEAD = """\
# Constants of an MoE layer's experts on one die (src/cost/gemm_cost.h, ExpertPlan): tools/fit/moe.py
# wrote them. Keys as in gemm.toml, and kind fp8_grouped: 8 bits with block scales for rows that an
# exchange has sorted (DeepGEMM's grouped products); the others are fused kernels that route,
# permute, multiply twice and gather. Kinds open_...: the fused kernels of open engines (Triton's
# experts, Marlin), of which nobody has published tables: fitted on serving with vLLM, for engines
# whose expert_kernels are "open".
#   floor_us       the layer's kernels, empty, in a captured graph
#   table_us       what the table's own launching adds; it is no part of a prediction
#   passes         bytes per value of a copy's hidden and ffn rows that handling moves
#   token_passes   bytes per value of a token's row, whether or not it has a copy on the die
#   slot_us        a look at an expert that the die holds, with rows or without
#   ramp_us        until enough bytes of handling are in flight
#   half_us        time of handling at which half of the ramp is paid
#   mean_tile      true: 16, 64 or 128 rows to a tile by the mean rows of an expert over the whole
#                  batch (Triton's kernels for 4-bit weights on Hopper), not by what suits the shape
# range_m: tokens of the group; range_n: ffn of an expert on the die; range_k: hidden.

"""


@functools.cache
def skewed(tokens, experts, top_k, ep, alpha):
    """Copies on the busiest die and its experts with any, when experts' loads are drawn from a
    power law between 1 and 0.8 tokens (as the tables' authors drew them), mean of eight draws."""
    random = np.random.default_rng(7)
    rows, touched = [], []
    top = max(tokens * 0.8, 2) ** (1 - alpha)
    for _ in range(8):
        load = ((top - 1) * random.random(experts) + 1) ** (1 / (1 - alpha))
        load = np.minimum(load / load.sum() * tokens * top_k, tokens)
        whole = np.floor(load)
        rest = max(0, int(tokens * top_k - whole.sum()))
        whole[np.argsort(whole - load)[:rest]] += 1
        dies = whole.reshape(ep, -1)
        busiest = dies[dies.sum(1).argmax()]
        rows.append(busiest.sum())
        touched.append((busiest > 0).sum())
    return max(1, np.mean(rows)), max(1, np.mean(touched))


def spread(d):
    """Rows and experts touched on the measured die, row by row of a table."""
    rows = np.maximum(1, d.num_tokens * d.topk / d.moe_ep_size).to_numpy(float).copy()
    touched = np.minimum(d.num_experts / d.moe_ep_size, rows).to_numpy(float).copy()
    for i, row in enumerate(d.itertuples()):
        if not row.distribution.startswith("power_law"):
            continue
        alpha = float(row.distribution.removeprefix("power_law_"))
        rows[i], touched[i] = skewed(
            row.num_tokens, row.num_experts, row.topk, row.moe_ep_size, alpha
        )
    return rows, touched


def make(chip, kind, source, hidden, ffn, rows, touched, tokens, us, slots=1, copies=1, **more):
    weight, activation = BYTES[kind]
    columns = [
        np.asarray(c, float)
        for c in (hidden, ffn, weight, activation, rows, touched, tokens, slots, copies)
    ]
    shapes = np.ascontiguousarray(np.stack(np.broadcast_arrays(*columns), 1))
    return tables.Table(chip, kind, source, shapes, np.asarray(us, float), **more)


def thin(d, most=20000):
    return d if len(d) <= most else d.sample(most, random_state=1)


def fused(root, chip, stem):
    """TensorRT-LLM's fused kernels; `balanced` deals copies out one by one."""
    d = pd.read_csv(
        f"{root}/kernels/aiconfigurator/{stem}__moe__trtllm__1.3.0rc20__moe_perf.csv.gz"
    )
    source = "moe_perf (TensorRT-LLM 1.3.0rc20)"
    names = {"bfloat16": "bf16", "fp8": "fp8", "fp8_block": "fp8_block", "nvfp4": "fp4"}
    for name, kind in names.items():
        x = d[(d.moe_dtype == name) & ~d.kernel_source.isin(["moe_torch_flow_nongated"])]
        if kind == "fp4":
            x = x[x.kernel_source == "moe_torch_flow_cutlass"]
        if x.empty:
            continue
        x = thin(x)
        rows, touched = spread(x)
        yield make(
            chip, kind, source, x.hidden_size, x.inter_size / x.moe_tp_size, rows, touched,
            x.num_tokens, x.latency * 1e3, x.num_experts / x.moe_ep_size, x.topk,
            fixed={"floor_us": CAPTURED_FLOOR_US, "mean_tile": False},
        )
    x = d[d.moe_dtype == "w4a16_mxfp4"]
    rows, touched = spread(x)
    yield make(
        chip, "four_bit_weights", source, x.hidden_size, x.inter_size / x.moe_tp_size, rows, touched,
        x.num_tokens, x.latency * 1e3, x.num_experts / x.moe_ep_size, x.topk,
        fixed={"floor_us": CAPTURED_FLOOR_US} | (SMOOTH if chip == "gb200" else BY_MEAN),
    )


def grouped(root, chip, stem):
    """SGLang's masked DeepGEMM kernels: num_tokens counts all ranks'."""
    d = pd.read_csv(
        f"{root}/kernels/aiconfigurator/{stem}__moe__sglang__0.5.10__wideep_generation_moe_perf.csv.gz"
    )
    rows, touched = spread(d)
    fixed = SMOOTH | {"token_passes": 0.0}
    return make(
        chip, "fp8_grouped", "wideep_generation_moe_perf (SGLang 0.5.10)", d.hidden_size,
        d.inter_size, rows, touched, d.num_tokens / d.moe_ep_size, d.latency * 1e3, fixed=fixed,
    )


def infersim(root, chip):
    """DeepGEMM's grouped products alone, without what is between them."""
    parts = []
    for phase in ("prefill", "decode"):
        d = pd.read_csv(f"{root}/kernels/infersim/grouped_gemm/{phase}/{chip}/data.csv")
        d = d.rename(columns={"seq_len_per_gpu": "per_gpu", "batch_size_per_gpu": "per_gpu"})
        parts.append(d)
    d = pd.concat(parts)
    rows = (d.per_gpu * d.topk).to_numpy(float).copy()
    touched = np.minimum(rows, d.num_local_experts)
    return make(
        chip, "fp8_grouped", "InferSim grouped_gemm (DeepGEMM)", d.hidden_size,
        d.intermediate_size, rows, touched, d.per_gpu, d.up_proj_us + d.down_proj_us,
        fixed=SMOOTH | {"passes": 0.0, "token_passes": 0.0},
    )


def all_tables(root):
    for chip, stem in (("h100", "h100_sxm"), ("h200", "h200_sxm"), ("gb200", "gb200")):
        yield from fused(root, chip, stem)
    for chip in ("h100", "h200", "b200", "b300", "gb200", "gb300"):
        yield grouped(root, chip, chip if chip.startswith("g") else f"{chip}_sxm")
    for chip in ("h800", "h20"):
        yield infersim(root, chip)


def predict(constants, table, shapes):
    rate = {"fp8_block": "fp8", "fp8_grouped": "fp8", "four_bit_weights": "bf16"}.get(table.kind, table.kind)
    out = np.empty(len(shapes))
    c = np.array([float((SMOOTH | constants).get(k, 0)) for k in CONSTANTS])
    gemm.formula().expert_seconds(
        tables.pointer(c), tables.pointer(tables.peaks(table.chip, rate)), tables.pointer(shapes),
        len(shapes), tables.pointer(out),
    )
    return out * 1e6 + constants.get("table_us", 0)


def fit(table):
    shapes, us = table.drawn(np.arange(len(table.us)))
    spec = {
        k: v for k, v in CONSTANTS.items() if k not in ("splits", "split_us", "step_ns", *table.fixed)
    }
    if "floor_us" in table.fixed:
        spec["table_us"] = (0, 80, 10)

    def whole(x):
        return {"splits": 1.0, "split_us": 0.0} | table.fixed | dict(zip(spec, x))

    low, high, guess = (np.array([spec[k][i] for k in spec], float) for i in range(3))
    found = least_squares(
        lambda x: np.log(predict(whole(x), table, shapes) / us), guess, bounds=(low, high),
        loss="soft_l1", f_scale=0.1, x_scale=np.maximum(np.abs(guess), 0.1), diff_step=1e-3,
    )
    return whole(found.x)


def like(chip):
    hopper = ["h100"]
    names = {
        "h800": (["h100"], "same die and memory; grouped products alone were measured on it"),
        "h20": (["h100"], "same generation, fewer cores; grouped products alone were measured"),
        "b200": (["gb200", "h100"], "same chip in a server"),
        "b300": (["gb200", "h100"], "same generation; FP4 is faster, INT8 almost gone"),
        "gb300": (["gb200", "h100"], "same generation; FP4 is faster, INT8 almost gone"),
        "gb200": (["h100"], "INT8 was not measured on it"),
        "rtx-pro-6000": (["gb200", "h100"], "same generation, GDDR7; nobody has published tables"),
        "h100": ([], ""),
        "h200": (["h100"], "INT8 was not measured on it"),
    }
    if chip.startswith("ascend") and chip != "ascend-910c":
        return ["ascend-910c", "h100"], "no tables of it; shares of the 910C's peaks"
    return names.get(chip, (hopper, "no tables of it; shares of another vendor's or generation's peaks"))


def cloudmatrix():
    """Table 10's grouped products (catalog/kernels/gemm.toml), and handling that is assumed."""
    dense = tomllib.loads(gemm.CATALOG.read_text())["ascend-910c"]["int8"]
    constants = {k: dense.get(k, 0.0) for k in CONSTANTS if k not in SMOOTH} | {
        "floor_us": 8.0, "passes": 6.0, "splits": 1.0, "split_us": 0.0,
    }  # fmt: skip
    del constants["step_ns"]
    source = (
        "products as gemm.toml (CloudMatrix384, Table 10: 4 and 8 groups); launches and handling of "
        "rows assumed: gate, up and SwiGLU read and write them once"
    )
    ranges = {"range_m": [4, 65536], "range_n": [2048, 4096], "range_k": [4096, 8192]}
    return constants | {"source": source} | ranges


def served(chip):
    """Entries that serving results gave, not tables: kept as they stand."""
    own = tomllib.loads(CATALOG.read_text()).get(chip, {})
    return [tables.toml_table(f"{chip}.{kind}", own[kind]) for kind in own if kind.startswith("open_")]


def write(fits, fitted):
    out = []
    for chip in tables.chips():
        names, reason = like(chip)
        if names:
            out.append(tables.toml_table(chip, {"like": names, "grade": "U", "reason": reason}))
        if chip == "ascend-910c":
            out.append(tables.toml_table("ascend-910c.int8", cloudmatrix()))
        for table in fitted:
            if table.chip != chip:
                continue
            constants = {
                k: v if isinstance(v, bool) else float(v) for k, v in fits[table.name].items()
            }
            ratio = predict(constants, table, table.shapes) / table.us
            if table.fixed.get("passes") == 0.0:  # the table leaves out what is between products
                constants["passes"] = fits["h100.fp8_grouped"]["passes"]
            error = np.median(np.abs(ratio - 1))
            source = f"fitted on {table.source}, {len(ratio)} rows, median error {error:.1%}"
            columns = {"m": table.shapes[:, 6], "n": table.shapes[:, 1], "k": table.shapes[:, 0]}
            ends = {f"range_{k}": [float(v.min()), float(v.max())] for k, v in columns.items()}
            shown = {k: v for k, v in constants.items() if SMOOTH.get(k) != v}
            out.append(tables.toml_table(table.name, shown | {"source": source} | ends))
        out += served(chip)
    CATALOG.write_text(HEAD + "\n".join(out))


def check(fitted):
    catalog = tomllib.loads(CATALOG.read_text())
    ratios = (
        predict(catalog[t.chip][t.kind] | t.fixed, t, t.shapes) / t.us for t in fitted
    )
    return tables.report(fitted, ratios)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--measurements", required=True)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    fitted = list(all_tables(options.measurements))
    if not options.check:
        write({table.name: fit(table) for table in fitted}, fitted)
    return check(fitted)


if __name__ == "__main__":
    sys.exit(main())
