"""Measured attention kernels as arrays: shapes, loads and microseconds, one Table per chip,
kernel and KV format. Columns of shapes and loads are those of attention_abi.cpp."""

import functools
import pathlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

WINDOW_TILE = 128  # keys that a kernel reads beyond a window
MLA_ROW = 576  # kv_lora 512 + rope 64 of DeepSeek-V3
FLASH_MLA_ROWS = 64  # query rows of a part
# What InferSim's wide groups reach; no group that TensorRT-LLM was measured with says it.
GQA_DECODE_SHARE = 0.55
# Only TensorRT-LLM's tables have windows, short contexts of grouped heads and heads of any width.
NOT_SEEN = {
    "prefill": {"window_us": 0.0},
    "decode": {
        "width_us": 0.0, "tile_us": 0.0, "merge_us": 0.0, "row_tile": 16.0, "chain_us": 0.0,
        "outside_window": 0.0, "part_rows": 0.0, "by_head": 0.0, "unsplit": 0.0, "key_ns": 0.0,
        "alone_us": 0.0, "few_by_head": 0.0,
    },
}  # fmt: skip
FP8_ROW = 656  # FlashMLA: 512 FP8, 4 FP32 scales, 64 BF16


@dataclass
class Table:
    chip: str
    kernel: str  # "gqa_decode"
    kv: str  # "bf16" or "fp8"
    math: str  # the format it multiplies in
    source: str
    shapes: np.ndarray
    loads: np.ndarray
    us: np.ndarray
    sequences: np.ndarray
    keys: np.ndarray
    free: list[str] | None = None  # constants to fit; the rest from `base`
    base: str = ""  # "h100.gqa_prefill.bf16"
    given: dict = field(default_factory=dict)  # constants that are known otherwise
    tag: str = ""  # rows that are shown and not fitted
    bounds: dict = field(default_factory=dict)

    @property
    def name(self):
        return f"{self.chip}.{self.kernel}.{self.kv}"

    @property
    def is_prefill(self):
        return self.kernel.endswith("prefill")


def stack(*columns):
    width = max(np.size(c) for c in columns)
    return np.ascontiguousarray(
        np.stack([np.broadcast_to(np.asarray(c, float), width) for c in columns], 1)
    )


def make(chip, kernel, kv, math, source, shape, sequences, queries, keys, us, earlier=0, **more):
    """`keys`: of one sequence at its end; `earlier`: of them computed before (prefill)."""
    sequences, queries, keys, earlier = np.broadcast_arrays(
        *(np.asarray(c, float) for c in (sequences, queries, keys, earlier))
    )
    if kernel.endswith("prefill"):
        tokens = sequences * queries
        products = tokens * (earlier + (queries + 1) / 2)
        loads = stack(tokens, products, sequences * earlier, sequences, keys)
    else:
        loads = stack(sequences, sequences * keys, queries)
    shapes = np.broadcast_to(shape, (len(loads), 8)).astype(float)
    us = np.asarray(us, float)
    seen = more.pop("seen", ())
    if not more.get("base"):
        unseen = {k: v for k, v in NOT_SEEN[kernel.rpartition("_")[2]].items() if k not in seen}
        more["given"] = unseen | more.get("given", {})
    return Table(
        chip, kernel, kv, math, source, np.ascontiguousarray(shapes), loads, us, sequences, keys,
        **more,
    )


def shape_of(heads, kv_heads, qk, v, row_bytes, limit=0, shares_tile=0):
    return stack(heads, kv_heads, qk, v, row_bytes, 2, limit, shares_tile)


@functools.cache
def read(path):
    return pd.read_csv(path)


def file_stem(chip):
    return chip if chip.startswith("g") else f"{chip}_sxm"


def select(table, rows, tag):
    """The rows of a table, as one that is shown and not fitted."""
    return Table(
        table.chip, table.kernel, table.kv, table.math, table.source, table.shapes[rows],
        table.loads[rows], table.us[rows], table.sequences[rows], table.keys[rows], tag=tag,
    )


