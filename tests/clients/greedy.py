"""At temperature 0 the server says what `weft generate` says, whatever else it is doing."""
import random
import subprocess
import threading

from harness import ADDRESSES, case, client, model, user

PROMPTS = ["Once upon a time", "The capital of France is", "a", "Say it again, and again. " * 20]
TOKENS = 40


def generated(server, prompt, *options):
    place = ADDRESSES[server]
    command = [place["program"], "generate", "--model", place["folder"], "--no-pin", "--prompt",
               prompt, "--max-tokens", str(TOKENS), "--temperature", "0", *options,
               *place["options"]]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return ended.stdout.decode()[:-1]


def chatted(server, prompt):
    answer = client(server).chat.completions.create(
        model=model(server), messages=user(prompt), max_tokens=TOKENS, temperature=0)
    return answer.choices[0].message.content, answer.usage


def completed(server, prompt):
    answer = client(server).completions.create(
        model=model(server), prompt=prompt, max_tokens=TOKENS, temperature=0)
    return answer.choices[0].text, answer.usage


EXPECTED = {}


def expected(server):
    if server not in EXPECTED:
        EXPECTED[server] = [(generated(server, p), generated(server, p, "--raw"))
                            for p in PROMPTS]
    return EXPECTED[server]


def check(server):
    for prompt, (chat, raw) in zip(PROMPTS, expected(server)):
        got, _ = chatted(server, prompt)
        assert got == chat, (prompt, got, chat)
        got, _ = completed(server, prompt)
        assert got == raw, (prompt, got, raw)


def make_noise(server, stop, failures, seed):
    rng = random.Random(seed)
    with client(server) as noisy:
        while not stop.is_set():
            try:
                noisy.completions.create(
                    model=model(server), prompt=[rng.randrange(256) for _ in range(
                        rng.choice([1, 7, 40, 120]))],
                    max_tokens=rng.choice([1, 5, 40]), temperature=rng.choice([0, 1]))
            except Exception as error:
                failures.append(error)
                return


def check_amid_others(server, others=16):
    stop, failures = threading.Event(), []
    threads = [threading.Thread(target=make_noise, args=(server, stop, failures, i))
               for i in range(others)]
    for thread in threads:
        thread.start()
    try:
        check(server)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[0]


@case
def greedy_alone():
    check("main")


@case
def greedy_amid_sixteen_others():
    check_amid_others("main")


@case
def greedy_after_prefix_hits():
    for prompt in (PROMPTS[-1], "Another that is long enough to fill blocks. " * 12):
        first, _ = completed("main", prompt)
        again, usage = completed("main", prompt)
        assert usage.prompt_tokens_details.cached_tokens > 0
        assert usage.prompt_tokens_details.cached_tokens < usage.prompt_tokens
        assert first == again == generated("main", prompt, "--raw")
        longer, usage = completed("main", prompt + "And then")
        assert usage.prompt_tokens_details.cached_tokens > 0
        assert longer == generated("main", prompt + "And then", "--raw")


@case
def greedy_with_drafts():
    check("drafts")
    place = ADDRESSES["drafts"]
    assert place["options"] == ["--draft-tokens", "1"]
    place["options"] = ["--draft-tokens", "0"]  # what the model says without them
    EXPECTED.pop("drafts", None)
    check("drafts")


@case
def greedy_with_drafts_amid_sixteen_others():
    check_amid_others("drafts")


@case
def streams_with_drafts_are_the_whole_answer():
    whole, _ = completed("drafts", PROMPTS[0])
    chunks = client("drafts").completions.create(
        model=model("drafts"), prompt=PROMPTS[0], max_tokens=TOKENS, temperature=0, stream=True,
        logprobs=0)
    said = [c for chunk in chunks for c in chunk.choices]
    assert "".join(c.text for c in said) == whole
    assert sum(len(c.logprobs.tokens) for c in said if c.logprobs) == TOKENS
