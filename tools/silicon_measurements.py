"""InferenceX sweeps and NVIDIA's runs, as aiconfigurator keeps them: one file of cases."""

import csv

from measurement_cases import (
    BF16, FP4, FP8, FP8_BLOCK, FP8_KV8, INT4, parallel, rows_of, serve, uniform, write
)

SILICON_HEAD = [
    "InferenceX sweeps and NVIDIA's own runs, as aiconfigurator keeps them beside its",
    "predictions. A selection of the 1,884 rows: both chips, three engines, models with a shape",
    "in the catalog, all degrees, few concurrencies. A closed loop; TTFT and TPOT per request.",
    "Mean or median is not said: taken as the mean. InferenceX: lengths uniform in 0.8 to 1.0",
    "of the figure, 10 requests per unit of concurrency, prefix cache off. Its tokens a step,",
    "share of memory and degree of expert parallelism are not recorded in the rows: they are",
    "those of its scripts at the date of the run (github.com/SemiAnalysisAI/InferenceX",
    "benchmarks/, 9596d23d7 of October 2025, 626932a11 of March 2026). NVIDIA runs: fixed",
    "lengths and 10 requests per unit of concurrency are assumed, and the end-to-end time is",
    "given, TTFT + TPOT x (tokens - 1), in place of the TTFT: how far equal requests stay in",
    "step and whether the first wave counts is not recorded. KV formats: the scripts' where",
    "they name one (Llama-3.1-70B FP8), else the checkpoint's. Llama-3.1-70B with vLLM on H100",
    "is BF16 all the same: 29 requests of 7,900 tokens in flight at TP2 are what BF16 holds,",
    "and the script's FP8 would hold 57.",
    "Left out: disaggregated rows and those with attention DP (draft tokens and workers not",
    "recorded), rows marked wip, degrees above the server's 8 (a parsing product), the second",
    "copy of DeepSeek-R1 under V3's name, DeepSeek of TensorRT-LLM 1.1 (MTP not recorded),",
    "rows whose experts lie over more dies than their attention (Qwen3-235B with vLLM), the",
    "TTFT of Llama-3.1-70B with TensorRT-LLM at 1,024/1,024 below TP8 (its script lets prompts",
    "wait up to 20 steps for company), Llama-3.1-8B with vLLM 0.12.0 (118,000 prompt tokens per",
    "second and H200, thrice SGLang's, 94 % of the peak for the products alone: most prompts were",
    "found in a cache, how many is not recorded), Qwen3.5 (no shape).",
]
SILICON_MODELS = {
    "meta-llama/Llama-3.1-70B": "llama-3.1-70b",
    "openai/gpt-oss-120b": "gpt-oss-120b",
    "MiniMaxAI/MiniMax-M2.5": "minimax-m2.5",
    "moonshotai/Kimi-K2.5": "kimi-k2.5",
    "zhipuai/GLM-5": "glm-5",
    "deepseek-ai/DeepSeek-R1": "deepseek-r1",
    "Qwen/Qwen3-32B": "qwen3-32b",
    "Qwen/Qwen3-235B-A22B-FP8": "qwen3-235b-a22b",
    "meta-llama/Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "llama-3.1-8b",
}
ENGINES = {"vllm": "vllm", "sglang": "sglang", "trtllm": "tensorrt-llm"}
NVIDIA_RUN = "aic-auto-gap-analysis"


def silicon_wanted(row, concurrency):
    lengths = (int(row["isl"]), int(row["osl"]))
    if NVIDIA_RUN not in row["silicon_data_source"]:
        if lengths == (1024, 8192):
            return concurrency == 16 and int(row["tp_size"]) in (1, 8)
        return concurrency in (4, 16, 64, 128)
    if row["backend"] == "trtllm" and "Qwen3-235B" in row["model_path"]:
        return lengths in ((512, 256), (256, 256)) and concurrency in (16, 64)
    if lengths[0] >= 8000 and row["backend"] != "trtllm":
        return lengths[1] in (500, 1000)
    return lengths in ((1024, 128), (4096, 512), (4000, 1000), (1000, 1000), (2000, 100),
                       (4000, 500)) and concurrency not in (8, 32, 112, 128, 176, 352)


def silicon_precision(row, model):
    if model == "gpt-oss-120b":
        return FP4
    if row["precision"] == "int4":
        return INT4
    if row["precision"] == "":
        return FP8 if row["gemm_quant_mode"].startswith("fp8") else BF16
    if row["gemm_quant_mode"] == "fp8_block" or row["model_path"] == "Qwen/Qwen3-235B-A22B-FP8":
        return FP8_BLOCK  # Qwen's own FP8 checkpoints, and what a row names so
    if model == "llama-3.1-70b" and row["backend"] == "vllm" and row["system"] == "h100_sxm":
        return FP8  # 28 requests of 8,300 tokens in flight at TP2: what BF16 holds
    if model == "llama-3.1-70b" or "nvidia/" in row["model_path"]:
        return FP8_KV8  # NVIDIA's checkpoints name FP8 KV; 46 in flight on one H200 bear it out
    if model == "qwen3-32b" and row["backend"] == "trtllm":
        return FP8_KV8  # 64 requests of 4,600 tokens wait 3.8 s at TP1: with BF16 half would queue
    return FP8


