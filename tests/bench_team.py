"""`make bench-team`: what counting a team's use costs, per store, beside a server that does not.

All servers run at once and are asked in turn. "added" is what a request waits beyond Gemini: from
the request's last byte until Gemini has it, and from Gemini's first text until that is here. CPU is
the server's. The ratios are the figures to watch: milliseconds are this machine's. Needs Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from proxy.team import tokens
from proxy.team.tokens import Token
from tests import servers
from tests.servers import PROXY, serving
from tests.team_dynamodb import REGION, TABLE, Dynamo
from tests.team_firestore import Firestore
from tests.team_stores import SECRET

PLANS = """
[plans.standard]
requests_per_minute = 100_000
open_streams = 100
usd_per_day = 100_000
usd_per_month = 100_000
[groups.core]
usd_per_month = 100_000
"""
"""The limits of README's example, with room for all that is asked here."""

DELAYS_MS = {"dynamodb": 8, "firestore": 10}
"""What a call takes at least: what they take from a machine in their region."""

CHUNKS = 10
BODY = json.dumps(
    {
        "model": "claude-opus-5",
        "max_tokens": 1_000,
        "stream": True,
        "messages": [{"role": "user", "content": "Hi. " * 500}],
    }
).encode()
STAMP = re.compile(rb"@([\d.]+) ([\d.]+)@")


class Measured(NamedTuple):
    """Of one request, in milliseconds. calls: to the store."""

    added: float
    cpu: float
    calls: float


class QuietHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """One packet for what is flushed together."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def listening(handler: type[QuietHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def gemini(first_ms: float) -> type[QuietHandler]:
    """Its first text tells when it had the request, and when the text was written."""

    class Gemini(QuietHandler):
        def do_POST(self) -> None:
            self.body()
            received = time.perf_counter()
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            time.sleep(first_ms / 1_000)
            self.chunk(f"@{received} {time.perf_counter()}@")
            for number in range(CHUNKS - 2):
                self.chunk(f"{number}, ")
            self.chunk("end.", finishReason="STOP")
            self.wfile.write(b"0\r\n\r\n")

        def chunk(self, text: str, **more: Any) -> None:
            content = {"role": "model", "parts": [{"text": text}]}
            used = {"promptTokenCount": 900, "candidatesTokenCount": 20, "totalTokenCount": 920}
            data = {"candidates": [{"content": content, **more}], "usageMetadata": used}
            line = f"data: {json.dumps(data)}\r\n\r\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()

    return Gemini


class Delay:
    """In front of a store: no call is answered earlier. calls: how many there were."""

    def __init__(self, host: str, milliseconds: float) -> None:
        self.calls = 0
        delay, local = self, threading.local()

        class Forward(QuietHandler):
            def do_POST(self) -> None:
                begun = time.perf_counter()
                if not hasattr(local, "connection"):
                    local.connection = http.client.HTTPConnection(host)
                local.connection.request("POST", self.path, self.body(), dict(self.headers))
                answer = local.connection.getresponse()
                content = answer.read()
                delay.calls += 1
                time.sleep(max(0, milliseconds / 1_000 - (time.perf_counter() - begun)))
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self.handler = Forward


class Target:
    """A server that runs. delay: in front of its store, if any."""

    def __init__(self, name: str, url: str, token: str, delay: Delay | None) -> None:
        self.name = name
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)
        self._process = servers.started[-1].pid
        self._headers = {"x-api-key": token, "Content-Type": "application/json"}
        self._delay = delay

    def measure(self, count: int) -> list[Measured]:
        """Of as many requests, one after the other; all have the mean CPU and calls."""
        self._connection.close()  # the server did so when nothing came
        self._request()
        cpu, calls = self._cpu(), self._calls()
        added = [self._request() for _ in range(count)]
        time.sleep(0.05)  # what a server does after its last byte
        cpu, calls = (self._cpu() - cpu) / count, (self._calls() - calls) / count
        return [Measured(each, cpu, calls) for each in added]

    def _request(self) -> float:
        self._connection.request("POST", "/v1/messages", BODY, self._headers)
        sent = time.perf_counter()
        answer = self._connection.getresponse()
        found = None
        while found is None:
            line = answer.readline()
            assert line, f"{self.name}: no text, status {answer.status}"
            here, found = time.perf_counter(), STAMP.search(line)
        rest = answer.read()
        assert b"message_stop" in rest, rest
        received, written = map(float, found.groups())
        return (received - sent + here - written) * 1_000

    def _cpu(self) -> float:
        """Milliseconds, of all its processes."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = path.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self._process:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks * 10.0

    def _calls(self) -> int:
        return self._delay.calls if self._delay else 0


