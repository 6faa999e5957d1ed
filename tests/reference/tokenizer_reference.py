#!/usr/bin/env python3
"""Ground truth for src/model's tokenizer, from Hugging Face's own.

  tokenizer_reference.py make
      trains a small tokenizer with each family's pre-tokenizer, writes it to tests/reference/tokenizers
      and, for every line of the corpus, a hash of the ids that `tokenizers` gives.
  tokenizer_reference.py inputs TOKENIZER.json FILE COUNT SEED
      writes COUNT random texts, each behind its length in 4 bytes, for a program under test.
  tokenizer_reference.py compare TOKENIZER.json INPUTS OUTPUTS
      compares what the program wrote (count, ids, length, decoded text for each) with `tokenizers`.

Needs `tokenizers` from PyPI (made with 0.23.3). The corpus comes from a generator that the C++ test
repeats, so only hashes are kept.
"""

import json
import pathlib
import struct
import sys

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parent / "tokenizers"
LINES = 1000
SEED = 20260101
VOCAB = 640

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK_V3 = ("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?"
               "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+")


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def byte_level(**options):
    return pre_tokenizers.ByteLevel(**{"add_prefix_space": False, "use_regex": False, **options})


FAMILIES = {
    "gpt2": lambda: byte_level(use_regex=True),
    "llama3": lambda: pre_tokenizers.Sequence(
        [split(CONTRACTIONS + WORDS + r"\p{N}{1,3}" + REST), byte_level()]),
    "qwen2": lambda: pre_tokenizers.Sequence(
        [split(CONTRACTIONS + WORDS + r"\p{N}" + REST), byte_level()]),
    "deepseek_v2": lambda: pre_tokenizers.Sequence(
        [split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"),
         split("[一-龥ࠀ-一가-퟿]+"), pre_tokenizers.Digits(individual_digits=True), byte_level()]),
    "deepseek_v3": lambda: pre_tokenizers.Sequence(
        [split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK_V3), byte_level()]),
}

# The generator, repeated in src/model/tokenizer_reference_test.cpp. Ranges of characters that have
# long been assigned: libraries differ in the Unicode version they know.
RANGES = [
    (0x61, 0x7A), (0x61, 0x7A), (0x41, 0x5A), (0x30, 0x39), (0x21, 0x2F), (0x3A, 0x40),
    (0x5B, 0x60), (0x7B, 0x7E), (0x09, 0x0D), (0x00, 0x1F), (0x7F, 0xA0), (0xA1, 0xFF),
    (0x100, 0x17F), (0x300, 0x34F), (0x3B1, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA),
    (0x621, 0x64A), (0x660, 0x669), (0x915, 0x939), (0xE01, 0xE2E), (0x1100, 0x1112),
    (0x1161, 0x1175), (0x1E00, 0x1EFF), (0x2000, 0x200F), (0x2010, 0x2027), (0x2028, 0x202F),
    (0x2070, 0x2071), (0x2160, 0x2188), (0x2200, 0x22FF), (0x3000, 0x303F), (0x3041, 0x3096),
    (0x30A1, 0x30FA), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xFF01, 0xFF5E), (0xFB00, 0xFB06),
    (0x1D400, 0x1D454), (0x1F600, 0x1F64F), (0x20000, 0x2A6D6),
]
PHRASES = [" the", " of", "ing", "don't", "I'LL", "we've", "'s", " ", "  ", "    ", "\n", "\r\n",
           "\n\n", " \n", "\t", "3.14", "2026", "1234567", "<|endoftext|>", "<|im_start|>",
           "<|im_end|>", "<tool>", "<wide>", "<word>", "a<word>", "e\u0301", "\u1100\u1161\u11a8",
           "\ufb01", "hello", "world", "Hello", "_", "==", "://", "...", "\u4f60\u597d",
           "\u3053\u3093\u306b\u3061\u306f", "\U0001f468\u200d\U0001f469"]


class Generator:
    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % bound

    def text(self):
        parts = []
        for _ in range(self.below(10)):
            if self.below(2) == 0:
                parts.append(PHRASES[self.below(len(PHRASES))])
                continue
            first, last = RANGES[self.below(len(RANGES))]
            for _ in range(1 + self.below(5)):
                parts.append(chr(first + self.below(last - first + 1)))
        return "".join(parts)


