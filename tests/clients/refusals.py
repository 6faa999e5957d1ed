"""What is refused, in the client's own exceptions; what is given up; what operators ask."""
import json
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import openai
from prometheus_client.parser import text_string_to_metric_families

from harness import ADDRESSES, API_KEY, case, client, http, model, raises, user, wait_until


def ask(server="main", **fields):
    with client(server) as asked:
        return asked.chat.completions.create(
            **({"model": model(server), "messages": user("Hello"), "max_tokens": 4} | fields))


def metric(name, server="main"):
    families = text_string_to_metric_families(http("/metrics", server=server)[2])
    return sum(s.value for family in families for s in family.samples if s.name == name)


def is_idle(server="main"):
    return (metric("vllm:num_requests_running", server) == 0
            and metric("vllm:num_requests_waiting", server) == 0
            and metric("vllm:kv_cache_usage_perc", server) == 0)


@case
def keys_are_asked_for():
    with client("keyed", api_key="another") as wrong:
        error = raises(openai.AuthenticationError, lambda: wrong.models.list())
    assert error.status_code == 401 and error.code == "invalid_api_key"
    assert ask("keyed").choices
    for path, body in (("/v1/models", None), ("/tokenize", {"prompt": "a"}),
                       ("/v1/completions", {"prompt": "a"})):
        assert http(path, body, "keyed")[0] == 401, path
    assert http("/health", server="keyed")[0] == 200
    assert http("/tokenize", {"prompt": "a"}, "keyed",
                {"Authorization": f"Bearer {API_KEY}"})[0] == 200


@case
def unknown_models_and_paths_are_not_found():
    error = raises(openai.NotFoundError, lambda: ask(model="gpt-none"))
    assert error.code == "model_not_found" and "gpt-none" in error.message
    raises(openai.NotFoundError, lambda: client().models.retrieve("gpt-none"))
    error = raises(openai.NotFoundError,
                   lambda: client().responses.create(model=model(), input="Hello"))
    assert "/v1/responses" in error.message
    raises(openai.NotFoundError, lambda: client().embeddings.create(model=model(), input="a"))
    assert http("/v1/chat/completions")[0] == 405


@case
def wrong_fields_are_bad_requests():
    wrong = [
        ({"temperature": "hot"}, "temperature"), ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"), ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": 0}, "n"), ({"n": 1000}, "n"), ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"), ({"stop": 7}, "stop"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"logit_bias": {"x": 1}}, "logit_bias"), ({"stream": "yes"}, "stream"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"), ({"tools": [{"type": "x"}]}, "tools"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {
            "url": "data:,"}}]}]}, "messages"),
    ]
    for fields, param in wrong:
        error = raises(openai.BadRequestError, lambda fields=fields: ask(extra_body=fields))
        assert error.type == "invalid_request_error", fields
        assert (error.param or "").startswith(param), (fields, error.param)
        assert error.message and error.request_id


@case
def bodies_that_are_no_requests_are_bad():
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"messages": \x00}'):
        request = urllib.request.Request(ADDRESSES["main"]["url"] + "/v1/chat/completions", body)
        try:
            urllib.request.urlopen(request, timeout=20)
            raise AssertionError(f"{body[:20]!r} was taken")
        except urllib.error.HTTPError as error:
            assert error.code == 400, (body[:20], error.code)
            assert json.loads(error.read())["error"]["param"], body[:20]


@case
def a_context_too_long_says_so():
    error = raises(openai.BadRequestError, lambda: ask(messages=user("word " * 60_000)))
    assert error.code == "context_length_exceeded"
    error = raises(openai.BadRequestError, lambda: ask(max_tokens=10_000_000))
    assert error.code == "context_length_exceeded"


@case
def a_full_queue_is_rate_limited():
    def one(_):
        try:
            return ask("narrow", max_tokens=1500, extra_body={"ignore_eos": True})
        except openai.RateLimitError as error:
            return error
    with ThreadPoolExecutor(12) as pool:
        ends = list(pool.map(one, range(12)))
    refused = [e for e in ends if isinstance(e, openai.RateLimitError)]
    assert 1 <= len(refused) < 12, len(refused)
    assert refused[0].code == "rate_limit_exceeded"
    assert refused[0].response.headers["retry-after"] == "1"
    for _ in range(3):  # more choices than there is room for: all or nothing
        raises(openai.RateLimitError, lambda: ask("narrow", n=8, max_tokens=1500))
        raises(openai.RateLimitError, lambda: ask("narrow", n=8, max_tokens=1500, stream=True))
    wait_until(lambda: is_idle("narrow"), 2, "narrow is idle")
    assert metric("weft:sequences_rejected_total", "narrow") >= len(refused)
    assert ask("narrow").choices


@case
def a_client_that_tries_again_gets_through():
    def one(_):
        with client("narrow", max_retries=20) as patient:
            return patient.chat.completions.create(
                model=model("narrow"), messages=user("Hello"), max_tokens=400,
                extra_body={"ignore_eos": True}).usage.completion_tokens
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(one, range(6))) == [400] * 6


