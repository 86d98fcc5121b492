"""How much memory bodies of many shapes take: `python -m tests.memory_peaks` prints it as JSON.

A process of its own, and in it one for each body: what Python has freed stays with a process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from functools import partial

from proxy import json_codec
from translate import translate

LONG = b"x" * 3_000_000


def request(content: bytes) -> bytes:
    return b'{"model":"m","max_tokens":9,"messages":[%b]}' % content


def text(content: bytes) -> bytes:
    return request(b'{"role":"user","content":%b}' % content)


def calls(count: int) -> bytes:
    """Empty calls and their results: they take most for the bytes they have."""
    uses = b'{"type":"tool_use","id":"%d","name":"a","input":{}}'
    results = b'{"type":"tool_result","tool_use_id":"%d","content":"a"}'
    turns = (b"assistant", uses), (b"user", results)
    return b'{"role":"user","content":"x"},' + b",".join(
        b'{"role":"%b","content":[%b]}' % (role, b",".join(block % at for at in range(count)))
        for role, block in turns
    )


BODIES = {
    "ascii": text(b'"%b"' % LONG),
    "one emoji": text(b'"%b\xf0\x9f\x98\x80"' % LONG),
    "one emoji in escapes": text(rb'"%b\ud83d\ude00"' % LONG),
    "half an emoji": text(rb'"%b\ud83d"' % LONG),
    "symbols": text(b'"%b"' % ("\N{CHECK MARK}".encode() * 1_000_000)),
    "line ends": text(b'"%b"' % (rb"\n" * 1_500_000)),
    "blocks": text(b"[%b]" % b",".join([b'{"type":"text","text":"a"}'] * 60_000)),
    "calls": request(calls(30_000)),
    "junk": text(b'"x","junk":[%b]' % b",".join([b'{"":0}'] * 200_000)),
}


def send(raw: bytes) -> list[object]:
    """All that is done to a body, with everything kept."""
    body = json_codec.loads_request(bytearray(raw))
    request = translate(body, {}).request
    return [body, request, json_codec.dumps(request)]


def peak_of(run: Callable[[], object]) -> int:
    """By how many bytes a process grows."""
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(theirs, str(grown * (1 if sys.platform == "darwin" else 1024)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    with open(ours) as reader:
        return int(reader.read())


def main() -> None:
    send(text(b'"Hi"'))
    peaks = {kind: peak_of(partial(send, raw)) for kind, raw in BODIES.items()}
    print(json.dumps(peaks))


if __name__ == "__main__":
    main()
