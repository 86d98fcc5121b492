"""The real client lives through Gemini's failures: two versions of it, at the same time."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import servers
from tests.e2e.claude_code import VERSIONS, ClaudeCode, Run
from tests.messages import MARKER
from tests.servers import Emulator

pytestmark = pytest.mark.e2e

PROMPT = f"Say hello, {MARKER}."
HELLO = {"chunks": [{"text": "Hello "}, {"text": "there."}, {"sign": True}]}
SILENCE_SECONDS = 60
PING_SECONDS = 10
"""The proxy's default."""

DAY = {
    "code": 429,
    "status": "RESOURCE_EXHAUSTED",
    "message": "You exceeded your current quota. Please retry in 13.5s.",
    "details": [
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "13s"},
    ],
}


class Seat(NamedTuple):
    """One version of the client, and the key of its own."""

    claude: ClaudeCode
    key: str


class Both:
    """Both versions; what one does, the other does at the same time."""

    def __init__(self, seats: list[Seat], emulator: Emulator) -> None:
        self.seats = seats
        self.emulator = emulator

    def script(self, *replies: Any) -> None:
        for seat in self.seats:
            self.emulator.script(seat.key, *replies)

    def ask(self, proxies: str | list[str], prompt: str = PROMPT, *arguments: str) -> list[Run]:
        """proxies: one for both, or one for each."""
        urls = [proxies] * len(self.seats) if isinstance(proxies, str) else proxies

        def run(seat: Seat, proxy: str) -> Run:
            return seat.claude.ask(proxy, prompt, *arguments)

        with ThreadPoolExecutor(len(self.seats)) as pool:
            return list(pool.map(run, self.seats, urls))

    def journals(self) -> list[list[Any]]:
        return [self.emulator.journal(seat.key) for seat in self.seats]

    def statuses(self) -> list[list[int]]:
        return [[request["status"] for request in journal] for journal in self.journals()]

    def replies(self) -> list[list[int]]:
        """Which of the scripted replies were given."""
        return [[request["reply"] for request in journal] for journal in self.journals()]


@pytest.fixture
def both(tmp_path: Path, emulator: Emulator) -> Both:
    def seat(version: str) -> Seat:
        base, key = tmp_path / version, f"test-{uuid.uuid4().hex}"
        base.mkdir()
        return Seat(ClaudeCode(version, base, key), key)

    return Both([seat(version) for version in VERSIONS], emulator)


def said(runs: list[Run]) -> list[str]:
    """The results; none of them may be an error."""
    assert [(run.exit_code, run.result["is_error"]) for run in runs] == [(0, False)] * len(runs)
    return [run.result["result"] for run in runs]


def retries(runs: list[Run]) -> list[list[Any]]:
    """The statuses that each client says it tries again after."""
    return [
        [event["error_status"] for event in run.of_type("system") if is_retry(event)]
        for run in runs
    ]


def is_retry(event: Any) -> bool:
    return bool(event.get("subtype") == "api_retry")


def status(code: int, name: str, message: str, *details: Any) -> dict[str, Any]:
    error = {"code": code, "status": name, "message": message, "details": list(details)}
    return {"status": error}


OVERLOADED = status(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
MALFORMED = {
    "chunks": [{"thought": "I call."}],
    "finish": "MALFORMED_FUNCTION_CALL",
    "finish_message": "Malformed function call: print(default_api.Bash(",
}


# --- What the client waits for ----------------------------------------------------------------


def test_a_quota_that_is_back_in_a_second(both: Both, proxy: str) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
    both.script(status(429, "RESOURCE_EXHAUSTED", "Slow down.", info), HELLO)
    runs = both.ask(proxy)
    assert said(runs) == ["Hello there."] * 2
    assert both.statuses() == [[429, 200]] * 2
    assert retries(runs) == [[429]] * 2


def test_an_overload_that_lasts_longer_than_our_patience(both: Both, proxy: str) -> None:
    both.script(*[OVERLOADED] * 4, HELLO)
    runs = both.ask(proxy)
    assert said(runs) == ["Hello there."] * 2
    assert both.statuses() == [[503, 503, 503, 503, 200]] * 2
    assert retries(runs) == [[529]] * 2


def test_an_answer_that_is_cut_in_its_middle(both: Both, proxy: str) -> None:
    cut = {"chunks": [{"text": "Hel"}, {"delay": 0.2}, {"cut": True}]}
    both.script(cut, HELLO)
    assert said(both.ask(proxy)) == ["Hello there."] * 2
    assert both.replies() == [[0, 1]] * 2


# --- What the client never sees ---------------------------------------------------------------


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(OVERLOADED, id="overloaded"),
        pytest.param({"chunks": [{"cut": True}]}, id="reset before an answer"),
        pytest.param({"chunks": [{"raw": ""}, {"cut": True}]}, id="reset after the headers"),
        pytest.param(
            {"chunks": [{"thought": "Hm."}, {"delay": 0.2}, {"cut": True}]}, id="cut in thinking"
        ),
        pytest.param(MALFORMED, id="a malformed call"),
        pytest.param({"chunks": [{"text": ""}]}, id="an empty answer"),
    ],
)
def test_it_never_sees(both: Both, proxy: str, failing: Any) -> None:
    both.script(failing, HELLO)
    runs = both.ask(proxy)
    assert said(runs) == ["Hello there."] * 2
    assert both.replies() == [[0, 1]] * 2
    assert retries(runs) == [[]] * 2


