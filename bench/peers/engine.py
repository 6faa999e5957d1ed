#!/usr/bin/env python3
"""weft's engine beside llama.cpp and ik_llama.cpp on this machine, same shapes, random weights.

Usage: engine.py --weft PROGRAM --llama BIN [--ik BIN] [--like qwen3 qwen3-moe] [--threads 2]
                 [--rounds 3] [--work FOLDER] [--json FILE]

BIN are the folders of built programs: llama-bench, llama-batched-bench, llama-quantize. Rounds
interleave the peers, so that what disturbs the machine disturbs all of them; the medians count.
Prints tokens per second for a prompt of 512, one sequence decoding and 16 together after 512 tokens,
and weft's ratio to the best of each peer.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
MEASURES = ["prompt 512", "decode 1", "decode 16"]


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr[-2000:]}")
    return done.stdout


def weft_round(options, model, weights):
    out = json.loads(run(options.weft, "bench", "engine", "--model", model, "--weights", weights,
                         "--threads", options.threads, "--batch", 1, 16, "--steps", 32,
                         "--json", "-"))
    speeds = {entry["name"]: entry["tokens_per_s"] for entry in out["results"]}
    return dict(zip(MEASURES, [speeds["prompt of 512"], speeds["decode, 1 together"],
                               speeds["decode, 16 together"]]))


def llama_round(options, programs, model, repacks):
    """A fork's own bench programs; ik_llama.cpp's repack weights at load when asked to."""
    found = {}
    out = json.loads(run(programs / "llama-bench", "-m", model, "-t", options.threads, "-p", 512,
                         "-n", 32, "-r", 2, "-o", "json", *(["-rtr", 1] if repacks else [])))
    for entry in out:
        found["decode 1" if entry["n_gen"] else "prompt 512"] = entry["avg_ts"]
    text = run(programs / "llama-batched-bench", "-m", model, "-t", options.threads, "-c", 16384,
               "-b", 2048, "-ub", 512, "-npp", 512, "-ntg", 16, "-npl", 16, *(["-rtr"] if repacks else []))
    row = [line for line in text.splitlines() if re.match(r"\|\s+512 \|", line)]
    if row:
        found["decode 16"] = float(row[-1].split("|")[8])
    return found


def make_models(options, like, folder):
    checkpoint = folder / like
    if not checkpoint.exists():
        run(options.weft, "model", "init", "--like", like, "--size", "small", "--out", checkpoint)
    models = {"bf16": folder / f"{like}-bf16.gguf"}
    if not models["bf16"].exists():
        run(sys.executable, HERE / "to_gguf.py", checkpoint, models["bf16"])
    for kind in ("q8_0", "q4_0"):
        models[kind] = folder / f"{like}-{kind}.gguf"
        if not models[kind].exists():
            run(options.llama / "llama-quantize", "--pure", models["bf16"], models[kind], kind)
    return checkpoint, models


def contenders(options, checkpoint, models):
    for weights in ("int8", "int4", "bf16"):
        yield f"weft {weights}", lambda w=weights: weft_round(options, checkpoint, w)
    for kind, model in models.items():
        yield f"llama.cpp {kind}", lambda m=model: llama_round(options, options.llama, m, False)
        if options.ik:
            yield f"ik_llama.cpp {kind}", lambda m=model: llama_round(
                options, options.ik, m, True)


def compare(options, like, folder):
    checkpoint, models = make_models(options, like, folder)
    rounds = {}
    for _ in range(options.rounds):
        for name, measure in contenders(options, checkpoint, models):
            try:
                rounds.setdefault(name, []).append(measure())
                print(name, rounds[name][-1], file=sys.stderr, flush=True)
            except SystemExit as failure:
                print(f"{name}: {failure}", file=sys.stderr)
    table = {name: {m: statistics.median([r[m] for r in found if m in r] or [0])
                    for m in MEASURES} for name, found in rounds.items()}
    print(f"\n{like}, {options.threads} threads, medians of {options.rounds} rounds, tokens/s")
    print(f"{'':<26}" + "".join(f"{m:>14}" for m in MEASURES))
    for name, row in table.items():
        print(f"{name:<26}" + "".join(f"{row[m]:>14.1f}" for m in MEASURES))
    for peer in ("llama.cpp", "llama.cpp q8_0", "ik_llama.cpp", "ik_llama.cpp q8_0"):
        rows = [row for name, row in table.items() if (name + " ").startswith(peer + " ")]
        best = {m: max([row[m] for row in rows] or [0]) for m in MEASURES}
        if any(best.values()):
            print(f"{'int8 / ' + peer:<26}" + "".join(
                f"{table['weft int8'][m] / best[m]:>14.2f}" if best[m] else f"{'-':>14}"
                for m in MEASURES))
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weft", required=True)
    parser.add_argument("--llama", type=pathlib.Path, required=True)
    parser.add_argument("--ik", type=pathlib.Path)
    parser.add_argument("--like", nargs="*", default=["qwen3", "qwen3-moe"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {like: compare(options, like, folder) for like in options.like}
    if options.json:
        options.json.write_text(json.dumps(tables, indent=2) + "\n")


if __name__ == "__main__":
    main()
