#!/usr/bin/env python3
"""Writes the larger files of catalog/measurements from published tables and request logs.

  python3 tools/measurements.py --measurements DIR --traces DIR [--out catalog/measurements]

DIR/measurements holds the tables (their sources stand in the head of each file written), DIR/traces
the request logs. The same tables give the same files, byte for byte. What a table lacks and is
assumed stands in a case's note; rows that lack more are left out, and each head says which.
"""

import argparse
import json
import statistics
from pathlib import Path

from measurement_cases import BF16, FP4, FP8, FP8_BLOCK, FP8_KV8, parallel, rows_of, serve, write
from silicon_measurements import silicon

# ---- dstack -------------------------------------------------------------------------------------
# Left out: DeepSeek-R1 of February 2025 on H200 and MI300X. SGLang 0.4.3, vLLM 0.7 and TensorRT-LLM
# 0.17 had no kernels for latent attention and block-scaled experts yet: weft, which models those that
# came in the months after, is 1.5 to 4 times as fast (docs/accuracy.md).

L405_HEAD = [
    "Llama-3.1-405B in FP8 with vLLM 0.6.3, November 2024: a batch of equal requests from first",
    "to last token, and ShareGPT prompts at a rate (16 and 32 per second, and all at once).",
    "Settings: the comparison's README (85a2fe1) and the table's columns. No run names a KV",
    "format: BF16. H100 and the batches on MI300X: a context of 91,680, for which this version",
    "splits prompts into chunks of 512 tokens; the batches on MI300X with --enforce-eager. Rates",
    "on MI300X: no chunks, 15 decode steps a turn of the scheduler, 1,024 sequences. ShareGPT",
    "lengths: the means are the run's, their spread is not given and taken as exponential.",
    "Meta's checkpoint (H100) keeps attention in BF16: its log says 56.8 GiB of weights per chip.",
    "91,680 tokens are what its setup supports at most (nvidia/8xh100/README.md of the branch",
    "add_8xH100_benchmarks): the tokens of KV that were left.",
    "Left out: MI300X with Meta's checkpoint (no FP8 kernels then), two replicas on 8 MI300X",
    "(figures of 4 MI300X word for word).",
]
L405_META = {**FP8, "attention": "bf16"}
L405_META_KV = 91680
L405_SYSTEMS = {
    "8xH100 1FP8-meta": ("h100-8", 8), "8xMi300x 1FP8-amd": ("mi300x-8", 8),
    "4xMi300x 1FP8-amd": ("mi300x-8", 4),
}


def dstack_405b_cases(measurements):
    for row in rows_of(measurements / "dstack_llama405b_fp8_batch_8xH100_MI300X.csv"):
        gpu = row["gpu"].strip()
        if gpu not in L405_SYSTEMS:
            continue
        hardware, devices = L405_SYSTEMS[gpu]
        batch = int(row["batch_size"])
        chip = hardware.removesuffix("-8")
        h100 = chip == "h100"
        yield serve(
            f"dstack-405b-{chip}-tp{devices}-{row['input_len']}-{row['output_len']}-b{batch}",
            "vLLM 0.6.3" if h100 else "vLLM 0.6.3, --enforce-eager", hardware, "llama-3.1-405b",
            devices, parallel(tp=devices), L405_META if h100 else FP8,
            "vllm-v0-chunked" if h100 else "vllm-v0-eager",
            prefix_caching=False, kv_tokens=L405_META_KV if h100 else None, max_tokens_per_step=512, max_batch=256, arrivals="at_once",
            input_tokens=int(row["input_len"]), output_tokens=int(row["output_len"]),
            requests=batch, published={"makespan_s": float(row["end_to_end_latency"])})