def test_a_minute_of_silence(both: Both, proxy: str, key: str) -> None:
    """The client would wait for five; that it need not, a third and plainer one hears."""
    silent = {"chunks": [{"delay": SILENCE_SECONDS}, *HELLO["chunks"]]}
    both.script(silent)
    both.emulator.script(key, silent)
    with ThreadPoolExecutor(1) as beside:
        waits = beside.submit(silences, proxy, key)
        runs = both.ask(proxy)
        times = waits.result()
    assert said(runs) == ["Hello there."] * 2
    assert both.statuses() == [[200]] * 2
    assert retries(runs) == [[]] * 2
    assert SILENCE_SECONDS < sum(times) < SILENCE_SECONDS + 10
    assert max(times) < PING_SECONDS + 2


def silences(proxy: str, key: str) -> list[float]:
    """The seconds that a stream was silent for, time after time."""
    body = {
        "model": "claude-opus-5",
        "max_tokens": 100,
        "stream": True,
        "messages": [{"role": "user", "content": MARKER}],
    }
    times = []
    at = time.monotonic()
    with servers.LOCAL.post(
        f"{proxy}/v1/messages", json=body, headers={"x-api-key": key}, stream=True, timeout=90
    ) as answer:
        for _ in answer.iter_content(None):
            times.append(time.monotonic() - at)
            at = time.monotonic()
    return times


def test_a_days_quota_that_another_model_still_has(both: Both, emulator: Emulator) -> None:
    """Its signatures are worth nothing to the other; each gets back its own."""
    call = {"call": {"name": "Bash", "args": {"command": "echo hi"}}, "sign": True}
    first, second = {"model": "gemini-4-hydrogen"}, {"model": "gemini-3.8-flash"}
    both.script(
        {"when": first, "chunks": [call]},
        {"when": first, "status": DAY, "repeat": True},
        {"when": second, "chunks": [call]},
        {"when": second, **HELLO},
    )
    environ = {
        "GEMINI_ENDPOINT": emulator.url,
        "GEMINI_FALLBACK_MODELS": "gemini-3.8-flash",
    }
    with servers.serving(servers.PROXY, environ) as proxy:
        runs = both.ask(proxy)
    assert said(runs) == ["Hello there."] * 2
    assert retries(runs) == [[]] * 2
    for journal in both.journals():
        assert [(r["model"], r["status"]) for r in journal] == [
            ("gemini-4-hydrogen", 200),
            ("gemini-4-hydrogen", 429),
            ("gemini-3.8-flash", 200),
            ("gemini-4-hydrogen", 429),
            ("gemini-3.8-flash", 200),
        ]
        (of_first,), _, (of_second,), _, _ = (signatures(r["issued"]) for r in journal)
        assert [signatures(r["signatures"]) for r in journal] == [
            [],
            [of_first],
            [SENTINEL],
            [of_first, SENTINEL],
            [SENTINEL, of_second],
        ]


SENTINEL = "skip_thought_signature_validator"


def signatures(signed: list[Any]) -> list[str]:
    return [sign["signature"] for sign in signed]


@pytest.fixture
def proxies_with_an_old_key(both: Both, emulator: Emulator) -> Iterator[list[str]]:
    """A proxy for each version, whose first key Google does not know yet."""
    with ExitStack() as running:
        yield [
            running.enter_context(
                servers.serving(
                    servers.PROXY,
                    {
                        "GEMINI_ENDPOINT": emulator.url,
                        "GEMINI_API_KEY": f"bad-{seat.key},{seat.key}",
                    },
                )
            )
            for seat in both.seats
        ]


