"""proxy/config.py: every setting, its default and its form."""

import pytest

from proxy import config
from proxy.config import BadSetting, read

NEW, OLD = "n" * 32, "o" * 32


def test_no_setting_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    settings = read({})
    assert settings == config.Settings(
        endpoint="https://generativelanguage.googleapis.com",
        is_vertex=False,
        project="",
        location="global",
        api_keys=(),
        token="",
        model_settings={},
        fallbacks=(),
        safety=None,
        first_byte=8,
        ping=10,
        connect=10,
        silence=900,
        stop=8,
        concurrency=252,
        log_level="INFO",
        log_format="AUTO",
        log_bodies="",
        allow_origins=("https://pivot.claude.ai",),
        auto_mode_model=None,
        accepts=frozenset({"KEY"}),
        team=None,
        instance="",
        api_url="",
        otlp_endpoint="",
        host="127.0.0.1",
        port=8080,
        workers=2,
        threads=256,
    )


def test_all_settings() -> None:
    settings = read(
        {
            "GEMINI_API_KEY": " new, old,",
            "PROXY_TOKEN": "token",
            "ANTHROPIC_MODEL": "gemini-4-neon",
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": " ",
            "CLAUDE_CODE_SUBAGENT_MODEL": "gemini-3.8-flash",
            "GEMINI_ENDPOINT": "http://127.0.0.1:9000/",
            "GEMINI_SAFETY": "block_none",
            "GEMINI_BACKEND": "Vertex",
            "GOOGLE_CLOUD_PROJECT": "p",
            "GOOGLE_CLOUD_LOCATION": "eu",
            "GEMINI_FALLBACK_MODELS": "gemini-3.8-flash,gemini-3.6-flash",
            "PROXY_FIRST_BYTE_SECONDS": "1",
            "PROXY_PING_SECONDS": "2",
            "PROXY_CONNECT_SECONDS": "3.5",
            "PROXY_SILENCE_SECONDS": "4",
            "PROXY_STOP_SECONDS": "4.5",
            "PROXY_CONCURRENCY": "5",
            "PROXY_LOG_LEVEL": "warning",
            "PROXY_LOG_FORMAT": "text",
            "PROXY_LOG_BODIES": "~/recordings",
            "PROXY_ALLOW_ORIGINS": "https://Pivot.claude.ai/, http://localhost:3000",
            "PROXY_AUTO_MODE_MODEL": "gemini-3.8-flash",
            "PROXY_SECRET": f"{NEW},{OLD}",
            "PROXY_PLANS": "plans.toml",
            "PROXY_STORE": "sqlite:///team.sqlite",
            "PROXY_STORE_DOWN": "refuse",
            "PROXY_CLIENT_BUDGET": "On",
            "PROXY_REVOKED": "t1, alice<2026-11-28",
            "PROXY_AUTH": "Token",
            "PROXY_INSTANCE": "blue",
            "PROXY_API_URL": "api.example/v1/",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
            "PROXY_LISTEN_ADDR": "[::1]:9090",
            "PROXY_WORKERS": "3",
            "THREADS": "20",
        }
    )
    assert settings == config.Settings(
        endpoint="http://127.0.0.1:9000",
        is_vertex=True,
        project="p",
        location="eu",
        api_keys=("new", "old"),
        token="token",
        model_settings={
            "ANTHROPIC_MODEL": "gemini-4-neon",
            "CLAUDE_CODE_SUBAGENT_MODEL": "gemini-3.8-flash",
        },
        fallbacks=("gemini-3.8-flash", "gemini-3.6-flash"),
        safety="BLOCK_NONE",
        first_byte=1,
        ping=2,
        connect=3.5,
        silence=4,
        stop=4.5,
        concurrency=5,
        log_level="WARNING",
        log_format="TEXT",
        log_bodies="~/recordings",
        allow_origins=("https://pivot.claude.ai", "http://localhost:3000"),
        auto_mode_model="gemini-3.8-flash",
        accepts=frozenset({"TOKEN"}),
        team=config.TeamSettings(
            secrets=(NEW, OLD),
            plans="plans.toml",
            store="sqlite:///team.sqlite",
            serves_when_down=False,
            client_budget=True,
            revoked=("t1", "alice<2026-11-28"),
        ),
        instance="blue",
        api_url="https://api.example",
        otlp_endpoint="http://127.0.0.1:4318",
        host="[::1]",
        port=9090,
        workers=3,
        threads=20,
    )


def test_secrets_are_not_shown() -> None:
    shown = repr(read({"GEMINI_API_KEY": "s3cret", "PROXY_TOKEN": "s3cret", "PROXY_SECRET": NEW}))
    assert "s3cret" not in shown
    assert NEW not in shown


@pytest.mark.parametrize(
    ("environ", "accepts"),
    [
        ({}, {"KEY"}),
        ({"PROXY_TOKEN": "t"}, {"TOKEN"}),
        ({"PROXY_SECRET": NEW}, {"TOKEN"}),
        ({"PROXY_SECRET": NEW, "PROXY_AUTH": "token, key"}, {"TOKEN", "KEY"}),
        ({"PROXY_TOKEN": "t", "PROXY_AUTH": "KEY"}, {"KEY"}),
        ({"PROXY_PLANS": "p"}, {"KEY"}),
    ],
)
def test_what_a_caller_may_present(environ: dict[str, str], accepts: set[str]) -> None:
    assert read(environ).accepts == accepts


