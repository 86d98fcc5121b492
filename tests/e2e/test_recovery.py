"""The real client lives through Gemini's failures."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.e2e.claude_code import VERSIONS, ClaudeCode, Run
from tests.e2e.test_claude_code import PDF, PNG
from tests.faults import PER_DAY, google, retry_in
from tests.messages import MARKER, user
from tests.servers import Emulator

pytestmark = pytest.mark.e2e

PROMPT = f"Say hello, {MARKER}."
HELLO = {"chunks": [{"text": "Hello "}, {"text": "there."}, {"sign": True}]}
SILENCE_SECONDS = 60
PING_SECONDS = 10
"""The proxy's default."""

OVERLOADED = google(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
EXHAUSTED = google(
    429,
    "RESOURCE_EXHAUSTED",
    "You exceeded your current quota. Please retry in 13.5s.",
    PER_DAY,
    retry_in("13s"),
)
MALFORMED = {
    "chunks": [{"thought": "I call."}],
    "finish": "MALFORMED_FUNCTION_CALL",
    "finish_message": "Malformed function call: print(default_api.Bash(",
}
EMPTY = {"chunks": [{"text": ""}]}
CUT = {"cut": True}
PAUSE = {"delay": 0.2}


def said(run: Run) -> str:
    """The result, which may not be an error."""
    assert (run.exit_code, run.result["is_error"]) == (0, False)
    return str(run.result["result"])


def retries(run: Run) -> list[Any]:
    """The statuses that the client says it tries again after."""
    events = run.of_type("system")
    return [event["error_status"] for event in events if event.get("subtype") == "api_retry"]


def values(emulator: Emulator, key: str, name: str) -> list[Any]:
    """A field of each request that Gemini saw."""
    return [request[name] for request in emulator.journal(key)]


# --- What the client waits for, and what it never sees ----------------------------------------


@dataclass(frozen=True)
class Failing:
    """What Gemini does before it says hello. retries: the statuses that the client says it tries
    again after; None where they are not looked at. statuses: Gemini's, likewise."""

    replies: tuple[Any, ...]
    retries: tuple[int, ...] | None = ()
    statuses: tuple[int, ...] | None = None


FAILING = {
    "a quota that is back in a second": Failing(
        (google(429, "RESOURCE_EXHAUSTED", "Slow down.", retry_in("1s")),), (429,), (429, 200)
    ),
    "an overload longer than the proxy's patience": Failing(
        (OVERLOADED,) * 4, (529,), (503, 503, 503, 503, 200)
    ),
    "cut in the text": Failing(({"chunks": [{"text": "Hel"}, PAUSE, CUT]},), None),
    "overloaded": Failing((OVERLOADED,)),
    "reset before an answer": Failing(({"chunks": [CUT]},)),
    "reset after the headers": Failing(({"chunks": [{"raw": ""}, CUT]},)),
    "cut in thinking": Failing(({"chunks": [{"thought": "Hm."}, PAUSE, CUT]},)),
    "a malformed call": Failing((MALFORMED,)),
    "an empty answer": Failing((EMPTY,)),
}


@pytest.mark.parametrize("name", FAILING)
def test_client_recovers(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str, name: str
) -> None:
    failing = FAILING[name]
    emulator.script(key, *failing.replies, HELLO)
    run = claude.ask(proxy, PROMPT)
    assert said(run) == "Hello there."
    assert values(emulator, key, "reply") == [*range(len(failing.replies) + 1)]
    assert failing.statuses in (None, tuple(values(emulator, key, "status")))
    assert failing.retries in (None, tuple(retries(run)))


def test_client_waits_through_silence(
    tmp_path: Path, proxy: str, emulator: Emulator, key: str
) -> None:
    """It would wait for five minutes; that it need not, a plainer client hears. All at once."""
    silent = {"chunks": [{"delay": SILENCE_SECONDS}, *HELLO["chunks"]]}
    emulator.script(key, silent)
    clients = {}
    for version in VERSIONS:
        (tmp_path / version).mkdir()
        clients[f"{key}-{version}"] = ClaudeCode(version, tmp_path / version, f"{key}-{version}")
        emulator.script(f"{key}-{version}", silent)
    with ThreadPoolExecutor(len(clients) + 1) as pool:
        waits = pool.submit(silences, proxy, key)
        runs = list(pool.map(lambda client: client.ask(proxy, PROMPT), clients.values()))
        times = waits.result()
    for name, run in zip(clients, runs, strict=True):
        assert (said(run), retries(run)) == ("Hello there.", [])
        assert values(emulator, name, "status") == [200]
    assert SILENCE_SECONDS < sum(times) < SILENCE_SECONDS + 10
    assert max(times) < PING_SECONDS + 2


def silences(proxy: str, key: str) -> list[float]:
    """The seconds that a stream was silent for, time after time."""
    body = {"model": "claude-opus-5", "max_tokens": 100, "stream": True}
    times = []
    at = time.monotonic()
    with servers.LOCAL.post(
        f"{proxy}/v1/messages",
        json={**body, "messages": [user(MARKER)]},
        headers={"x-api-key": key},
        stream=True,
        timeout=90,
    ) as answer:
        for _ in answer.iter_content(None):
            times.append(time.monotonic() - at)
            at = time.monotonic()
    return times


def test_quota_of_the_day_falls_back(claude: ClaudeCode, emulator: Emulator, key: str) -> None:
    """The signatures of one model are worth nothing to the other; each gets back its own."""
    call = {"call": {"name": "Bash", "args": {"command": "echo hi"}}, "sign": True}
    first, second = {"model": "gemini-4-hydrogen"}, {"model": "gemini-3.8-flash"}
    emulator.script(
        key,
        {"when": first, "chunks": [call]},
        {"when": first, **EXHAUSTED, "repeat": True},
        {"when": second, "chunks": [call]},
        {"when": second, **HELLO},
    )
    environ = {"GEMINI_ENDPOINT": emulator.url, "GEMINI_FALLBACK_MODELS": "gemini-3.8-flash"}
    with servers.serving(servers.PROXY, environ) as proxy:
        run = claude.ask(proxy, PROMPT)
    assert (said(run), retries(run)) == ("Hello there.", [])
    journal = emulator.journal(key)
    assert [(request["model"], request["status"]) for request in journal] == [
        ("gemini-4-hydrogen", 200),
        ("gemini-4-hydrogen", 429),
        ("gemini-3.8-flash", 200),
        ("gemini-4-hydrogen", 429),
        ("gemini-3.8-flash", 200),
    ]
    (of_first,), _, (of_second,), _, _ = (signatures(request["issued"]) for request in journal)
    assert [signatures(request["signatures"]) for request in journal] == [
        [],
        [of_first],
        [SENTINEL],
        [of_first, SENTINEL],
        [SENTINEL, of_second],
    ]


SENTINEL = "skip_thought_signature_validator"


def signatures(signed: list[Any]) -> list[str]:
    return [sign["signature"] for sign in signed]


def test_key_that_google_does_not_know_yet(
    claude: ClaudeCode, emulator: Emulator, key: str
) -> None:
    emulator.script(key, HELLO)
    environ = {"GEMINI_ENDPOINT": emulator.url, "GEMINI_API_KEY": f"bad-{key},{key}"}
    with servers.serving(servers.PROXY, environ) as proxy:
        run = claude.ask(proxy, PROMPT)
    assert (said(run), retries(run)) == ("Hello there.", [])
    assert values(emulator, key, "status") == [200]
    assert values(emulator, f"bad-{key}", "status") == [400]


# --- What the client has to act on ------------------------------------------------------------


def test_calls_that_stay_malformed(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    """Three attempts of ours, for the last of which the model is told, then the client's own.
    2.1.197 tells the model what was wrong."""
    emulator.script(key, *[MALFORMED] * 3, HELLO)
    run = claude.ask(proxy, PROMPT)
    assert (said(run), retries(run)) == ("Hello there.", [])
    assert values(emulator, key, "reply") == [0, 1, 2, 3]
    bodies = values(emulator, key, "body")
    validated = {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert [body.get("toolConfig") for body in bodies] == [None, validated, validated, None]
    told = ["in several smaller calls" in str(body["contents"][-1]) for body in bodies]
    assert told == [False, False, True, False]
    tells = claude.version == "2.1.197"
    assert ("Your tool call was malformed" in str(bodies[-1])) is tells


def test_calls_that_stay_malformed_without_a_thought(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    """The client shows why not, and can go on."""
    emulator.script(key, *[{**MALFORMED, "chunks": []}] * 3, HELLO)
    run = claude.ask(proxy, PROMPT)
    assert (run.result["is_error"], retries(run)) == (True, [])
    assert "Gemini called a tool in a form that cannot be read" in run.result["result"]
    assert said(claude.ask(proxy, PROMPT, "--continue")) == "Hello there."
    assert values(emulator, key, "reply") == [0, 1, 2, 3]


def test_call_that_is_broken_off_is_not_run(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    """Vertex AI can send a call in pieces; half a command may be a command too."""
    begun = {"functionCall": {"name": "Bash", "willContinue": True}}
    piece = {"jsonPath": "$.command", "stringValue": "touch half", "willContinue": True}
    more = {"functionCall": {"partialArgs": [piece], "willContinue": True}}
    parts = {"content": {"parts": [begun, more], "role": "model"}, "finishReason": "MAX_TOKENS"}
    half = {"chunks": [{"raw": f"data: {json.dumps({'candidates': [parts]})}\r\n\r\n"}]}
    emulator.script(key, {**half, "finish": None}, HELLO)
    assert said(claude.ask(proxy, PROMPT)) == "Hello there."
    last = values(emulator, key, "body")[-1]
    assert "could not be parsed as JSON" in json.dumps(last["contents"])
    assert not (claude.folder / "half").exists()


def test_answers_that_stay_empty(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    """Three attempts, then the client's own."""
    emulator.script(key, *[EMPTY] * 3, HELLO)
    run = claude.ask(proxy, PROMPT)
    assert (said(run), retries(run)) == ("Hello there.", [502])
    assert values(emulator, key, "reply") == [0, 1, 2, 3]


REFUSED_MEDIA = {
    "an image": ("a.png", PNG, "Unable to process input image.", "Image removed"),
    "an image in other words": ("a.png", PNG, "Provided image is not valid.", "Image removed"),
    "an image without a word": (
        "a.png", PNG, "Request contains an invalid argument.", "Image removed"),
    "a PDF": ("b.pdf", PDF, "The document has no pages.", "Document removed"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_MEDIA)
def test_medium_that_google_refuses_is_taken_out(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str, name: str
) -> None:
    """By the client itself, and for good: the session goes on, and can be continued."""
    file, content, message, removed = REFUSED_MEDIA[name]
    (claude.folder / file).write_bytes(content)
    arguments = {"file_path": str(claude.folder / file)}
    refusal = google(400, "INVALID_ARGUMENT", message)
    is_mute = "an invalid argument" in message
    emulator.script(
        key,
        {"chunks": [{"call": {"name": "Read", "args": arguments}, "sign": True}]},
        *[refusal] * (2 if is_mute else 1),
        {"chunks": [{"text": "I cannot see it."}, {"sign": True}]},
        HELLO,
    )
    assert said(claude.ask(proxy, PROMPT)) == "I cannot see it."
    assert said(claude.ask(proxy, PROMPT, "--continue")) == "Hello there."
    refused = [400] * (2 if is_mute else 1)
    assert values(emulator, key, "status") == [200, *refused, 200, 200]
    bodies = [str(body["contents"]) for body in values(emulator, key, "body")]
    has_medium = ["inlineData" in body for body in bodies]
    assert has_medium == [False, *[True] * len(refused), False, False]
    assert removed in bodies[-2]


def test_pasted_images_are_taken_out_one_by_one(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    """Google does not say which: the last one first, until it takes the rest."""
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    images = [{"type": "image", "source": source}] * 3
    refusal = google(400, "INVALID_ARGUMENT", "Unable to process input image.")
    emulator.script(key, refusal, refusal, HELLO)
    assert said(claude.send(proxy, [{"type": "text", "text": PROMPT}, *images])) == "Hello there."
    bodies = [str(body["contents"]) for body in values(emulator, key, "body")]
    assert [body.count("inlineData") for body in bodies] == [3, 2, 1]


def test_context_that_is_full_is_compacted(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    """And it goes on. 2.1.197 gives up where there is only one exchange to compact."""
    count = "The input token count (1200345) exceeds the maximum number of tokens allowed (1048576)"
    summary = "<analysis>All of it.</analysis>\n<summary>They greeted.</summary>"
    emulator.script(
        key,
        {"when": {"last_text": "TEXT ONLY"}, "chunks": [{"text": summary}]},
        {"when": {"user_text": "They greeted."}, "chunks": [{"text": "I remember."}]},
        HELLO,
        HELLO,
        google(400, "INVALID_ARGUMENT", f"{count}."),
    )
    for arguments in ([], ["--continue"]):
        assert said(claude.ask(proxy, PROMPT, *arguments)) == "Hello there."
    run = claude.ask(proxy, f"And now, {MARKER}?", "--continue")
    assert said(run) == "I remember."
    assert values(emulator, key, "reply") == [2, 3, 4, 0, 1]
    assert values(emulator, key, "status") == [200, 200, 400, 200, 200]
    assert len([e for e in run.events if e.get("subtype") == "compact_boundary"]) == 1


def test_quota_of_the_day_ends_the_session(
    claude: ClaudeCode, proxy: str, emulator: Emulator, key: str
) -> None:
    emulator.script(key, {**EXHAUSTED, "repeat": True})
    run = claude.ask(proxy, PROMPT)
    assert values(emulator, key, "status") == [429]
    assert (run.exit_code, run.result["is_error"], retries(run)) == (1, True, [])
    assert "Today's quota for this model is exhausted" in run.result["result"]
    assert "`/model gemini-3.8-flash`" in run.result["result"]
