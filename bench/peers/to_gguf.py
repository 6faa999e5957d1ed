#!/usr/bin/env python3
"""Writes a checkpoint of `weft model init` as a GGUF file, so that llama.cpp and its forks run the
same shape. Qwen3 and Qwen3-MoE, weights in BF16.

Usage: to_gguf.py CHECKPOINT OUT.gguf        (needs numpy and gguf, from PyPI)
"""

import json
import pathlib
import struct
import sys

import gguf
import numpy as np

LAYER = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
    "mlp.gate.weight": "ffn_gate_inp.weight",
}
OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
EXPERTS = {"gate_proj": "ffn_gate_exps", "up_proj": "ffn_up_exps", "down_proj": "ffn_down_exps"}


def read_tensors(folder):
    """Name -> BF16 bits [shape]; F32 vectors stay F32."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = np.memmap(path, np.uint8, "r")
        length = struct.unpack("<Q", data[:8].tobytes())[0]
        header = json.loads(data[8 : 8 + length].tobytes())
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            if entry["dtype"] != "BF16":
                sys.exit(f"{path}: {name}: found {entry['dtype']}, expected BF16")
            tensors[name] = data[begin:end].view(np.uint16).reshape(entry["shape"])
    return tensors


def widen(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def add(writer, name, bits):
    if bits.ndim == 1 or name.endswith("ffn_gate_inp.weight"):
        writer.add_tensor(name, widen(bits))
    else:
        bytes_ = np.ascontiguousarray(bits).view(np.uint8)
        writer.add_tensor(name, bytes_, raw_dtype=gguf.GGMLQuantizationType.BF16)


def add_tensors(writer, config, tensors):
    for name, target in OUTER.items():
        if name in tensors:
            add(writer, target, tensors[name])
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for name, target in LAYER.items():
            if prefix + name in tensors:
                add(writer, f"blk.{layer}.{target}", tensors[prefix + name])
        for name, target in EXPERTS.items():
            parts = [
                tensors[f"{prefix}mlp.experts.{e}.{name}.weight"]
                for e in range(config.get("num_experts", 0))
            ]
            if parts:
                add(writer, f"blk.{layer}.{target}.weight", np.stack(parts))


def add_tokenizer(writer, folder, vocab):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())["model"]
    tokens = [f"[unused{i}]" for i in range(vocab)]
    types = [gguf.TokenType.UNUSED] * vocab
    for token, index in tokenizer["vocab"].items():
        tokens[index] = token
        types[index] = gguf.TokenType.NORMAL
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)


def add_shape(writer, config, architecture):
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    if architecture == "qwen3moe":
        writer.add_expert_count(config["num_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(config["moe_intermediate_size"])


def main():
    folder, out = pathlib.Path(sys.argv[1]), sys.argv[2]
    config = json.loads((folder / "config.json").read_text())
    names = {"Qwen3ForCausalLM": "qwen3", "Qwen3MoeForCausalLM": "qwen3moe"}
    architecture = names.get(config["architectures"][0])
    if architecture is None:
        sys.exit(f"{folder}: found {config['architectures'][0]}, expected one of {list(names)}")
    writer = gguf.GGUFWriter(out, architecture)
    add_shape(writer, config, architecture)
    add_tokenizer(writer, folder, config["vocab_size"])
    add_tensors(writer, config, read_tensors(folder))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