def dstack_405b_rates(measurements):
    for row in rows_of(measurements / "dstack_llama405b_fp8_qps_8xH100_MI300X.csv"):
        if row["gpu"] not in L405_SYSTEMS:
            continue
        hardware, devices = L405_SYSTEMS[row["gpu"]]
        chip, rate, count = hardware.removesuffix("-8"), float(row["request_rate"]), 1000
        h100 = chip == "h100"
        load = {"arrivals": "at_once"} if rate >= 1000 else {"rate": int(rate)}
        yield serve(
            f"dstack-405b-{chip}-tp{devices}-sharegpt-{row['request_rate']}rps",
            f"vLLM 0.6.3{'' if h100 else ', 15 steps a turn'}; spread of lengths assumed",
            hardware, "llama-3.1-405b", devices, parallel(tp=devices),
            L405_META if h100 else FP8, "vllm-v0-chunked" if h100 else "vllm-v0", grade="B",
            prefix_caching=False, kv_tokens=L405_META_KV if h100 else None,
            max_tokens_per_step=512 if h100 else None, max_batch=int(row["max-num-seqs"]), **load,
            input_tokens={"dist": "exponential", "min": 4, "max": 2048,
                          "mean": round(int(row["total_input_tokens"]) / count)},
            output_tokens={"dist": "exponential", "min": 1, "max": 1024,
                           "mean": round(int(row["total_output_tokens"]) / count)},
            requests=count,
            published={"output_tokens_per_s": float(row["output_throughput"]),
                       "tpot_ms": float(row["mean_tpot_ms"])})


def dstack_405b(measurements, out):
    cases = [*dstack_405b_cases(measurements), *dstack_405b_rates(measurements)]
    write(out, "dstack-llama-405b", L405_HEAD, "dstack-llama-405b",
          "https://github.com/dstackai/benchmarks comparison/h100sxm5_vs_mi300x (7f37e66)", "A",
          sorted(cases, key=lambda case: case["id"]))


# ---- GPUStack -----------------------------------------------------------------------------------

GPUSTACK_HEAD = [
    "GPUStack's performance lab: `vllm bench serve` summaries with the server's flags. Prompts",
    "of a fixed number of random tokens, all sent at once; or 100 ShareGPT prompts in a closed",
    "loop of 1 to 8 (means taken as fixed lengths: at such loads the spread matters little).",
    "Means.",
    "Left out: pages measured with GuideLLM, whose TPOT holds the TTFT (Qwen3.5, GLM-5.2); rows",
    "word for word the same on two pages; ShareGPT all at once (spread of lengths not given);",
    "speculative decoding (acceptance not given); prompts of 128 tokens with 4 output tokens",
    "(the client bounds them); SGLang with --enable-dp-attention but no --dp-size (what it did",
    "is not certain); models without a shape (GLM-4.5-Air, Qwen3-14B).",
]
GPUSTACK_MODELS = {
    "deepseek-ai/DeepSeek-R1-0528": "deepseek-r1", "deepseek-ai/DeepSeek-V3.2": "deepseek-v3.2",
    "zai-org/GLM-4.6": "glm-4.6", "openai/gpt-oss-120b": "gpt-oss-120b",
    "openai/gpt-oss-20b": "gpt-oss-20b",
    "Qwen/Qwen3-235B-A22B-Instruct-2507": "qwen3-235b-a22b", "Qwen/Qwen3-32B": "qwen3-32b",
    "Qwen/Qwen3-8B": "qwen3-8b",
}


def flag(words, *names, default=None):
    for name in names:
        if name in words:
            return words[words.index(name) + 1]
    return default


def gpustack_engine(flags):
    if "vllm serve" in flags:
        return "vllm", flags.split("vllm serve", 1)[1].split()[0]
    if "sglang.launch_server" in flags:
        words = flags.split()
        return "sglang", flag(words, "--model-path", "--model")
    if "trtllm-serve" in flags:
        name = flags.split("trtllm-serve", 1)[1].split()[0]
        return "tensorrt-llm", name.removeprefix("/workspace/")
    return None, None


def gpustack_usable(row):
    if row["same_numbers_on_other_page"] == "yes" or "includes" in row["tpot_definition"]:
        return False
    flags = row["serve_flags"]
    if "speculative" in flags or "speculative" in row["workload"] or "torch-compile" in flags:
        return False
    if "--enable-dp-attention" in flags and "--dp-size" not in flags:
        return False
    loop = row["max_concurrency"] and int(row["max_concurrency"]) <= 8
    return bool(loop) or (row["workload"].startswith("random") and float(row["mean_isl"]) > 500)


def gpustack_precision(checkpoint, model, engine):
    if model.startswith("gpt-oss"):
        return FP4
    if model == "deepseek-v3.2" and engine == "vllm":
        return FP8_KV8  # "auto" is its own FP8 layout for this model
    if checkpoint.startswith("Qwen/") and checkpoint.endswith("-FP8"):
        return FP8_BLOCK  # Qwen's own FP8 checkpoints: a scale per 128 x 128 weights
    if checkpoint.endswith("-FP8") or model.startswith("deepseek"):
        return FP8
    return BF16