def test_a_key_that_is_not_known_yet(both: Both, proxies_with_an_old_key: list[str]) -> None:
    both.script(HELLO)
    runs = both.ask(proxies_with_an_old_key)
    assert said(runs) == ["Hello there."] * 2
    assert both.statuses() == [[200]] * 2
    refused = [both.emulator.journal(f"bad-{seat.key}") for seat in both.seats]
    assert [[request["status"] for request in journal] for journal in refused] == [[400]] * 2
    assert retries(runs) == [[]] * 2


# --- What the client has to act on ------------------------------------------------------------


def test_calls_that_stay_malformed(both: Both, proxy: str) -> None:
    """Three attempts of ours, then the client's own. 2.1.197 tells the model what was wrong."""
    both.script(*[MALFORMED] * 3, HELLO)
    runs = both.ask(proxy)
    assert said(runs) == ["Hello there."] * 2
    assert both.replies() == [[0, 1, 2, 3]] * 2
    validated = {"functionCallingConfig": {"mode": "VALIDATED"}}
    for journal in both.journals():
        modes = [request["body"].get("toolConfig") for request in journal]
        assert modes == [None, validated, validated, None]
    assert ["Your tool call was malformed" in str(j[-1]["body"]) for j in both.journals()] == [
        True,
        False,
    ]
    assert retries(runs) == [[]] * 2


def test_a_call_whose_arguments_are_broken_off_is_not_run(both: Both, proxy: str) -> None:
    """Vertex AI can send a call in pieces; half a command may be a command too."""
    begun = {"functionCall": {"name": "Bash", "willContinue": True}}
    piece = {"jsonPath": "$.command", "stringValue": "touch half", "willContinue": True}
    more = {"functionCall": {"partialArgs": [piece], "willContinue": True}}
    parts = {"content": {"parts": [begun, more], "role": "model"}, "finishReason": "MAX_TOKENS"}
    half = {"chunks": [{"raw": f"data: {json.dumps({'candidates': [parts]})}\r\n\r\n"}]}
    both.script({**half, "finish": None}, HELLO)
    runs = both.ask(proxy)
    assert said(runs) == ["Hello there."] * 2
    for seat, journal in zip(both.seats, both.journals(), strict=True):
        assert "could not be parsed as JSON" in json.dumps(journal[-1]["body"]["contents"])
        assert not (seat.claude.folder / "half").exists()


def test_answers_that_stay_empty(both: Both, proxy: str) -> None:
    both.script(*[{"chunks": [{"text": ""}]}] * 3, HELLO)
    runs = both.ask(proxy)
    assert said(runs) == ["Hello there."] * 2
    for journal in both.journals():
        assert [request["reply"] for request in journal] == [0, 1, 2, 3]
        last = str(journal[-1]["body"]["contents"])
        assert "Your previous response had no visible output" in last


def test_a_conversation_that_has_become_too_long(both: Both, proxy: str) -> None:
    """It compacts and goes on. 2.1.197 gives up where there is only one exchange to compact."""
    too_long = status(
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200345) exceeds the maximum number of tokens allowed (1048576).",
    )
    summary = "<analysis>All of it.</analysis>\n<summary>They greeted.</summary>"
    both.script(
        {"when": {"last_text": "TEXT ONLY"}, "chunks": [{"text": summary}]},
        {"when": {"user_text": "They greeted."}, "chunks": [{"text": "I remember."}]},
        HELLO,
        HELLO,
        too_long,
    )
    for arguments in ([], ["--continue"]):
        assert said(both.ask(proxy, PROMPT, *arguments)) == ["Hello there."] * 2
    runs = both.ask(proxy, f"And now, {MARKER}?", "--continue")
    assert said(runs) == ["I remember."] * 2
    for run, journal in zip(runs, both.journals(), strict=True):
        assert [request["reply"] for request in journal] == [2, 3, 4, 0, 1]
        assert [request["status"] for request in journal] == [200, 200, 400, 200, 200]
        boundaries = [e for e in run.events if e.get("subtype") == "compact_boundary"]
        assert len(boundaries) == 1


def test_a_days_quota_that_is_spent(both: Both, proxy: str) -> None:
    both.script({"status": DAY, "repeat": True})
    runs = both.ask(proxy)
    assert both.statuses() == [[429]] * 2
    for run in runs:
        assert (run.exit_code, run.result["is_error"]) == (1, True)
        assert "Today's quota for this model is exhausted" in run.result["result"]
        assert "ANTHROPIC_MODEL" in run.result["result"]
    assert retries(runs) == [[]] * 2