@pytest.mark.parametrize("name", ["PROXY_SECRET", "PROXY_PLANS", "PROXY_STORE"])
def test_team_begins_with_any_of_its_settings(name: str) -> None:
    assert read({name: NEW}).team is not None
    assert read({"PROXY_REVOKED": "t1", "PROXY_STORE_DOWN": "serve"}).team is None


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"PROXY_SECRET": f"{NEW}, short"}, "PROXY_SECRET: less than 32 characters; make one: "),
        ({"PROXY_AUTH": "keys"}, "PROXY_AUTH: expected token, or key, or token,key, got 'keys'"),
        ({"PROXY_AUTH": "token"}, "PROXY_AUTH: there are no access tokens without PROXY_SECRET"),
        (
            {"PROXY_AUTH": "token,key", "PROXY_TOKEN": "t", "GEMINI_BACKEND": "vertex"},
            "PROXY_AUTH: Vertex AI takes no keys",
        ),
        ({"PROXY_STORE_DOWN": "open"}, "PROXY_STORE_DOWN: expected one of SERVE, REFUSE, got"),
        ({"PROXY_CLIENT_BUDGET": "1"}, "PROXY_CLIENT_BUDGET: expected one of ON, OFF, got '1'"),
    ],
)
def test_bad_setting_of_a_team(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(BadSetting) as caught:
        read(environ)
    assert str(caught.value).startswith(problem)
    assert "short" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "endpoint"),
    [
        ("", "https://generativelanguage.googleapis.com"),
        ("gemini.example.com", "https://gemini.example.com"),
        ("gemini.example.com:8443/base", "https://gemini.example.com:8443/base"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("localhost:9000", "http://localhost:9000"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("localhost.example.com", "https://localhost.example.com"),
        ("https://gemini.example.com/v1beta/", "https://gemini.example.com"),
    ],
)
def test_the_endpoint_is_a_host_or_a_base_url(value: str, endpoint: str) -> None:
    assert read({"GEMINI_ENDPOINT": value}).endpoint == endpoint


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PROXY_LISTEN_ADDR", "8080", "expected host:port, got '8080'"),
        ("PROXY_LISTEN_ADDR", "localhost:http", "expected host:port, got 'localhost:http'"),
        ("PROXY_LISTEN_ADDR", "localhost:70000", "expected host:port, got 'localhost:70000'"),
        ("PROXY_WORKERS", "0", "expected a whole number above 0, got '0'"),
        ("PROXY_PING_SECONDS", "soon", "expected a number of seconds above 0, got 'soon'"),
        ("PROXY_PING_SECONDS", "0", "expected a number of seconds above 0, got '0'"),
        ("PROXY_SILENCE_SECONDS", "inf", "expected a number of seconds above 0, got 'inf'"),
        *(
            (
                "PROXY_ALLOW_ORIGINS",
                value,
                "expected origins like https://pivot.claude.ai, or '*', or 'off', "
                f"got {value.lower()!r}",
            )
            for value in ("pivot.claude.ai", "https://x/path", "null", "https://U@x")
        ),
        (
            "PROXY_LOG_LEVEL",
            "loud",
            "expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL, got 'loud'",
        ),
        ("THREADS", "many", "expected a whole number above 0, got 'many'"),
        (
            "GEMINI_SAFETY",
            "none",
            "expected one of OFF, BLOCK_NONE, BLOCK_ONLY_HIGH, BLOCK_MEDIUM_AND_ABOVE, "
            "BLOCK_LOW_AND_ABOVE, got 'none'",
        ),
        *(
            (name, value, "contains a non-ASCII or non-printable character")
            for name in config.SECRETS
            for value in ("AIza…", "AIza\nb", "a\tb")
        ),
        *(
            ("GEMINI_ENDPOINT", value, "expected a host or a base URL like https://host/path")
            for value in (
                *("ftp://x", "https://x?key=y", "https://u:p@x", "https://", "https://x:y"),
                *("http://[", "[::1", "https://x:99999"),
            )
        ),
        ("PROXY_API_URL", "ftp://x", "expected a host or a base URL like https://host/path"),
    ],
)
def test_a_bad_setting_ends_the_program_with_a_sentence(
    name: str, value: str, message: str
) -> None:
    with pytest.raises(BadSetting) as caught:
        read({name: value})
    assert str(caught.value) == f"{name}: {message}"


@pytest.mark.parametrize(
    ("value", "origins"),
    [("", ()), (" ", ()), ("off", ()), ("OFF", ()), ("*", ("*",)), ("app://x", ("app://x",))],
)
def test_origins_can_be_all_or_none(value: str, origins: tuple[str, ...]) -> None:
    assert read({"PROXY_ALLOW_ORIGINS": value}).allow_origins == origins


def test_keys_may_stand_on_lines_of_their_own() -> None:
    assert read({"GEMINI_API_KEY": "new,\n  old\n"}).api_keys == ("new", "old")


def test_the_server_gets_enough_threads_unless_set() -> None:
    environ: dict[str, str] = {}
    config.set_server_defaults(environ)
    assert environ == {"THREADS": "256"}
    for given, kept in (("8", "8"), ("", "256")):
        config.set_server_defaults(environ := {"THREADS": given})
        assert environ == {"THREADS": kept}


@pytest.mark.parametrize(("threads", "concurrency"), [("1", 1), ("2", 1), ("8", 7), ("256", 252)])
def test_a_few_threads_stay_free(threads: str, concurrency: int) -> None:
    assert read({"THREADS": threads}).concurrency == concurrency


def test_every_variable_is_read() -> None:
    read_names = set()

    class Environ(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            read_names.add(name)
            return default

    read(Environ())
    config.secret_arn(Environ())
    assert read_names == set(config.VARIABLES)