def gpustack_case(row):
    flags = row["serve_flags"]
    engine, checkpoint = gpustack_engine(flags)
    if not engine or row["engine_label"] in ("triton", "flashinfer"):
        return None
    model = GPUSTACK_MODELS.get(checkpoint.removesuffix("-FP8"))
    if model is None:
        return None
    words = flags.replace("=", " ").split()
    tp = int(flag(words, "-tp", "--tp-size", "--tp", "--tp_size", default="1"))
    dp = int(flag(words, "--dp-size", default="1"))
    experts = "--enable-expert-parallel" in words or dp > 1
    chip = "h200" if "H200" in row["hardware"] else "h100"
    isl, osl = round(float(row["mean_isl"])), round(float(row["mean_osl"]))
    loop = int(row["max_concurrency"]) if row["max_concurrency"] else None
    precision = gpustack_precision(checkpoint, model, engine)
    page = row["page"].removesuffix(".md").replace("/", "-")
    layout = parallel(tp=tp // dp, dp=dp, ep=tp if experts else 1)
    budget = flag(words, "--max-num-batched-tokens")
    note = f"{row['engine_versions'].replace(' - ', '; ').removeprefix('- ')}; {row['serve_flags']}"
    load = {"concurrency": loop} if loop else {"arrivals": "at_once"}
    extra = "-async" if "--async-scheduling" in words else ""
    return serve(
        f"gpustack-{page}-{engine}-{precision['weights']}-tp{tp}dp{dp}{extra}-{isl}-{osl}"
        + (f"-c{loop}" if loop else ""), note, f"{chip}-8", model, tp, layout, precision,
        "vllm-v1-sync" if engine == "vllm" and not extra else engine,
        source=f"https://github.com/gpustack/gpustack docs/performance-lab/{row['page']} (47277d7)",
        family=f"gpustack-{engine}", prefix_caching=False if isl > 500 else None,
        max_tokens_per_step=int(budget) if budget else None if engine == "tensorrt-llm" else 8192,
        **load,
        input_tokens=isl, output_tokens=osl, requests=int(row["completed"]),
        published={"ttft_ms": float(row["mean_ttft_ms"]), "tpot_ms": float(row["mean_tpot_ms"]),
                   "total_tokens_per_s": float(row["total_tok_s"])})


def gpustack(measurements, out):
    cases = {}
    for row in rows_of(measurements / "gpustack_performance_lab.csv"):
        case = gpustack_case(row) if gpustack_usable(row) else None
        if case:
            cases.setdefault(case["id"], case)  # a page repeats its baseline
    write(out, "gpustack", GPUSTACK_HEAD, "gpustack",
          "https://github.com/gpustack/gpustack docs/performance-lab (47277d7)", "A",
          sorted(cases.values(), key=lambda case: case["id"]))


# ---- TensorRT-LLM's own overview ----------------------------------------------------------------

OVERVIEW_HEAD = [
    "TensorRT-LLM 1.0's published maximum throughput (trtllm-bench throughput, PyTorch",
    "backend): all requests at once, equal lengths; the number of requests is the page's table.",
    "NVIDIA's FP8 checkpoints name FP8 KV; KV gets 0.95 of free memory in many runs, 0.9 in",
    "others. Qwen3: experts and attention over all ranks (the page's --ep and attention DP for",
    "MoE models).",
    "Left out: Llama 4 (no shape), the newer page's rows (number of requests not given).",
]
OVERVIEW_REQUESTS = {(128, 128): 30000, (128, 2048): 3000, (128, 4096): 1500, (1000, 2000): 1500,
                     (2048, 128): 3000, (2048, 2048): 1500, (5000, 500): 1500,
                     (1000, 1000): 3000, (500, 2000): 3000, (20000, 2000): 1000}
OVERVIEW_MODELS = {"Llama-3.3-70B": "llama-3.1-70b", "Llama-3.1-405B": "llama-3.1-405b",
                   "Llama-3.1-8B": "llama-3.1-8b", "Qwen3-235B-A22B": "qwen3-235b-a22b"}


def overview(measurements, out):
    cases = []
    for row in rows_of(measurements / "trtllm_perf_overview_hopper.csv"):
        if not row["doc_version"].startswith("v1.0") or row["model"] not in OVERVIEW_MODELS:
            continue
        gpus, isl, osl = int(row["gpus"]), int(row["isl"]), int(row["osl"])
        moe = row["model"].startswith("Qwen")
        layout = parallel(dp=gpus, ep=gpus) if moe else parallel(tp=gpus)
        chip = row["gpu"].lower()
        note = "shape of Llama-3.1-70B" if "3.3" in row["model"] else None
        cases.append(serve(
            f"trtllm-{chip}-{row['model'].lower()}-x{gpus}-{isl}-{osl}", note, f"{chip}-8",
            OVERVIEW_MODELS[row["model"]], gpus, layout, FP8_KV8, "tensorrt-llm",
            prefix_caching=False, memory_share=0.95, arrivals="at_once", input_tokens=isl,
            output_tokens=osl, requests=OVERVIEW_REQUESTS[isl, osl],
            published={"output_tokens_per_s": float(row["output_tok_s_total"])}))
    write(out, "trtllm-overview", OVERVIEW_HEAD, "trtllm-overview",
          "https://github.com/NVIDIA/TensorRT-LLM docs/source/performance/perf-overview.md, v1.0",
          "B", cases)


# ---- Splitwise ----------------------------------------------------------------------------------

SPLITWISE_HEAD = [
    "Splitwise's profile of Llama-2-70B in FP16 on DGX A100 and DGX H100: the time of a prompt",
    "step and of a token step, median of 5 to 15 runs. The engine is vLLM of 2023: no CUDA",
    "graphs, so that token steps are bound by the host (about 30 ms at any small batch); prompt",
    "steps are the chips'.",
    "Left out: BLOOM-176B (no shape), TP2 (weights fill the memory share), rows of the power-",
    "capped H100 (derived, not measured), batches 16 and above of prompts (split into several",
    "steps).",
]


def splitwise(measurements, out):
    times = {}
    for row in rows_of(measurements / "splitwise_perf_model.csv"):
        if row["model"] == "llama2-70b" and row["token_size"] == "128":
            key = (row["hardware"], int(row["tensor_parallel"]), int(row["prompt_size"]),
                   int(row["batch_size"]))
            pair = (float(row["prompt_time"]), float(row["token_time"]))
            times.setdefault(key, []).append(pair)
    cases = []
    for (hardware, tp, prompt, batch), pairs in sorted(times.items()):
        if hardware.endswith("pcap") or tp == 2:
            continue
        chip = hardware.split("-")[0]
        common = {"hardware": f"{chip}-8", "model": "llama-2-70b", "devices": tp,
                  "parallel": parallel(tp=tp), "precision": BF16, "engine": "vllm-2023"}
        name = f"splitwise-{chip}-tp{tp}-{prompt}-b{batch}"
        prompt_ms = statistics.median(pair[0] for pair in pairs)
        token_ms = statistics.median(pair[1] for pair in pairs)
        if batch <= 8:
            cases.append({"id": f"{name}-prompt", "family": "splitwise-prompt", **common,
                          "phase": "prefill", "tokens_per_device": prompt * batch / tp,
                          "input_tokens": prompt, "published": {"ttft_ms": prompt_ms}})
        if prompt == 512 and batch in (1, 8, 32, 64):
            cases.append({"id": f"{name}-token", "family": "splitwise-token",
                          "note": "vLLM of 2023, no CUDA graphs: bound by the host", **common,
                          "phase": "decode", "batch_per_device": batch / tp,
                          "input_tokens": prompt, "output_tokens": 128,
                          "published": {"tpot_ms": token_ms}})
    write(out, "splitwise", SPLITWISE_HEAD, "splitwise",
          "https://github.com/Mutinifni/splitwise-sim data/perf_model.csv (8f99e7d)", "A", cases)


# ---- runs with a log or trace of every request --------------------------------------------------

APEX_HEAD = [
    "APEX+: vLLM 0.6.0 on 8 H100, Llama-3.1-70B in BF16 at TP8, the trace's arrivals with the",
    "lengths really served (columns Measured8TP_*). Means over the run; its first request has",
    "no record, and is played with the lengths asked for. vLLM 0.6.0 computes prompts before",
    "decodes; its flags are not given: 256 sequences, its default.",
    "Left out: 4TP and 2TP (latencies sum to up to 7 times TTFT + TPOT x tokens), the replicas",
    "of 2DP4TP and 4DP2TP (served lengths of their parts are not published).",
]


def apex(traces, out):
    cases = []
    for row in rows_of(traces / "apex" / "measured_vllm_8xH100.csv"):
        if row["config"] != "8TP" or float(row["e2e_over_ttft_plus_tpot"]) > 1.05:
            continue
        cases.append(serve(
            f"apex-{row['trace'].replace('_', '-')}", "vLLM 0.6.0: prompts first", "h100-8",
            "llama-3.1-70b", 8, parallel(tp=8), BF16, "vllm-v0", prefix_caching=False, max_batch=256,
            trace=f"apex/{row['trace']}.csv", lengths="served",
            published={"ttft_ms": 1e3 * float(row["mean_ttft_s"]),
                       "tpot_ms": 1e3 * float(row["mean_tpot_s"]),
                       "e2e_ms": 1e3 * float(row["mean_e2e_s"])}))
    write(out, "apex-vllm", APEX_HEAD, "apex-vllm",
          "https://github.com/microsoft/apex_plus vllm/results (8769096)", "A", cases)


LLMSERVINGSIM_HEAD = [
    "vLLM 0.19.0 on RTX PRO 6000, two logs of 300 requests each at 10 per second: arrival by",
    "arrival. Computed from the logs: TTFT = first token - queued, TPOT = (last - first) /",
    "(tokens - 1), makespan from the first arrival to the last token; percentiles by rank. The",
    "settings are meta.json's. The memory share 0.9 is vLLM's default.",
]


def rank(values, share):
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 100) - 1))]


