"""What every family of tools/measurements.py is made of: cases, their text, tables as rows."""

import csv
import gzip
import json

FP8 = {"weights": "fp8", "activations": "fp8", "kv": "bf16"}
FP8_KV8 = {"weights": "fp8", "activations": "fp8", "kv": "fp8"}
FP8_BLOCK = {**FP8, "block_scales": True}
BF16 = {"weights": "bf16", "activations": "bf16", "kv": "bf16"}
FP4 = {"weights": "fp4", "activations": "bf16", "kv": "bf16"}
INT4 = {"weights": "int4", "activations": "bf16", "kv": "bf16"}


def number(value):
    """As short as it is exact to six digits."""
    if isinstance(value, int):
        return str(value)
    text = f"{value:.6g}"
    return text if "e" not in text else str(round(value))


def value_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {value_text(v)}" for k, v in value.items()) + " }"
    return number(value)


def case_text(case):
    lines = ["[[case]]"]
    for key, value in case.items():
        if key != "published" and value is not None:
            lines.append(f"{key} = {value_text(value)}")
    lines.append("[case.published]")
    lines += [f"{k} = {number(v)}" for k, v in case["published"].items() if v]
    return "\n".join(lines) + "\n"


def write(folder, name, head, family, source, grade, cases):
    ids = [case["id"] for case in cases]
    assert len(ids) == len(set(ids)), f"{name}: an id twice"
    text = "".join(f"# {line}\n" for line in head)
    text += "# Written by tools/measurements.py.\n"
    text += f'family = "{family}"\nsource = {value_text(source)}\ngrade = "{grade}"\n\n'
    (folder / f"{name}.toml").write_text(text + "\n".join(map(case_text, cases)))
    print(f"{name}.toml: {len(cases)} cases")


def parallel(tp=1, dp=1, ep=1, pp=1):
    return {"dp": dp, "tp": tp, "ep": ep, "pp": pp}


def serve(case_id, note, hardware, model, devices, layout, precision, engine, **rest):
    return {"id": case_id, "note": note or None, "hardware": hardware, "model": model,
            "phase": "serve", "devices": devices, "parallel": layout, "precision": precision,
            "engine": engine, **rest}


def rows_of(path):
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    with opened as lines:
        return list(csv.DictReader(lines))


def uniform(most):
    return {"dist": "uniform", "min": int(0.8 * most), "max": most}
