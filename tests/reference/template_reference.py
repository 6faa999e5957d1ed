#!/usr/bin/env python3
"""Ground truth for src/model's chat templates, from jinja2 set up as transformers sets it up.

  template_reference.py make
      renders tests/reference/templates/*.jinja with a few conversations: templates/expected.jsonl.
  template_reference.py contexts FILE COUNT SEED
      writes COUNT random conversations, one JSON object a line, for a program under test.
  template_reference.py compare TEMPLATE.jinja CONTEXTS OUTPUTS
      compares what the program wrote ("OK " and a JSON string, or "ERR " and a message, a line).

Needs `jinja2` from PyPI (made with 3.1.6).
"""

import json
import pathlib
import random
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

ROOT = pathlib.Path(__file__).resolve().parent / "templates"
COUNT = 12


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body).set_lineno(line)


def environment():
    result = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    def refuse(message):
        raise jinja2.exceptions.TemplateError(message)

    result.filters["tojson"] = tojson
    result.globals["raise_exception"] = refuse
    result.globals["strftime_now"] = lambda form: __import__("datetime").datetime(
        2026, 1, 1).strftime(form)
    return result


WORDS = ["hello", "world", "<think>\nplan\n</think>\n\nanswer", " padded ", "", "quote \" ' end",
         "line\nbreak", "é", "你好", "\U0001f600", "<tool_response>x</tool_response>", "a\\b", "0"]


def text(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(4)))


def arguments(rng):
    values = [1, 2.5, -3, True, None, "x", [1, "two"], {"deep": [{}]}, 1e16, 0.1]
    return {rng.choice("abcdé"): rng.choice(values) for _ in range(rng.randrange(4))}


def message(rng):
    role = rng.choice(["user", "assistant", "assistant", "tool", "user"])
    result = {"role": role, "content": text(rng)}
    if role == "user" and rng.random() < 0.2:
        result["content"] = [{"type": rng.choice(["text", "image"]), "text": text(rng)}
                             for _ in range(rng.randrange(3))]
    if role == "assistant" and rng.random() < 0.4:
        result["content"] = rng.choice([None, text(rng)])
        result["tool_calls"] = [
            {"type": "function", "id": "c" * 9,
             "function": {"name": rng.choice(["look", "go"]), "arguments": arguments(rng)}}
            for _ in range(1 + rng.randrange(2))]
    if role == "assistant" and rng.random() < 0.3:
        result["reasoning_content"] = rng.choice([None, text(rng)])
    return result


def context(rng):
    result = {"messages": [message(rng) for _ in range(1 + rng.randrange(6))],
              "bos_token": "<s>", "eos_token": "</s>",
              "add_generation_prompt": rng.random() < 0.5, "tools": None}
    if rng.random() < 0.5:
        result["messages"].insert(0, {"role": "system", "content": text(rng)})
    if rng.random() < 0.4:
        result["tools"] = [{"type": "function", "function": {
            "name": "look", "description": text(rng),
            "parameters": {"type": "object", "properties": arguments(rng)}}}]
    if rng.random() < 0.4:
        result["enable_thinking"] = rng.random() < 0.5
    return result


def render(source, values):
    try:
        return "OK " + json.dumps(environment().from_string(source).render(**values))
    except (jinja2.exceptions.TemplateError, TypeError, ValueError) as error:
        return "ERR " + str(error)


def make():
    rng = random.Random(7)
    contexts = [context(rng) for _ in range(COUNT)]
    with open(ROOT / "expected.jsonl", "w", encoding="utf-8") as file:
        for values in contexts:
            row = {"context": values, "expected": {}}
            for path in sorted(ROOT.glob("*.jinja")):
                rendered = render(path.read_text(encoding="utf-8"), values)
                row["expected"][path.name] = (
                    json.loads(rendered[3:]) if rendered.startswith("OK ") else None)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def contexts(path, count, seed):
    rng = random.Random(seed)
    pathlib.Path(path).write_text(
        "".join(json.dumps(context(rng), ensure_ascii=False) + "\n" for _ in range(count)),
        encoding="utf-8")


def compare(template, given, outputs):
    source = pathlib.Path(template).read_text(encoding="utf-8")
    rows = pathlib.Path(given).read_text(encoding="utf-8").splitlines()
    got = pathlib.Path(outputs).read_text(encoding="utf-8").splitlines()
    wrong = refused = 0
    assert len(rows) == len(got), (len(rows), len(got))
    for row, line in zip(rows, got):
        expected = render(source, json.loads(row))
        refused += expected.startswith("ERR")
        same = expected[:3] == line[:3] and (expected.startswith("ERR") or expected == line)
        if not same:
            wrong += 1
            if wrong <= 3:
                print(f"differs: {row[:600]}\n  expected {expected}\n  found    {line}")
    print(f"{template}: {len(rows)} conversations, {refused} refused by jinja2, {wrong} differ")
    return wrong


def main():
    command, *rest = sys.argv[1:] or ["help"]
    if command == "make":
        make()
    elif command == "contexts":
        contexts(rest[0], int(rest[1]), int(rest[2]))
    elif command == "compare":
        sys.exit(1 if compare(*rest) else 0)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
