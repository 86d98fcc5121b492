"""proxy/auth.py: whose key goes to Google, and who is refused."""

import hmac
import re
from typing import Any

import pytest
from werkzeug.datastructures import Headers

from proxy import auth, config
from proxy.auth import SERVERS_HINT, Caller, SharedToken, credentials
from proxy.config import Settings, read
from translate import ApiError

LOCAL, REMOTE = "127.0.0.1", "203.0.113.7"
HOST = {"Host": "localhost:8080"}
SERVER = {"GEMINI_API_KEY": "server-key"}
WITH_TOKEN = {**SERVER, "PROXY_TOKEN": "token"}
BOTH = {**WITH_TOKEN, "PROXY_AUTH": "token,key"}


def authenticate(headers: Headers, address: str | None, settings: Settings) -> Caller:
    return auth.authenticate(headers, address, settings, SharedToken(settings.token))


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, []),
        (bearer("a"), ["a"]),
        ({"authorization": "bearer  a "}, ["a"]),
        ({"x-api-key": "a"}, ["a"]),
        ({"X-Api-Key": " "}, []),
        ({"Authorization": "Basic abc"}, []),
        ({"Authorization": "Bearer"}, []),
        ({**bearer("a"), "x-api-key": "a"}, ["a"]),
        ({**bearer("'a'"), "x-api-key": '"a"'}, ["a"]),
        ({**bearer("a"), "x-api-key": "b"}, ["a", "b"]),
        ({**bearer("a"), "x-api-key": "AIzaB"}, ["AIzaB", "a"]),
    ],
)
def test_credentials(headers: dict[str, str], expected: list[str]) -> None:
    assert credentials(Headers(headers)) == expected


KEYS_USED: dict[str, Any] = {
    "everybody's own key": ({}, bearer("mine"), REMOTE, "mine"),
    "the server's, on a laptop": (SERVER, bearer("dummy"), LOCAL, "server-key"),
    "also without any credential": (SERVER, {}, "::1", "server-key"),
    "others bring their own": (SERVER, bearer("mine"), REMOTE, "mine"),
    "others behind a local proxy too": (SERVER, {**bearer("mine"), "X-Forwarded-For": REMOTE},
        LOCAL, "mine"),
    "also where the proxy's header is empty": (SERVER, {**bearer("mine"), "Via": ""}, LOCAL,
        "mine"),
    "another host name is not local": (SERVER, {**bearer("mine"), "Host": "messages.example:8080"},
        LOCAL, "mine"),
    "an empty one is not local": (SERVER, {**bearer("mine"), "Host": ""}, LOCAL, "mine"),
    "so is a broken one": (SERVER, {**bearer("mine"), "Host": "[::1"}, LOCAL, "mine"),
    "version 6 is local": (SERVER, {"Host": "[::1]:8080"}, "::1", "server-key"),
    "an Anthropic secret is passed over": ({}, {**bearer("sk-ant-oat01-x"), "x-api-key": "mine"},
        LOCAL, "mine"),
    "an unknown address is not local": (SERVER, bearer("mine"), None, "mine"),
    "with the token": (WITH_TOKEN, bearer("token"), REMOTE, "server-key"),
    "in either header": (WITH_TOKEN, {"x-api-key": "token"}, LOCAL, "server-key"),
    "a left-over key beside the token goes nowhere": (WITH_TOKEN,
        {**bearer("token"), "x-api-key": "sk-left-over"}, REMOTE, "server-key"),
    "a token without a server key": ({"PROXY_TOKEN": "token"},
        {**bearer("token"), "x-api-key": "mine"}, REMOTE, "mine"),
    "the token or a key": (BOTH, bearer("token"), REMOTE, "server-key"),
    "a key or the token": (BOTH, bearer("mine"), LOCAL, "mine"),
    "a key instead of the token": ({**WITH_TOKEN, "PROXY_AUTH": "key"}, bearer("mine"), REMOTE,
        "mine"),
    "then the server's own is local": ({**WITH_TOKEN, "PROXY_AUTH": "key"}, {}, LOCAL,
        "server-key"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "headers", "address", "expected"), KEYS_USED.values(), ids=KEYS_USED
)
def test_the_key_that_is_used(
    environ: dict[str, str], headers: dict[str, str], address: str | None, expected: str
) -> None:
    (key,) = authenticate(Headers({**HOST, **headers}), address, read(environ)).keys
    assert key.value == expected
    assert (key.hint == SERVERS_HINT) == (key.value == "server-key")