@case
def a_stream_that_is_closed_is_cancelled():
    gone = metric("weft:clients_hung_up_total")
    asked = client()
    for streams in (1, 5):
        open_streams = [asked.chat.completions.create(
            model=model(), messages=user("Hello"), stream=True, max_tokens=30_000,
            extra_body={"ignore_eos": True}) for _ in range(streams)]
        for stream in open_streams:
            for _, chunk in zip(range(3), stream):
                assert chunk.choices
        assert not is_idle()
        for stream in open_streams:
            stream.close()
        wait_until(is_idle, 2, "running 0, blocks free")
    assert metric("weft:clients_hung_up_total") == gone + 6


@case
def a_call_that_times_out_is_cancelled():
    with client(timeout=0.3) as hasty:
        raises(openai.APITimeoutError, lambda: hasty.completions.create(
            model=model(), prompt="a", max_tokens=30_000, n=2, extra_body={"ignore_eos": True}))
    wait_until(is_idle, 2, "running 0, blocks free")


@case
def models_are_listed_and_found():
    for server in ("main", "drafts"):
        listed = client(server).models.list().data
        assert [m.id for m in listed] == [model(server)] and listed[0].object == "model"
        assert client(server).models.retrieve(model(server)).id == model(server)


@case
def texts_become_tokens_and_texts_again():
    for text in ("Hello there", "  two  blanks\n", "naïve — 東京 🚀", "", "<|im_end|>"):
        status, _, body = http("/tokenize", {"prompt": text, "model": model()})
        answer = json.loads(body)
        assert status == 200 and answer["count"] == len(answer["tokens"]), text
        status, _, body = http("/detokenize", {"tokens": answer["tokens"]})
        assert (status, json.loads(body)["prompt"]) == (200, text)
    chat = json.loads(http("/tokenize", {"messages": user("Hello")})[2])
    assert chat["count"] == ask().usage.prompt_tokens
    assert http("/detokenize", {"tokens": [10_000_000]})[0] == 400
    assert http("/tokenize", {"prompt": 5})[0] == 400


@case
def health_and_readiness():
    for path in ("/health", "/ready"):
        status, headers, _ = http(path)
        assert status == 200 and headers["x-request-id"]


@case
def requests_have_ids():
    _, headers, _ = http("/v1/models", headers={"X-Request-Id": "mine-1"})
    assert headers["x-request-id"] == "mine-1"
    answers = [ask(), ask()]
    assert len({a._request_id for a in answers}) == len({a.id for a in answers}) == 2
    raw = client().chat.completions.with_raw_response.create(
        model=model(), messages=user("Hello"), max_tokens=1, extra_headers={"X-Request-Id": "m2"})
    assert raw.headers["x-request-id"] == "m2" and raw.parse().choices


@case
def metrics_count_what_was_done():
    names = ("vllm:generation_tokens_total", "vllm:prompt_tokens_total",
             "vllm:time_to_first_token_seconds_count", "vllm:e2e_request_latency_seconds_count",
             "vllm:request_success_total")
    before = {name: metric(name) for name in names}
    usage = ask(max_tokens=6, extra_body={"ignore_eos": True}).usage
    after = {name: metric(name) - before[name] for name in names}
    assert list(after.values()) == [6, usage.prompt_tokens, 1, 1, 1], after
    for family in text_string_to_metric_families(http("/metrics")[2]):
        assert family.documentation and family.type in ("gauge", "counter", "histogram")
        assert all(s.labels["model_name"] == model() for s in family.samples)


@case
def a_stop_string_frees_its_sequence():
    first = ask(max_tokens=1, temperature=0).choices[0].message.content
    start = time.monotonic()
    answer = ask(max_tokens=30_000, temperature=0, stop=[first[:1]],
                 extra_body={"ignore_eos": True})
    assert answer.choices[0].finish_reason == "stop" and time.monotonic() - start < 2
    wait_until(is_idle, 2, "running 0, blocks free")


@case
def others_are_answered_while_one_asks_for_masks():
    """A costly schema of one client does not hold up another's short request for long."""
    schema = {"type": "object", "additionalProperties": False, "required": ["a"], "properties": {
        "a": {"type": "array", "items": {"type": "string", "pattern": "^([a-z]{2,9}[0-9]?)+$",
                                         }, "minItems": 3, "maxItems": 9}}}
    done = threading.Event()

    def hold():
        ask(max_tokens=300, temperature=1, response_format={
            "type": "json_schema", "json_schema": {"name": "s", "schema": schema}})
        done.set()
    thread = threading.Thread(target=hold)
    thread.start()
    start = time.monotonic()
    ask(max_tokens=2)
    took = time.monotonic() - start
    thread.join()
    assert done.is_set() and took < 5, took
