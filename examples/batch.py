"""Answer a file of prompts, a few at a time, and go on where an earlier run has ended.

    pip install anthropic
    export ANTHROPIC_BASE_URL=http://127.0.0.1:8080 ANTHROPIC_AUTH_TOKEN=your-gemini-api-key
    python examples/batch.py prompts.jsonl answers.jsonl --workers 4

A line of prompts.jsonl: {"id": "1", "prompt": "..."}. A line of answers.jsonl: {"id", "text",
"stop_reason", "input_tokens", "output_tokens"}, written as soon as it is there. What failed is on
standard error, and is asked for again by the next run. Exit code 1: something is left to do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import anthropic

MODEL = "claude-haiku-4-5"
MAX_TOKENS = 2_000
RETRIES = 6
"""By the package, each later than the one before, and not before the server's `retry-after`."""

HOPELESS = (anthropic.AuthenticationError, anthropic.PermissionDeniedError)
"""Every other request would fail for the same reason."""


async def main() -> int:
    parser = argparse.ArgumentParser(description="Answer a file of prompts.")
    parser.add_argument("prompts", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--workers", type=int, default=4, help="requests at once")
    given = parser.parse_args()
    left = unanswered(given.prompts, answered(given.answers))
    failed: list[str] = []
    with given.answers.open("a", encoding="utf-8") as output:
        async with anthropic.AsyncAnthropic(max_retries=RETRIES) as client:
            workers = (work(client, left, output, failed) for _ in range(given.workers))
            await asyncio.gather(*workers)
    return 1 if failed else 0


def answered(path: Path) -> set[str]:
    """The ids of an earlier run's answers. Its last line is cut off where a run was killed in the
    middle of it: that one is taken away."""
    if not path.exists():
        return set()
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        path.write_bytes(whole)
    return {json.loads(line)["id"] for line in whole.splitlines()}


def unanswered(path: Path, done: set[str]) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in filter(str.strip, lines):
            task = json.loads(line)
            if task["id"] not in done:
                yield task


async def work(
    client: anthropic.AsyncAnthropic,
    left: Iterator[dict[str, Any]],
    output: IO[str],
    failed: list[str],
) -> None:
    """One of the workers: all take from the same iterator, so that no more than one line for each
    of them is read ahead."""
    for task in left:
        try:
            answer = await ask(client, task["prompt"])
        except HOPELESS as error:
            sys.exit(f"{error.status_code}: {error.message}")
        except anthropic.APIError as error:
            failed.append(task["id"])
            print(f"{task['id']}: {error.message}", file=sys.stderr)
            continue
        output.write(json.dumps({"id": task["id"], **answer}, ensure_ascii=False) + "\n")
        output.flush()


async def ask(client: anthropic.AsyncAnthropic, prompt: str) -> dict[str, Any]:
    message = await client.messages.create(
        model=MODEL, max_tokens=MAX_TOKENS, messages=[{"role": "user", "content": prompt}]
    )
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "stop_reason": message.stop_reason,
        "input_tokens": message.usage.input_tokens,
        "output_tokens": message.usage.output_tokens,
    }


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