def trtllm_gqa(root, chip, kv):
    """TensorRT-LLM 1.3.0rc20. With FP8 KV its prefill multiplies in FP8."""
    stem = f"aiconfigurator/{file_stem(chip)}__attention__trtllm__1.3.0rc20__"
    name = "fp8" if kv == "fp8" else "bfloat16"
    value = 1 if kv == "fp8" else 2

    d = read(f"{root}/{stem}context_attention_perf.csv.gz")
    d = d[(d.kv_cache_dtype == name) & (d.attn_dtype == name)]
    shape = shape_of(
        d.num_heads, d.num_key_value_heads, d.head_dim, d.head_dim, 2 * d.head_dim * value,
        np.where(d.window_size > 0, d.window_size + WINDOW_TILE, 0),
    )
    every = make(
        chip, "gqa_prefill", kv, kv, "context_attention_perf (TensorRT-LLM 1.3.0rc20)", shape,
        d.batch_size, d.isl, d.isl, d.latency * 1e3,
    )
    short = d.window_size.isin([128, 1024]).to_numpy()
    yield select(every, ~short & (d.head_dim < 512).to_numpy(), "")
    windows = select(every, short, "")
    windows.source = "its windows of 128 and 1,024"
    yield windows
    d = read(f"{root}/{stem}generation_attention_perf.csv.gz")
    d = d[d.kv_cache_dtype == name]
    group = (d.num_heads / d.num_key_value_heads).to_numpy()
    shape = shape_of(
        d.num_heads, d.num_key_value_heads, d.head_dim, d.head_dim, 2 * d.head_dim * value,
        np.where(d.window_size > 0, d.window_size + WINDOW_TILE, 0),
    )
    every = make(
        chip, "gqa_decode", kv, "bf16", "generation_attention_perf (TensorRT-LLM 1.3.0rc20)",
        shape, d.batch_size, 1, d.step + 1, d.latency * 1e3,
    )
    yield from trtllm_decodes(every, group, d.head_dim.to_numpy(), chip in ("h100", "h200"))


def few_blocks(table, cores=132):
    """Rows that TensorRT-LLM decodes by head (src/cost/attention_layers.h); H100 and H200 alone."""
    sequences, context = table.loads[:, 0], table.loads[:, 1]
    return 4 * table.shapes[:, 1] * np.maximum(sequences, context / 128) < cores


def trtllm_decodes(every, group, dim, hopper):
    """The decode table by the kernels that its rows ran on."""
    bf16_hopper = hopper and every.kv == "bf16"
    usual, wide, narrow = (group > 1) & (group <= 16), (group > 16) & (group <= 32), dim < 128
    few = few_blocks(every) if bf16_hopper else np.zeros(len(group), bool)
    grouped = {
        "compute_share": GQA_DECODE_SHARE, "row_tile": 16.0 if bf16_hopper else 8.0, "part_rows": 0.0, "by_head": 0.0, "unsplit": 0.0,
        "key_ns": 0.0, "alone_us": 0.0, "few_by_head": float(bf16_hopper),
        "outside_window": float(bf16_hopper),
    }  # fmt: skip
    own = hopper and every.kv == "fp8"  # a kernel of 32 rows
    one_tile = {"tile_us": 0.0, "merge_us": 0.0}
    by_head = grouped | one_tile | {
        "row_tile": 16.0, "by_head": 1.0, "few_by_head": 0.0, "width_us": 0.0,
        "compute_share": 1.0, "outside_window": 0.0,
    }  # fmt: skip
    for name in ("key_ns", "alone_us"):
        del by_head[name]
    unsplit = by_head | {
        "unsplit": 1.0, "memory_share": 0.9, "ramp_us": 0.0, "half_us": 1.0, "row_passes": 1.0,
    }  # fmt: skip
    mha = by_head | {"outside_window": 1.0}
    if not hopper:
        mha = grouped | one_tile | {"compute_share": 1.0}
    usual_dims = np.isin(dim, (128, 256))
    wide_given = grouped | one_tile | {"row_tile": 32.0} if own else grouped
    for kernel, rows, note, given in (
        ("gqa_decode", usual & usual_dims, "", grouped),
        ("gqa_decode", usual & ~usual_dims & ~narrow, "its heads of 192 or 512", grouped),
        ("gqa_wide_decode" if own else "gqa_decode", wide & ~narrow, "its 17 to 32 heads", wide_given),
        ("gqa_narrow_decode", usual & narrow, "", grouped),
        ("gqa_narrow_decode", wide & narrow, "its 17 to 32 heads", grouped),
        ("mha_decode", (group == 1) & usual_dims, "", mha),
        ("mha_decode", (group == 1) & ~usual_dims, "its heads of 64, 192 or 512", mha),
        ("by_head_decode", group > 32, "", unsplit),
        ("by_head_decode", (usual | wide) & few & ~narrow, "its few blocks of keys", unsplit),
        ("by_head_decode", (usual | wide) & few & narrow, "few blocks, heads of 64", unsplit),
    ):
        rows = rows if kernel in ("by_head_decode", "mha_decode") else rows & ~few
        if not rows.any():
            continue
        fitted = select(every, rows, "")
        fitted.kernel = kernel
        fitted.source = note or fitted.source
        fitted.given = given
        fitted.bounds = {"memory_share": (0.7 if kernel == "mha_decode" else 0.85, 0.96)}
        yield fitted


