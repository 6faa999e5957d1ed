#!/usr/bin/env python3
"""Logits and greedy continuations of random checkpoints, by transformers on the CPU, in F32.

Usage: model_reference.py --weft PROGRAM [--out FOLDER] [--like ARCH …] [--dtype f32|bf16 …]

For each architecture and stored type it has `weft model init` write a tiny checkpoint, loads that
with transformers, computes in F32 (BF16 weights are widened), and writes FOLDER/ARCH_DTYPE.json:

  arguments   of `weft model init`, which remake the checkpoint, but for --out
  made_by     versions
  prompts     [{tokens, greedy: the next 64 tokens, least_gap: the smallest lead of the best logit
              over the second on the way}]
  logits      [{prompt, position, values: base64 of vocab little-endian floats}]
  bf16        what the same model gives when transformers computes in BF16: largest difference of
              these logits over the largest logit, and how many greedy tokens differ when each step
              is given the F32 tokens before it
  mtp         DeepSeek-V3 alone: like logits; `position` p is the MTP layer's place p, which takes
              the model's last hidden state at p (after the final norm) and the token at p + 1, and
              predicts the token at p + 2

Seeds are tried in order until every lead is at least 0.01, so that no rounding decides a token.
"""

import argparse
import base64
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers

ARCHITECTURES = ["llama", "qwen2", "qwen3", "qwen3-moe", "deepseek-v2", "deepseek-v3"]
PROMPT_LENGTHS = [5, 37, 150]
LOGIT_PLACES = [(0, 4), (1, 0), (1, 36), (2, 16), (2, 128), (2, 149)]  # prompt, position
MTP_PLACES = [(2, 16), (2, 148)]
STEPS = 64
LEAST_GAP = 0.01
LEAST_DISTINCT = 16  # different tokens in each continuation
SEEDS = 200


def load(folder, dtype):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager")
    return model.eval()


@torch.no_grad()
def logits_of(model, tokens):
    return model(torch.tensor([tokens]), use_cache=False).logits[0].float()


def gaps_of(logits):
    best = logits.topk(2, dim=-1).values
    return best[:, 0] - best[:, 1]


def continue_greedily(model, prompt):
    """The tokens, and the smallest lead on the way; None as soon as a lead is too small."""
    tokens = list(prompt)
    least = float("inf")
    for _ in range(STEPS):
        last = logits_of(model, tokens)[-1:]
        least = min(least, gaps_of(last).item())
        if least < LEAST_GAP:
            return None, least
        tokens.append(int(last.argmax()))
    return tokens[len(prompt):], least


def encode(values):
    values = values.numpy().astype("<f4")
    assert numpy.isfinite(values).all()
    return base64.b64encode(values.tobytes()).decode()


@torch.no_grad()
def mtp_logits(model, tokens):
    from transformers.cache_utils import MtpCache
    from transformers.modeling_layers import MtpModel
    # The pattern of the MTP layers' names is that of the published model with 61 layers.
    layers = model.config.num_hidden_layers
    model._keys_to_ignore_on_load_unexpected = [rf"model\.layers\.{layers}\..*"]
    mtp = MtpModel.from_pretrained(model).eval()
    ids = torch.tensor([tokens])
    hidden = model(ids, output_hidden_states=True, use_cache=False).hidden_states[-1]
    out = mtp.forward_layer(0, hidden[:, :-1], torch.arange(1, len(tokens))[None],
                            MtpCache(config=model.config.get_mtp_config()), input_ids=ids[:, 1:])
    return mtp._project_to_logits(out)[0].float()


def compare_bf16(folder, prompts, logits):
    model = load(folder, torch.bfloat16)
    worst = 0.0
    differ = 0
    for prompt, exact in zip(prompts, logits):
        found = logits_of(model, prompt["tokens"] + prompt["greedy"][:-1])
        worst = max(worst, ((found - exact).abs().max() / exact.abs().max()).item())
        first = len(prompt["tokens"]) - 1
        differ += int((found[first:].argmax(-1) != exact[first:].argmax(-1)).sum())
    return {"relative_error": round(worst, 5), "tokens_that_differ": differ}


def make_prompts(seed, vocab):
    dice = random.Random(seed)
    return [[dice.randrange(2, vocab) for _ in range(length)] for length in PROMPT_LENGTHS]


def try_seed(weft, arguments, folder):
    """The document, or why this seed will not do."""
    subprocess.run([weft, "model", "init", *arguments, "--out", folder], check=True,
                   stdout=subprocess.DEVNULL)
    model = load(folder, torch.float32)
    prompts = []
    for tokens in make_prompts(1, model.config.vocab_size):
        greedy, gap = continue_greedily(model, tokens)
        if greedy is None:
            return None, f"a lead of {gap:.4f}"
        if len(set(greedy)) < LEAST_DISTINCT:
            return None, f"{len(set(greedy))} different tokens"
        prompts.append({"tokens": tokens, "greedy": greedy, "least_gap": round(gap, 5)})
    logits = [logits_of(model, prompt["tokens"] + prompt["greedy"][:-1]) for prompt in prompts]
    document = {
        "arguments": arguments,
        "architecture": model.config.architectures[0],
        "made_by": {"transformers": transformers.__version__, "torch": torch.__version__},
        "computed_in": "float32",
        "prompts": prompts,
        "logits": [{"prompt": prompt, "position": position,
                    "values": encode(logits[prompt][position])}
                   for prompt, position in LOGIT_PLACES],
        "bf16": compare_bf16(folder, prompts, logits),
    }
    if getattr(model.config, "num_mtp_layers", 0) and "deepseek-v3" in arguments:
        document["mtp"] = []
        for prompt, position in MTP_PLACES:
            values = mtp_logits(model, prompts[prompt]["tokens"])[position]
            document["mtp"].append({"prompt": prompt, "position": position,
                                    "values": encode(values)})
    return document, ""


def make(weft, like, dtype, out):
    for seed in range(1, SEEDS + 1):
        arguments = ["--like", like, "--size", "tiny", "--dtype", dtype, "--seed", str(seed)]
        with tempfile.TemporaryDirectory() as folder:
            document, reason = try_seed(weft, arguments, folder)
        if document is None:
            print(f"{like} {dtype}: seed {seed}: {reason}", file=sys.stderr)
            continue
        path = out / f"{like.replace('-', '_')}_{dtype}.json"
        path.write_text(json.dumps(document, indent=None, separators=(",", ":")) + "\n")
        gaps = [prompt["least_gap"] for prompt in document["prompts"]]
        print(f"{path}: seed {seed}, least lead {min(gaps)}, bf16 {document['bf16']}, "
              f"{path.stat().st_size} bytes")
        return
    sys.exit(f"{like} {dtype}: no seed of {SEEDS} will do")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weft", required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--like", nargs="*", default=ARCHITECTURES)
    parser.add_argument("--dtype", nargs="*", default=["f32", "bf16"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for like in options.like:
        for dtype in options.dtype:
            make(options.weft, like, dtype, options.out)


if __name__ == "__main__":
    main()