@contextlib.contextmanager
def targets(folder: Path, first_ms: float) -> Iterator[list[Target]]:
    now = int(time.time())
    person = Token(("t1",), "alice", "standard", now - 60, now + 86_400, "core")
    token = tokens.create(person, SECRET)
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(listening(gemini(first_ms)))
        delays = {n: Delay(host, DELAYS_MS[n]) for n, host in clouds(folder, stack).items()}
        hosts = {n: stack.enter_context(listening(each.handler)) for n, each in delays.items()}
        found = []
        for name, environ in environs(folder, hosts).items():
            common = {"GEMINI_ENDPOINT": f"http://{upstream}", "GEMINI_API_KEY": "key"}
            url = stack.enter_context(serving(PROXY, {**common, **environ}))
            presented = token if "PROXY_SECRET" in environ else SECRET
            found.append(Target(name, url, presented, delays.get(name)))
        yield found


def clouds(folder: Path, stack: contextlib.ExitStack) -> dict[str, str]:
    """Where moto's DynamoDB and Firestore's emulator are: host and port."""
    dynamo = Dynamo(folder)
    stack.callback(dynamo.close)
    url = stack.enter_context(dynamo.serve())
    return {"dynamodb": urlsplit(url).netloc, "firestore": Firestore(folder).emulator}


def environs(folder: Path, hosts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Name of a target -> its settings."""
    team = {"PROXY_SECRET": SECRET, "PROXY_PLANS": PLANS}
    aws = {
        "AWS_ENDPOINT_URL": f"http://{hosts['dynamodb']}",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "PROXY_STORE": f"dynamodb://{TABLE}",
    }
    google = {
        "FIRESTORE_EMULATOR_HOST": hosts["firestore"],
        "PROXY_STORE": "firestore://demo-team/bench",
    }
    return {
        "no plan": {"PROXY_TOKEN": SECRET},
        "no store": team,
        "sqlite": {**team, "PROXY_STORE": f"sqlite://{folder}/team.sqlite"},
        "dynamodb": {**team, **aws},
        "firestore": {**team, **google},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-team")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=50, help="of each target in a round")
    parser.add_argument("--gemini-ms", type=float, default=50, help="until Gemini's first text")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        servers.output = Path(folder)
        with targets(Path(folder), given.gemini_ms) as running:
            measured: dict[str, list[Measured]] = {each.name: [] for each in running}
            for each in running:
                each.measure(given.requests)  # imports, connections, first reads
            for number in range(given.rounds):
                first = number % len(running)
                for each in running[first:] + running[:first]:
                    measured[each.name] += each.measure(given.requests)
    print_table(measured)


def print_table(measured: dict[str, list[Measured]]) -> None:
    print(f"{'':10}{'CPU':>10}{'ratio':>7}{'added p50':>12}{'p90':>9}{'more':>9}{'calls':>7}")
    middle = {
        name: Measured(*map(statistics.median, zip(*values, strict=True)))
        for name, values in measured.items()
    }
    plain = middle["no plan"]
    for name, each in middle.items():
        p90 = statistics.quantiles([one.added for one in measured[name]], n=10)[-1]
        print(
            f"{name:10}{each.cpu:7.2f} ms{each.cpu / plain.cpu:7.2f}{each.added:9.2f} ms"
            f"{p90:6.2f} ms{each.added - plain.added:+6.2f} ms{each.calls:7.1f}"
        )


if __name__ == "__main__":
    main()