def sglang_mla(root, chip, kv):
    """SGLang 0.5.14. On Hopper it copies FP8 KV to BF16 first, as no other does: left out.
    Prefill is absorbed on Hopper (FA3 over latent rows) and is not on Blackwell."""
    hopper = chip in ("h100", "h200")
    if hopper and kv == "fp8":
        return
    stem = f"aiconfigurator/{file_stem(chip)}__mla__sglang__0.5.14__"
    name = "fp8" if kv == "fp8" else "bfloat16"
    value = 1 if kv == "fp8" else 2
    d = read(f"{root}/{stem}context_mla_perf.csv.gz")
    d = d[d.kv_cache_dtype == name]
    if hopper:
        kernel, shape = "mla_absorbed_prefill", shape_of(
            d.num_heads, 1, MLA_ROW, 512, MLA_ROW * value, 0, 1
        )
    else:
        kernel, shape = "mla_prefill", shape_of(
            d.num_heads, d.num_heads, 192, 128, 320 * value
        )
    yield make(
        chip, kernel, kv, "bf16", "context_mla_perf (SGLang 0.5.14)", shape, d.batch_size, d.isl,
        d.isl, d.latency * 1e3,
    )
    d = read(f"{root}/{stem}generation_mla_perf.csv.gz")
    d = d[d.kv_cache_dtype == name]
    shape = shape_of(d.num_heads, 1, MLA_ROW, 512, MLA_ROW * value, 0, 1)
    yield make(
        chip, "mla_decode", kv, kv, "generation_mla_perf (SGLang 0.5.14)", shape, d.batch_size, 1,
        d.step + 1, d.latency * 1e3,
    )


def infersim_mha(root, chip):
    frames = []
    for path in sorted(pathlib.Path(f"{root}/infersim/mha/decode/{chip}").glob("*.csv")):
        heads, kv_heads, dim = map(int, path.stem.split("-"))
        frames.append(read(str(path)).assign(heads=heads, kv_heads=kv_heads, dim=dim))
    d = pd.concat(frames)
    for kv, value in (("bf16", 2), ("fp8", 1)):
        rows = d[d.kv_dtype == kv]
        if rows.empty:
            continue
        shape = shape_of(rows.heads, rows.kv_heads, rows.dim, rows.dim, 2 * rows.dim * value)
        yield make(
            chip, "gqa_decode", kv, "bf16", "InferSim mha/decode", shape, rows.batch_size, 1,
            rows.kv_len, rows.latency_us, seen=("width_us", "tile_us"),
        )
    frames = []
    for path in sorted(pathlib.Path(f"{root}/infersim/mha/prefill/{chip}").glob("*.csv")):
        heads, kv_heads, dim = map(int, path.stem.split("-"))
        frames.append(read(str(path)).assign(heads=heads, kv_heads=kv_heads, dim=dim))
    if frames:
        d = pd.concat(frames)
        yield make(
            chip, "gqa_prefill", "bf16", "bf16", "InferSim mha/prefill",
            shape_of(d.heads, d.kv_heads, d.dim, d.dim, 4 * d.dim), 1, d.seq_len, d.seq_len,
            d.latency_us, free=["floor_us", "compute_share", "softmax_ops", "tile_us"],
            base="h100.gqa_prefill.bf16", given={"passes": 1},
        )


def infersim_mla(root, chip):
    d = read(f"{root}/infersim/mla/decode/{chip}/128-512-64.csv")
    yield make(
        chip, "mla_decode", "bf16", "bf16", "InferSim mla/decode (FlashMLA)",
        shape_of(128, 1, MLA_ROW, 512, 2 * MLA_ROW, 0, 1), d.batch_size, 1, d.kv_len,
        d.latency_us, free=["floor_us", "ramp_us", "half_us", "compute_share", "item_us"],
        base="h100.mla_decode.bf16", given={"part_rows": float(FLASH_MLA_ROWS)},
    )
    if chip != "h800":
        return
    d = read(f"{root}/infersim/mla/prefill/h800/128-128-64.csv")
    yield make(
        chip, "mla_prefill", "bf16", "bf16", "InferSim mla/prefill",
        shape_of(128, 128, 192, 128, 640), 1, d.seq_len, d.seq_len, d.latency_us,
        free=["compute_share", "tile_us"], base="h800.gqa_prefill.bf16", given={"passes": 1},
    )


