"""`make bench-cold`: build/lambda.zip beside a bare Flask app, made and started the same way.

Starts each anew behind the emulated Function URL, in turn, and prints medians from the spawn of the
process to the first byte of its answer. The ratio is the figure to watch: seconds are this
machine's.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from deploy import build_lambda, pythons
from tests.lambda_emulator.__main__ import unpack
from tests.lambda_emulator.environments import WRAPPER, Function, Settings
from tests.lambda_emulator.function_url import FunctionUrl
from tests.servers import LOCAL, ROOT

FLASK_ALONE = ("blinker", "click", "flask", "itsdangerous", "jinja2", "markupsafe", "werkzeug")
BRIDGE = ("aws/__init__", "aws/__main__", "aws/server", "aws/event", "aws/runtime_api", "config")
HELLO = """
from flask import Flask

from proxy import config
from proxy.aws import server as aws
from proxy.aws.runtime_api import Runtime

app = Flask(__name__)
app.get("/")(lambda: "Hello.")
runtime = Runtime(config.runtime_api())
while True:
    aws.serve(runtime, app)
"""


def build_hello(folder: Path) -> Path:
    """Flask, the bridge, and an app of one line."""
    wheels = build_lambda.download(ROOT / "build")
    chosen = [wheel for wheel in wheels if wheel.name.lower().startswith(FLASK_ALONE)]
    hello, wrapper = folder / "hello.py", folder / "wrapper"
    hello.write_text(HELLO)
    wrapper.write_text((ROOT / "deploy/bootstrap").read_text().replace("proxy.aws", "hello"))
    sources = {f"proxy/{name}.py": ROOT / f"proxy/{name}.py" for name in BRIDGE}
    sources |= {str(file.relative_to(ROOT)): file for file in ROOT.glob("translate/**/*.py")}
    files = {"hello.py": hello, "bootstrap": wrapper, **sources}
    return build_lambda.pack(chosen, files, folder / "hello.zip")


def cold_start(task: Path, python: str) -> float:
    """Seconds from a request that finds no process to the first byte of its answer."""
    server = FunctionUrl(Function(Settings(task, python, WRAPPER)))
    try:
        began = time.perf_counter()
        answer = LOCAL.get(server.url, timeout=60, stream=True)
        next(answer.iter_content(1))
        took = time.perf_counter() - began
        answer.close()
        answer.raise_for_status()
        return took
    finally:
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-cold")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    python = pythons.need()
    with tempfile.TemporaryDirectory() as folder:
        zips = {"ours": ROOT / "build/lambda.zip", "flask": build_hello(Path(folder))}
        size = {name: path.stat().st_size / 1e6 for name, path in zips.items()}
        tasks = {name: unpack(path, Path(folder, name)) for name, path in zips.items()}
        took: dict[str, list[float]] = {name: [] for name in zips}
        for _ in range(rounds + 1):
            for name, task in tasks.items():
                took[name].append(cold_start(task, python))
        cold = {name: statistics.median(times[1:]) * 1000 for name, times in took.items()}
    print(f"cold start  {_line(cold, 'ms', 0)}   (medians of {rounds}, in turn)")
    print(f"zip         {_line(size, 'MB', 1)}")


def _line(values: dict[str, float], unit: str, digits: int) -> str:
    ours, flask = values["ours"], values["flask"]
    texts = f"{ours:.{digits}f} {unit}   bare Flask {flask:.{digits}f} {unit}"
    return f"{texts}   ratio {ours / flask:.2f}"


if __name__ == "__main__":
    main()
