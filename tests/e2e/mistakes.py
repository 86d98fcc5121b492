"""The mistakes that people make, and what they see then: a table.

README's table of messages is compared with it, and so is what Claude Code prints. "…" in a message
stands for anything. How each is arranged is data, too; test_mistakes.py plays it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.claude_code import OLDEST
from tests.faults import PER_DAY, google, retry_in

TYPE = "type.googleapis.com/google.rpc."
HELLO: Any = {"chunks": [{"text": "Hello."}], "repeat": True}
KEY, CLOSED, TEMPORARY = "{key}", "{closed}", "{folder}"
"""In a setting: the test's key, a port where nobody listens, a folder for what a row needs."""

NO_API, HTTP_PROXY, UNTRUSTED = "{no_api}", "{http_proxy}", "{untrusted}"
"""Addresses: of a server without a Gemini API, of an HTTP proxy that wants a login, of a server
with a certificate that nobody trusts."""

NO_MODEL = "models/gemini-4-hydrogn is not found for API version v1beta."
QUOTA = "Quota exceeded for metric: generate_content_free_tier_requests, limit: "
UNUSED = "Generative Language API has not been used in project 123 before or it is disabled."
CAP = "Your project has exceeded its monthly spending cap."
CREDITS = "Your prepayment credits are depleted."
LARGE = "Request payload size exceeds the limit: 20971520 bytes."
TOKENS = "The input token count (1200345) exceeds the maximum number of tokens allowed (1048576)."
OVERLOADED = google(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
UNREACHED = "API Error: 502 Gemini could not be reached at …: "
KEY_STEP = "Set ANTHROPIC_AUTH_TOKEN to a Gemini API key (https://aistudio.google.com/apikey)"
REFUSED_KEY = "Failed to authenticate. API Error: 401 Google refused the API key: "


def refused(code: int, status: str, message: str, reason: str = "") -> tuple[Any, ...]:
    details = [{"@type": f"{TYPE}ErrorInfo", "reason": reason}] if reason else []
    return ({**google(code, status, message, *details), "repeat": True},)


@dataclass(frozen=True)
class Mistake:
    """shown: what Claude Code prints. replies: Gemini's. server: settings of a server of its own.
    client: variables of Claude Code's. path: behind the base URL. requests: how many it makes;
    each beyond the first is one that makes a person wait. image: one goes with the prompt. older:
    2.1.197's outcome, where it is another.
    """

    shown: str
    replies: tuple[Any, ...] = (HELLO,)
    server: Mapping[str, str] | None = None
    client: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    requests: int = 1
    image: bool = False
    older: tuple[str, int] | None = None

    def outcome(self, version: str) -> tuple[str, int]:
        """What a version prints, after how many requests."""
        return self.older if self.older and version == OLDEST else (self.shown, self.requests)


RECOVERS = "Hello."

MISTAKES: dict[str, Mistake] = {
    # --- A model ---
    "a typo in a model's name": Mistake(
        "There's an issue with the selected model (…). It may not exist or you may not have access "
        "to it. Run --model to pick a different model.",
        refused(404, "NOT_FOUND", NO_MODEL),
        client={"ANTHROPIC_MODEL": "gemini-4-hydrogn"}, requests=2),
    "a model of the server's that Google does not have": Mistake(
        "API Error: 424 models/gemini-9-new is not found for API version v1beta… This server chose "
        "the model, not the request: set ANTHROPIC_DEFAULT_OPUS_MODEL there to another; /v1/models "
        "lists some.",
        server={"ANTHROPIC_DEFAULT_OPUS_MODEL": "gemini-9-new"}),
    "a retired model": Mistake(RECOVERS, client={"ANTHROPIC_MODEL": "gemini-2.0-flash"}),
    "a model that free keys do not have": Mistake(
        "API Error: Request rejected (429) · This key's tier does not include this model. Free "
        "keys also have …: choose with `/model …`.",
        refused(429, "RESOURCE_EXHAUSTED", f"{QUOTA}0, model: gemini-4-neon"),
        client={"ANTHROPIC_MODEL": "gemini-4-neon"}),
    # --- A quota ---
    "a spent day": Mistake(
        "API Error: Request rejected (429) · Today's quota for this model is exhausted; Google "
        "renews it at midnight Pacific time. Free keys also have gemini-3.8-flash, …: choose with "
        "`/model gemini-3.8-flash`.",
        ({**google(429, "RESOURCE_EXHAUSTED", f"{QUOTA}20", PER_DAY), "repeat": True},)),
    "a spent minute": Mistake(
        RECOVERS, (google(429, "RESOURCE_EXHAUSTED", "Slow down.", retry_in("1s")), HELLO),
        requests=2),
    "an overload": Mistake(RECOVERS, (*[OVERLOADED] * 3, HELLO), requests=2),
    "a spending cap": Mistake(
        "API Error: 402 The project's monthly spending cap is reached: raise it at "
        "https://ai.studio/spend.", refused(429, "RESOURCE_EXHAUSTED", CAP)),
    "prepaid credits that are used up": Mistake(
        "API Error: 402 This model needs billing: enable it for the key's project at "
        "https://aistudio.google.com/apikey.", refused(429, "RESOURCE_EXHAUSTED", CREDITS)),
    # --- A key ---
    "a wrong key": Mistake(
        f"{REFUSED_KEY}API key not valid. Please pass a valid API key. {KEY_STEP}",
        refused(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
            "API_KEY_INVALID")),
    "an expired key": Mistake(
        f"{REFUSED_KEY}API key expired. Please renew the API key. {KEY_STEP}",
        refused(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.",
            "API_KEY_INVALID")),
    "a leaked key": Mistake(
        "Failed to authenticate. API Error: 401 Google has blocked this API key because it was "
        "found in public: make a new one.",
        refused(403, "PERMISSION_DENIED", "Your API key was reported as leaked.")),
    "no key": Mistake("Not logged in · Please run /login",
        client={"ANTHROPIC_AUTH_TOKEN": ""}, requests=0),
    "Anthropic's key": Mistake(
        "Failed to authenticate. API Error: 401 The request holds an Anthropic key, which is not "
        f"sent to Google. {KEY_STEP}", client={"ANTHROPIC_AUTH_TOKEN": "sk-ant-api03-x"}),
    "a key in quotes": Mistake(RECOVERS, client={"ANTHROPIC_AUTH_TOKEN": f'"{KEY}"'}),
    "a key with a line's end": Mistake(RECOVERS, client={"ANTHROPIC_AUTH_TOKEN": f"{KEY}\n"}),
    "a key that is restricted": Mistake(
        "Failed to authenticate. API Error: 403 The API key is restricted and may not be used for "
        "this: allow the Generative Language API, and this server's address, among the key's "
        "restrictions.",
        refused(403, "PERMISSION_DENIED", "Requests from referer <empty> are blocked.",
            "API_KEY_HTTP_REFERRER_BLOCKED")),
    "an API that is not enabled": Mistake(
        "Failed to authenticate. API Error: 403 The API is not enabled in the project that is "
        "asked: enable it, and wait a few minutes.",
        refused(403, "PERMISSION_DENIED", UNUSED, "SERVICE_DISABLED")),
    "an unsupported region": Mistake(
        "Failed to authenticate. API Error: 403 Gemini is not offered where this server runs: "
        "Google looks at the server's address, not at yours. Run it in a supported region",
        refused(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")),
    # --- The request ---
    "a request that is too large": Mistake(
        "Request too large (max 32MB).", refused(413, "INVALID_ARGUMENT", LARGE)),
    "a context that is full": Mistake(
        "Prompt is too long", refused(400, "INVALID_ARGUMENT", TOKENS)),
    "an image that is refused": Mistake(
        RECOVERS,
        (google(400, "INVALID_ARGUMENT", "Unable to process input image."), HELLO),
        image=True, requests=2, older=("API Error: 400 Unable to process input image.", 1)),
    "a prompt that Gemini blocks": Mistake(
        "API Error: 424 Gemini blocked this request: PROHIBITED_CONTENT. Change the last message, "
        "or start a new session.", ({"block_reason": "PROHIBITED_CONTENT", "repeat": True},)),
    "an answer that Gemini stops": Mistake(
        "API Error: …'s safeguards flagged this message", ({"chunks": [], "finish": "SAFETY",
            "repeat": True},), requests=2,
        older=("API Error: Claude Code is unable to respond to this request", 1)),
    # --- The server ---
    "a base URL with /v1": Mistake(RECOVERS, path="/v1"),
    "a base URL with a path": Mistake(
        "API Error: 421 Not found: the base URL has a path that this server does not know. Set "
        "ANTHROPIC_BASE_URL to the server's address alone, such as http://…",
        path="/v1/v1/messages"),
    "a wrong access token": Mistake(
        "Failed to authenticate. API Error: 401 This server asks for its access token: set "
        "ANTHROPIC_AUTH_TOKEN to it.",
        server={"PROXY_TOKEN": "ours", "GEMINI_API_KEY": "theirs"}),
    "a server's wrong key": Mistake(
        f"{REFUSED_KEY}API key not valid. Please pass a valid API key. It is this server's own key "
        "(GEMINI_API_KEY). Contact the server's administrator.",
        server={"GEMINI_API_KEY": "bad-key"}),
    "Vertex AI without a project": Mistake(
        "API Error: 500 This server does not know its project: set GOOGLE_CLOUD_PROJECT.",
        server={"GEMINI_BACKEND": "vertex", "CLOUDSDK_CONFIG": TEMPORARY,
            "GOOGLE_APPLICATION_CREDENTIALS": f"{TEMPORARY}/login.json"}),
    "a server that is not started": Mistake(
        "API Error: Connection refused", path=CLOSED, requests=0,
        client={"CLAUDE_CODE_MAX_RETRIES": "1"},
        older=("API Error: Unable to connect to API (ConnectionRefused)", 0)),
    # --- The network ---
    "a machine that is offline": Mistake(
        f"{UNREACHED}name not known. Is the server's machine offline? If not, correct "
        "GEMINI_ENDPOINT on the server.",
        server={"GEMINI_ENDPOINT": "https://gemini.test", "PYTHONPATH": TEMPORARY}),
    "an endpoint where nobody listens": Mistake(
        f"{UNREACHED}connection refused. Correct GEMINI_ENDPOINT on the server.",
        server={"GEMINI_ENDPOINT": f"http://127.0.0.1:{CLOSED}"}),
    "an endpoint with a path": Mistake(
        "API Error: 502 The endpoint answers, but has no Gemini API at this path (404). Correct "
        "GEMINI_ENDPOINT on the server: a base URL like https://host, without /v1beta/models.",
        server={"GEMINI_ENDPOINT": NO_API}),
    "an HTTP proxy that wants a login": Mistake(
        f"{UNREACHED}the HTTP proxy wants a user and a password (407). Put them into HTTPS_PROXY "
        "on the server: http://user:password@host:port.",
        server={"GEMINI_ENDPOINT": "https://gemini.test", "HTTPS_PROXY": HTTP_PROXY}),
    "an HTTP proxy that is not there": Mistake(
        f"{UNREACHED}connection refused. Correct HTTPS_PROXY on the server, or name … in NO_PROXY.",
        server={"GEMINI_ENDPOINT": "https://gemini.test",
            "HTTPS_PROXY": f"http://127.0.0.1:{CLOSED}"}),
    "a certificate of a company's": Mistake(
        f"{UNREACHED}certificate verify failed (…). In a company's network, set REQUESTS_CA_BUNDLE "
        "on the server to a file with the company's CA certificate (PEM).",
        server={"GEMINI_ENDPOINT": UNTRUSTED}),
}  # fmt: skip

AT_THE_START: dict[str, tuple[str, Mapping[str, str]]] = {
    "a port in use": (
        "PROXY_LISTEN_ADDR: … cannot be used: another program has it. Stop that, or choose another "
        "port",
        {"PROXY_LISTEN_ADDR": "{used}"},
    ),
    "a typo in a model's setting": (
        "ANTHROPIC_DEFAULT_OPUS_MODEL: … is not a Gemini model; did you mean …?",
        {"ANTHROPIC_DEFAULT_OPUS_MODEL": "gemini-4-hydrogn"},
    ),
}
"""Mistake -> what the server's start says, and the settings."""

WARNING = ("PROXY_… is not a setting; did you mean …?", {"PROXY_TOKNE": "secret"})
"""At the start, too, which goes on."""
