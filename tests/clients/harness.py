"""Cases of the Python suite: registered by @case, run in order, reported as GoogleTest reports, so
that tools/count_tests.awk counts them."""
import json
import os
import sys
import time
import traceback
import urllib.error
import urllib.request

import openai

CASES = []
ADDRESSES = json.loads(os.environ["WEFT_CLIENTS"])  # by server: its URL, model and folder
API_KEY = "a key of the tests"


def case(function):
    CASES.append(function)
    return function


def client(server="main", **options):
    """A client of one server that does not try again by itself."""
    settings = {"api_key": API_KEY, "max_retries": 0, "timeout": 120} | options
    return openai.OpenAI(base_url=ADDRESSES[server]["url"] + "/v1", **settings)


def model(server="main"):
    return ADDRESSES[server]["model"]


def http(path, body=None, server="main", headers=None):
    """Status, headers and text of a request without any client's help."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ADDRESSES[server]["url"] + path, data, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def user(text):
    return [{"role": "user", "content": text}]


def raises(kind, call):
    """The exception of that very class that `call` ends in."""
    try:
        call()
    except Exception as error:
        assert type(error) is kind, f"expected {kind.__name__}, got {error!r}"
        return error
    raise AssertionError(f"expected {kind.__name__}, nothing was raised")


def wait_until(condition, limit_s, what):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.01)


def main():
    wanted = sys.argv[1:]
    cases = [c for c in CASES if not wanted or any(w in c.__name__ for w in wanted)]
    print(f"[==========] Running {len(cases)} tests from the Python suite.")
    failed = 0
    for function in cases:
        name = "PythonClient." + function.__name__
        print(f"[ RUN      ] {name}", flush=True)
        start = time.monotonic()
        try:
            function()
            end = "[       OK ]"
        except Exception:
            traceback.print_exc(file=sys.stdout)
            end = "[  FAILED  ]"
            failed += 1
        print(f"{end} {name} ({1000 * (time.monotonic() - start):.0f} ms)", flush=True)
    return 1 if failed else 0