@pytest.mark.parametrize(
    "headers",
    [
        *(
            {f"X-Forwarded-{name}": "x"}
            for name in ("For", "Host", "Proto", "Port", "User", "Made-Up")
        ),
        {"x-forwarded-server": ""},
        {"True-Client-IP": "203.0.113.7"},
        {"CF-Ray": "x"},
        *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "", "new")),
        *(
            {"Origin": origin}
            for origin in ("null", "https://evil.example", "http://localhost:8080")
        ),
        {"Host": None},
    ],
    ids=str,
)
def test_what_a_page_or_a_proxy_sends_is_not_local(headers: dict[str, Any]) -> None:
    sent = {name: value for name, value in {**HOST, **headers}.items() if value is not None}
    with pytest.raises(ApiError, match="No API key in the request"):
        authenticate(Headers(sent), LOCAL, read(SERVER))
    assert authenticate(Headers(HOST), LOCAL, read(SERVER)).caller_id == "local"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1/evil", "127.0.0.1?evil", "127.0.0.1#evil", "127.0.0.1\\evil", "[::1]/evil"),
        *("127.0.0.1@evil", "evil@127.0.0.1", "evil:x@localhost", "@localhost", "[::1]@evil"),
        *("localhost:evil", "localhost:80:80", "localhost:-1", "localhost:+1", "localhost:٨٠"),
        *("localhost:", "[::1]:", "localhost: 80", "localhost:123456", "[::1]80"),
        *("localhost.evil.com", "127.0.0.1.evil.com", "localhost.", "127.0.0.1.", "[::1]evil"),
        *("[::1", "::1]", "::1", "[[::1]]", "[127.0.0.1]", "[localhost]", "[::1%25lo]", "[::2]"),
        *("ⓛocalhost", "localhost\t", " localhost", "localhost,evil", "0.0.0.0", "evil", ""),
        *("2130706433", "0x7f.1", "127.1", "0177.0.0.1"),
    ],
)
def test_host_that_is_no_loopback_address_is_not_local(host: str) -> None:
    with pytest.raises(ApiError, match="No API key in the request"):
        authenticate(Headers({"Host": host}), LOCAL, read(SERVER))


@pytest.mark.parametrize(
    "host", ["LocalHost", "localhost:1", "127.0.0.1:65535", "127.9.9.9", "[::1]", "[::1]:8080"]
)
def test_loopback_host_is_local(host: str) -> None:
    assert authenticate(Headers({"Host": host}), LOCAL, read(SERVER)).caller_id == "local"


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_an_address_that_a_person_opens_is_local(site: str) -> None:
    caller = authenticate(Headers({**HOST, "Sec-Fetch-Site": site}), LOCAL, read(SERVER))
    assert caller.caller_id == "local"


@pytest.mark.parametrize(
    ("origin", "allowed", "is_used"),
    [
        ("https://pivot.claude.ai", "https://pivot.claude.ai", True),
        ("https://pivot.claude.ai", "off", False),
        ("https://evil.example", "https://pivot.claude.ai", False),
        ("https://evil.example", "*", True),
        ("null", "https://pivot.claude.ai", False),
        ("http://[", "https://pivot.claude.ai", False),
        ("https://proxy.example", "off", True),
        (None, "off", True),
    ],
)
def test_the_servers_key_is_used_for_no_foreign_origin(
    origin: str | None, allowed: str, is_used: bool
) -> None:
    """Not even for one that has the token. Without a token, for no origin at all."""
    settings = read({**WITH_TOKEN, "PROXY_ALLOW_ORIGINS": allowed})
    headers = Headers({**bearer("token"), "Host": "proxy.example"})
    if origin is not None:
        headers["Origin"] = origin
    if is_used:
        assert authenticate(headers, REMOTE, settings).keys[0].value == "server-key"
        return
    with pytest.raises(ApiError, match="PROXY_ALLOW_ORIGINS") as caught:
        authenticate(headers, REMOTE, settings)
    assert (caught.value.status, caught.value.retry) == (403, False)