def infersim_sparse(root):
    """V3.2's sparse attention (top 2,048 rows) and lightning indexer (64 heads of 128, FP8)."""
    dsa = f"{root}/infersim/dsa"
    rows = shape_of(128, 1, MLA_ROW, 512, FP8_ROW, 2048, 1)
    d = read(f"{dsa}/prefill/h800/attn-128-576-2048.csv")
    yield make(
        "h800", "sparse_prefill", "fp8", "bf16", "InferSim dsa/prefill/attn-128-576-2048", rows, 1,
        d.s_q, d.s_kv, d.latency_us, d.s_kv - d.s_q, free=["compute_share"],
        base="h100.mla_absorbed_prefill.bf16",
    )
    d = read(f"{dsa}/decode/h800/attn-128-576-2048.csv")
    yield make(
        "h800", "sparse_decode", "fp8", "bf16", "InferSim dsa/decode/attn-128-576-2048", rows,
        d.batch_size, 1, d.kv_len, d.latency_us, free=["compute_share"],
        base="h800.mla_decode.bf16",
    )
    keys = shape_of(64, 1, 128, 0, 132, 0, 1)
    d = read(f"{dsa}/prefill/h800/logits-64-128.csv")
    yield make(
        "h800", "index_prefill", "fp8", "fp8", "InferSim dsa/prefill/logits-64-128", keys, 1,
        d.s_q, d.s_kv, d.latency_us, d.s_kv - d.s_q, free=["compute_share", "tile_us"],
        base="h100.mla_absorbed_prefill.bf16", given={"softmax_ops": 0},
    )
    d = read(f"{dsa}/decode/h800/logits-64-128.csv")
    yield make(
        "h800", "index_decode", "fp8", "fp8", "InferSim dsa/decode/logits-64-128", keys,
        d.batchsize, d.next_n, d.s_kv, d.latency_us,
        free=["floor_us", "memory_share", "ramp_us", "item_us"], base="h100.mla_decode.bf16",
    )


def frontier(root):
    """Llama-3.1-405B (128 heads, 8 KV heads, 128 wide) under TP, FlashInfer, BF16 KV, H800.
    Its decode rows read up to twice as fast as HBM can (sequences share blocks): left out."""
    d = read(f"{root}/frontier/Llama-3.1-405B-Instruct-FP8__attention_kernel_only.csv.gz")
    tp = d.num_tensor_parallel_workers
    d = d.assign(heads=128 // tp, kv_heads=(8 // tp).clip(lower=1))
    source = "Frontier attention_kernel_only (FlashInfer)"
    d = d[d.is_prefill]
    yield make(
        "h800", "gqa_prefill", "bf16", "bf16", source,
        shape_of(d.heads, d.kv_heads, 128, 128, 512), 1, d.prefill_chunk_size,
        d.kv_cache_size + d.prefill_chunk_size, d["time_stats.attn_prefill.median"] * 1e3,
        d.kv_cache_size,
    )


def cloudmatrix():
    """CloudMatrix384 (arXiv 2506.12708v2), Tables 8 and 9, one 910C die. Which shapes were measured
    is not said; taken: 128 heads and MTP (two tokens) where compute bounds, 16 heads where memory
    does, 96 sequences of 8,192 tokens."""
    sequences, keys = 96, 8192
    ops = 2 * 128 * 2 * (MLA_ROW + 512) * sequences * keys
    rows = sequences * keys * 2 * MLA_ROW
    for heads, tokens, us, tag in (
        (128, 2, ops / (0.654 * 376e12) * 1e6, "Table 8, 65.4 % of 376 TFLOPS"),
        (16, 1, rows / 1346e9 * 1e6, "Table 9, 1,346 GB/s"),
    ):
        yield make(
            "ascend-910c", "mla_decode", "bf16", "bf16", "CloudMatrix384",
            shape_of(heads, 1, MLA_ROW, 512, 2 * MLA_ROW, 0, 1), sequences, tokens, keys, us,
            tag=tag,
        )


def all_tables(root):
    root = f"{root}/kernels"
    for chip in ("h100", "h200", "gb200"):
        for kv in ("bf16", "fp8"):
            yield from trtllm_gqa(root, chip, kv)
    for chip in ("h100", "h200", "b200", "b300", "gb200", "gb300"):
        for kv in ("bf16", "fp8"):
            yield from sglang_mla(root, chip, kv)
    for chip in ("h800", "h20"):
        yield from infersim_mha(root, chip)
        yield from infersim_mla(root, chip)
    yield from infersim_sparse(root)
    yield from frontier(root)
    yield from cloudmatrix()