def log_figures(path):
    log = [json.loads(line) for line in open(path)]
    ttft = [1e3 * (one["first_token_ts"] - one["queued_ts"]) for one in log]
    tpot = [1e3 * (one["last_token_ts"] - one["first_token_ts"]) / (one["output_toks"] - 1)
            for one in log if one["output_toks"] > 1]
    e2e = [1e3 * (one["last_token_ts"] - one["queued_ts"]) for one in log]
    makespan = max(one["last_token_ts"] for one in log) - min(one["queued_ts"] for one in log)
    tokens = sum(one["output_toks"] for one in log)
    return {"ttft_ms": statistics.mean(ttft), "ttft_p50_ms": rank(ttft, 50),
            "ttft_p99_ms": rank(ttft, 99), "tpot_ms": statistics.mean(tpot),
            "tpot_p50_ms": rank(tpot, 50), "tpot_p99_ms": rank(tpot, 99),
            "e2e_ms": statistics.mean(e2e), "output_tokens_per_s": tokens / makespan,
            "makespan_s": makespan}


def llmservingsim(traces, out):
    cases = []
    for folder, model in (("Llama-3.1-8B", "llama-3.1-8b"), ("Qwen3-32B", "qwen3-32b")):
        name = f"llmservingsim/RTXPRO6000/{folder}/vllm"
        settings = json.loads((traces / name / "meta.json").read_text())["engine_kwargs"]
        tp = settings["tensor_parallel_size"]
        cases.append(serve(
            f"llmservingsim-{model}-tp{tp}", "vLLM 0.19.0; ShareGPT prompts at 10 per second",
            f"rtx-pro-6000-{tp}", model, tp, parallel(tp=tp), BF16, "vllm",
            max_tokens_per_step=settings["max_num_batched_tokens"],
            max_batch=settings["max_num_seqs"], memory_share=0.9,
            trace=f"{name}/requests.jsonl",
            published=log_figures(traces / name / "requests.jsonl")))
    write(out, "llmservingsim", LLMSERVINGSIM_HEAD, "llmservingsim",
          "https://github.com/casys-kaist/LLMServingSim bench/examples (5daddb2)", "A", cases)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measurements", type=Path, required=True)
    parser.add_argument("--traces", type=Path, help="request logs; without it their files stay")
    parser.add_argument("--out", type=Path, default=Path("catalog/measurements"))
    arguments = parser.parse_args()
    for make in (silicon, dstack_405b, gpustack, overview, splitwise):
        make(arguments.measurements, arguments.out)
    if arguments.traces:
        apex(arguments.traces, arguments.out)
        llmservingsim(arguments.traces, arguments.out)


if __name__ == "__main__":
    main()