@pytest.mark.parametrize("origin", ["https://pivot.claude.ai", "https://evil.example"])
def test_a_page_may_bring_its_own_key(origin: str) -> None:
    headers = Headers({**HOST, **bearer("mine"), "Origin": origin})
    assert authenticate(headers, LOCAL, read(SERVER)).keys[0].value == "mine"


def test_the_servers_hint_names_the_administrator() -> None:
    assert SERVERS_HINT == (
        "It is this server's own key (GEMINI_API_KEY). Contact the server's administrator."
    )


def test_no_hint_makes_claude_code_ask_for_a_login() -> None:
    """As the header's name does."""
    hints = {name: text for name, text in vars(auth).items() if name.endswith("HINT")}
    assert len(hints) > 5
    assert [name for name, text in hints.items() if "x-api-key" in text.lower()] == []


def test_hint_of_the_launchers_server_names_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(config.ENDS_WITH_STDIN, "1")
    caller = authenticate(Headers(HOST), LOCAL, read({"GEMINI_API_KEY": "theirs"}))
    assert "`gemini-claude --forget` removes the key" in caller.keys[0].hint
    assert "administrator" not in caller.keys[0].hint


def test_a_servers_keys_are_tried_in_their_order() -> None:
    settings = read({"GEMINI_API_KEY": " new, old ,"})
    caller = authenticate(Headers(HOST), LOCAL, settings)
    assert [key.value for key in caller.keys] == ["new", "old"]


def test_shared_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each credential with all of it."""
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def spy(presented: bytes, secret: bytes) -> bool:
        compared.append((presented, secret))
        return compare(presented, secret)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    headers = Headers({**bearer("tokem"), "x-api-key": "t"})
    with pytest.raises(ApiError):
        authenticate(headers, REMOTE, read(WITH_TOKEN))
    assert compared == [(b"tokem", b"token"), (b"t", b"token")]


def test_a_caller_id_does_not_reveal_the_key() -> None:
    def caller_id(headers: dict[str, str], **environ: str) -> str:
        return authenticate(Headers({**HOST, **headers}), LOCAL, read(environ)).caller_id

    assert caller_id({}, **SERVER) == "local"
    assert caller_id(bearer("token"), **WITH_TOKEN) == "token"
    assert (
        caller_id(bearer("mine")) == caller_id({"x-api-key": "mine"}) != caller_id(bearer("yours"))
    )
    assert re.fullmatch("key-[0-9a-f]{8}", caller_id(bearer("mine")))


@pytest.mark.parametrize(("environ", "headers", "address", "beginning"), [
    ({}, {}, LOCAL, "No API key in the request. Set ANTHROPIC_AUTH_TOKEN to a Gemini API key"),
    (SERVER, {}, REMOTE, "No API key in the request."),
    (SERVER, {"Origin": "https://evil.example"}, LOCAL, "No API key in the request."),
    (WITH_TOKEN, {}, LOCAL, "This server asks for its access token: set ANTHROPIC_AUTH_TOKEN"),
    (WITH_TOKEN, bearer("wrong"), LOCAL, "This server asks for its access token"),
    (WITH_TOKEN, bearer("tökén"), LOCAL, "This server asks for its access token"),
    ({"PROXY_TOKEN": "token"}, bearer("token"), LOCAL,
        "No API key in the request. This server has no Gemini key of its own:"),
    ({}, {"x-api-key": "sk-ant-api03-x"}, LOCAL,
        "The request holds an Anthropic key, which is not sent to Google. Set ANTHROPIC_AUTH"),
])  # fmt: skip
def test_a_refused_caller_learns_what_is_missing(
    environ: Any, headers: Any, address: str, beginning: str
) -> None:
    with pytest.raises(ApiError) as caught:
        authenticate(Headers(headers), address, read(environ))
    assert (caught.value.status, caught.value.retry) == (401, False)
    assert caught.value.message.startswith(beginning)