def silicon_usable(row, fields):
    if row["mode"] != "agg" or row["model_path"] not in SILICON_MODELS:
        return False
    if "silicon_concurrency" not in fields or fields.get("wip") == "True":
        return False
    if row["attention_dp_size"] not in ("", "1") or int(row["tp_size"]) > 8:
        return False
    if "gap-analysis.csv" in row["silicon_data_source"]:
        return False
    if "vllm/0.12.0/nvidia_Llama-3.1-8B" in row["silicon_data_source"]:
        return False  # 2,000/100 at c64: 94 % of the chip's peak, for the products alone
    if "gpt-oss" in row["model_path"] and row["backend"] == "vllm" and not row["backend_version"]:
        return False  # an unnamed version of the autumn before; the named one has the same points
    if int(row["tp_size"]) == 1 and "235B" in row["model_path"]:
        return False  # its degree is the experts' one
    if int(row["moe_ep_size"] or 1) not in (0, 1, int(row["tp_size"])):
        return False
    dense = SILICON_MODELS[row["model_path"]].startswith(("llama", "qwen3-32b"))
    ranks = int(row["moe_tp_size"] or 1) * int(row["moe_ep_size"] or 1)
    if not dense and ranks != int(row["tp_size"]):
        return False  # experts over 4 dies beside attention over 2: how many it ran on is not said
    deepseek = "DeepSeek" in row["model_path"]
    return not (deepseek and row["backend"] == "trtllm" and row["backend_version"])


def silicon_figures(row, inferencex):
    ttft, tpot = float(row["silicon_ttft_ms"]), float(row["silicon_tpot_ms"])
    if inferencex:
        return {"ttft_ms": ttft, "tpot_ms": tpot}
    # Equal requests may run in step or not; their sum is the same.
    osl = int(row["osl"])
    whole = {"e2e_ms": ttft + tpot * (osl - 1)}
    return whole if osl < 500 else {**whole, "tpot_ms": tpot}


def inferencex_script(model, engine, version, chip, tp, lengths, concurrency):
    """What the benchmark's script sets beside what a row records; None: attention DP."""
    isl, osl = lengths
    if engine == "vllm":
        # MiniMax on H200: --enable-expert-parallel since 13 March 2026, whatever the degree.
        experts = {"ep": tp} if model == "minimax-m2.5" and version == "0.18.0" else {}
        large = model == "kimi-k2.5" or (model == "minimax-m2.5" and chip == "h200")
        return {"tokens": 8192, "memory": 0.95 if large else 0.9, **experts}
    if engine == "sglang":
        if model == "deepseek-r1":
            return {"tokens": 32768, "memory": 0.82}
        return {"tokens": 8192, "memory": 0.85}
    if model == "deepseek-r1":
        if concurrency > (32 if isl == 8192 else 64):
            return None
        return {"tokens": (concurrency + isl + 64 + 63) // 64 * 64, "ep": tp,
                "memory": 0.75}
    if model == "gpt-oss-120b":
        return {"tokens": 20000, "ep": tp, "memory": 0.85}
    return {"tokens": 16384, "waits": lengths == (1024, 1024) and tp < 8}


def silicon_case(row, fields):
    concurrency = int(fields["silicon_concurrency"])
    model = SILICON_MODELS[row["model_path"]]
    chip = row["system"].removesuffix("_sxm")
    tp, ep = int(row["tp_size"]), max(1, int(row["moe_ep_size"] or 1))
    if model.startswith(("llama", "qwen3-32b")):
        ep = 1
    precision = silicon_precision(row, model)
    inferencex = NVIDIA_RUN not in row["silicon_data_source"]
    version = row["backend_version"] or "version not recorded"
    note = f"{version}; measured {fields['measured'][:10]}" if "measured" in fields else version
    length = uniform if inferencex else (lambda value: value)
    engine = ENGINES[row["backend"]]
    sync = version == "0.12.0"  # asynchronous scheduling is the default since 0.14
    isl, osl = int(row["isl"]), int(row["osl"])
    script = {"tokens": 8192 if engine == "vllm" else None}
    if inferencex:
        script = inferencex_script(model, engine, version, chip, tp, (isl, osl), concurrency)
        if script is None:
            return None
    ep = script.get("ep", ep)
    published = silicon_figures(row, inferencex)
    if script.get("waits"):
        del published["ttft_ms"]
    name = f"{chip}-{model}-{row['backend']}-{version.split()[0]}-{precision['weights']}"
    return serve(
        f"aic-{name}-tp{tp}ep{ep}-{isl}-{osl}-c{concurrency}", note, f"{chip}-8", model, tp,
        parallel(tp=tp, ep=ep), precision, "vllm-v1-sync" if sync else engine,
        prefix_caching=False, max_tokens_per_step=script["tokens"], memory_share=script.get("memory"),
        input_tokens=length(isl), output_tokens=length(osl), concurrency=concurrency,
        requests=10 * concurrency, published=published)


def silicon(measurements, out):
    cases = {}
    for row in rows_of(measurements / "aiconfigurator_silicon_sample.csv.gz"):
        fields = dict(part.strip().split("=", 1)
                      for part in row["silicon_data_source"].split(";") if "=" in part)
        if not silicon_usable(row, fields):
            continue
        if not silicon_wanted(row, int(fields["silicon_concurrency"])):
            continue
        case = silicon_case(row, fields)
        if case is None:
            continue
        kept = cases.get(case["id"])  # the same point in several dumps: the latest counts
        if kept is None or kept["note"] <= case["note"]:
            cases[case["id"]] = case
    ordered = sorted(cases.values(), key=lambda case: case["id"])
    for case in ordered:
        inferencex = isinstance(case["input_tokens"], dict)
        who = "inferencex" if inferencex else "nvidia"
        case["family"] = f"{who}-{case['engine'].removesuffix('-v1-sync')}"
    write(out, "aiconfigurator-silicon", SILICON_HEAD, "inferencex",
          "https://github.com/ai-dynamo/aiconfigurator systems/silicon_sample.csv (095f58a)", "A",
          ordered)
