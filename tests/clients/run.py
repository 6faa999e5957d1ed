#!/usr/bin/env python3
"""Runs the suites of the official OpenAI clients against `weft serve`: installs the clients, makes
small models, starts servers on free ports, runs the suites and ends the servers by SIGTERM.
Usage: tests/clients/run.py --weft PROGRAM [--build FOLDER] [--suite python|node] [CASE ...]"""
import argparse
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
INSTALL_LIMIT_S = 180

# ChatML, and calls in the format of Hermes.
TEMPLATE = """{%- if tools %}<|im_start|>system
Tools, one JSON object a line:
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}Call one as <tool_call>
{"name": NAME, "arguments": OBJECT}
</tool_call><|im_end|>
{% endif %}{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content or '' }}{% for call in message.tool_calls or [] %}<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


class Unavailable(Exception):
    """A suite cannot run on this machine, for the reason given."""


def installed(folder, wanted, install):
    """Runs install(folder) unless the folder was made for just that text."""
    stamp = folder / "wanted"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install(folder)
    stamp.write_text(wanted)


def attempt(command, what, **options):
    try:
        done = subprocess.run(command, capture_output=True, timeout=INSTALL_LIMIT_S, text=True,
                              stdin=subprocess.DEVNULL, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{what}: {error}") from None
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise Unavailable(f"{what}: {last[-1]}")


def python_suite(build):
    requirements = HERE / "requirements.txt"
    folder = build / "python"

    def install(folder):
        attempt([sys.executable, "-m", "venv", folder / "venv"], "python3 -m venv does not work")
        attempt([folder / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check",
                 "--retries", "1", "--timeout", "10", "-r", requirements], "pip could not install openai")
    installed(folder, requirements.read_text(), install)
    return [folder / "venv/bin/python", "-B", HERE / "suite.py"]


def node_suite(build):
    package = HERE / "node/package.json"
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable(f"no {program} here: apt-get install nodejs npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(re.match(r"v(\d+)", version).group(1)) < 18:
        raise Unavailable(f"node: found {version.strip()}, expected v18 or later")
    folder = build / "node"

    def install(folder):
        shutil.copy(package, folder)
        attempt(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock",
                 "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=20000"],
                "npm could not install openai", cwd=folder)
    installed(folder, package.read_text(), install)
    for source in (HERE / "node").glob("*.mjs"):  # beside node_modules, where imports look
        shutil.copy(source, folder)
    return ["node", folder / "suite.mjs"]


class Server:
    """One `weft serve`: started here, its port read from what it prints, ended by stop()."""

    def __init__(self, weft, folder, name, *options):
        self.name, self.stderr = name, tempfile.TemporaryFile("w+")
        command = [weft, "serve", "--model", folder, "--port", "0", "--threads", "1", "--no-pin",
                   "--kv-mib", "64", "--served-model-name", name, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.stderr,
                                        text=True)
        self.url = None
        for line in self.process.stdout:
            if line.startswith("weft serves ") and " on " in line:
                self.url = line.rsplit(" on ", 1)[1].strip()
                break
        if self.url is None:
            raise SystemExit(f"weft serve did not start: {self.errors()}")

    def errors(self):
        self.stderr.seek(0)
        return self.stderr.read().strip()

    def stop(self):
        """Why it did not end as it should, or None."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return f"{self.name}: still running 20 s after SIGTERM"
        return None if code == 0 else f"{self.name}: exit code {code}: {self.errors()}"


def make_model(weft, folder, like, *options):
    subprocess.run([weft, "model", "init", "--like", like, "--out", folder, *options], check=True,
                   stdout=subprocess.DEVNULL)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {"chat_template": TEMPLATE}
    path.write_text(json.dumps(config))
    return folder


def start_servers(weft, scratch, servers):
    """Appends to `servers` as they start; returns what the suites have to know of each."""
    plain = make_model(weft, scratch / "plain", "qwen3", "--context", "32768")
    drafts = make_model(weft, scratch / "drafts", "deepseek-v3")
    wanted = {
        "main": (plain, "tiny", [], []),
        "keyed": (plain, "keyed", ["--api-key", "another key", "--api-key", "a key of the tests"],
                  []),
        "narrow": (plain, "narrow", ["--max-sequences", "1", "--max-waiting", "1"], []),
        "drafts": (drafts, "tiny/with drafts", [], ["--draft-tokens", "1"]),
    }
    addresses = {}
    for key, (folder, name, options, shared) in wanted.items():
        servers.append(Server(weft, folder, name, *options, *shared))
        addresses[key] = {"url": servers[-1].url, "model": name, "folder": str(folder),
                          "program": str(weft), "options": shared}
    return addresses


def case(name, failure=None, skipped=None):
    """One case of this script's own, as GoogleTest would report it."""
    print(f"[ RUN      ] {name}")
    if skipped:
        print(f"{name}: Skipped\n{skipped}\n[  SKIPPED ] {name} (0 ms)", flush=True)
    elif failure:
        print(f"{failure}\n[  FAILED  ] {name} (0 ms)", flush=True)
    else:
        print(f"[       OK ] {name} (0 ms)", flush=True)
    return bool(failure)


def run_suite(name, command, addresses, cases):
    environment = os.environ | {"WEFT_CLIENTS": json.dumps(addresses)}
    for variable in ("http_proxy", "https_proxy", "all_proxy", "OPENAI_BASE_URL"):
        environment.pop(variable, None), environment.pop(variable.upper(), None)
    start = time.monotonic()
    code = subprocess.run([*command, *cases], env=environment).returncode
    print(f"the {name} suite took {time.monotonic() - start:.1f} s", flush=True)
    return code != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weft", required=True, type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build/clients")
    parser.add_argument("--suite", choices=["python", "node"])
    parser.add_argument("cases", nargs="*", help="parts of names; none: every case")
    options = parser.parse_args()
    options.build.mkdir(parents=True, exist_ok=True)
    suites, failed = {}, False
    print("[==========] Running the OpenAI clients.", flush=True)
    with open(options.build / "lock", "w") as lock:  # two builds share the installed clients
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, prepare in (("python", python_suite), ("node", node_suite)):
            if options.suite in (None, name):
                try:
                    suites[name] = prepare(options.build)
                except Unavailable as reason:
                    case(f"Clients.{name}", skipped=str(reason))
        with tempfile.TemporaryDirectory(prefix="weft-clients-") as scratch:
            servers = []
            try:
                addresses = start_servers(options.weft.resolve(), pathlib.Path(scratch), servers)
                for name, command in suites.items():
                    failed |= run_suite(name, command, addresses, options.cases)
                for server in servers:
                    failed |= case(f"Clients.{server.name}_ends_by_SIGTERM".replace(" ", "_"),
                                   server.stop())
            finally:
                for server in servers:
                    server.process.kill()  # passed over where it has ended
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