def fnv(ids):
    result = 0x811C9DC5
    for byte in struct.pack(f"<{len(ids)}I", *ids):
        result = (result ^ byte) * 0x01000193 % 2**32
    return result


def added(content, **flags):
    return tokenizers.AddedToken(content, **{"normalized": False, **flags})


def train(family):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = FAMILIES[family]()
    tokenizer.decoder = decoders.ByteLevel()
    if family == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    generator = Generator(SEED + 1)
    texts = [generator.text() for _ in range(4000)]
    texts += ["the quick brown fox jumps over the lazy dog, don't it? " * 3] * 50
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCAB, show_progress=False, min_frequency=1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens([added("<|endoftext|>", special=True),
                                  added("<|im_start|>", special=True),
                                  added("<|im_end|>", special=True)])
    tokenizer.add_tokens([added("<tool>", normalized=True), added("<wide>", lstrip=True, rstrip=True),
                          added("<word>", single_word=True)])
    document = json.loads(tokenizer.to_str())
    bos = tokenizer.token_to_id("<|endoftext|>")
    if family == "llama3":
        document["model"]["ignore_merges"] = True
        document["post_processor"] = json.loads(tokenizers.Tokenizer.to_str(with_bos(bos)))[
            "post_processor"]
    if family in ("gpt2", "deepseek_v2"):  # the older spelling of merges
        document["model"]["merges"] = [" ".join(pair) for pair in document["model"]["merges"]]
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def with_bos(bos):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(),
        processors.TemplateProcessing("<|endoftext|> $A", special_tokens=[("<|endoftext|>", bos)])])
    return tokenizer


def make():
    ROOT.mkdir(exist_ok=True)
    expected = {}
    for family in FAMILIES:
        document = train(family)
        (ROOT / f"{family}.json").write_text(document, encoding="utf-8")
        tokenizer = tokenizers.Tokenizer.from_str(document)
        generator = Generator(SEED)
        hashes = [fnv(tokenizer.encode(generator.text()).ids) for _ in range(LINES)]
        expected[family] = hashes
    (ROOT / "expected.txt").write_text("".join(
        f"{family} {''.join(f'{value:08x}' for value in hashes)}\n"
        for family, hashes in expected.items()))


def inputs(path, count, seed):
    generator = Generator(seed)
    with open(path, "wb") as file:
        for _ in range(count):
            text = generator.text().encode()
            file.write(struct.pack("<I", len(text)) + text)


def read_block(data, at, size=1):
    count, = struct.unpack_from("<I", data, at)
    return data[at + 4:at + 4 + count * size], at + 4 + count * size


def compare(tokenizer_path, inputs_path, outputs_path):
    tokenizer = tokenizers.Tokenizer.from_file(tokenizer_path)
    given = pathlib.Path(inputs_path).read_bytes()
    got = pathlib.Path(outputs_path).read_bytes()
    at_given = at_got = texts = tokens = wrong = 0
    while at_given < len(given):
        text, at_given = read_block(given, at_given)
        ids, at_got = read_block(got, at_got, 4)
        decoded, at_got = read_block(got, at_got)
        ids = list(struct.unpack(f"<{len(ids) // 4}I", ids))
        text = text.decode("utf-8", errors="replace")
        expected = tokenizer.encode(text).ids
        expected_text = tokenizer.decode(expected, skip_special_tokens=False)
        texts += 1
        tokens += len(expected)
        if ids != expected or decoded.decode() != expected_text:
            wrong += 1
            if wrong <= 5:
                print(f"differs: {text!r}\n  expected {expected}\n  found    {ids}\n  "
                      f"expected {expected_text!r}\n  found    {decoded.decode()!r}")
    print(f"{tokenizer_path}: {texts} texts, {tokens} tokens, {wrong} differ")
    return wrong


def main():
    command, *arguments = sys.argv[1:] or ["help"]
    if command == "make":
        make()
    elif command == "inputs":
        inputs(arguments[1], int(arguments[2]), int(arguments[3]))
    elif command == "compare":
        sys.exit(1 if compare(*arguments) else 0)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
