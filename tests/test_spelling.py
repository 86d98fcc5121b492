"""proxy/spelling.py: slips in settings are said, and what may be right is left alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from proxy import config, spelling
from proxy.config import BadSetting
from translate.models import FORMER, TABLE


@pytest.mark.parametrize(
    ("environ", "warnings"),
    [
        ({}, []),
        (dict.fromkeys(config.VARIABLES, "1"), []),
        (
            {"PROXY_PNIG_SECONDS": "5"},
            ["PROXY_PNIG_SECONDS is not a setting; did you mean PROXY_PING_SECONDS?"],
        ),
        ({"PROXY_MADE_UP": "5"}, ["PROXY_MADE_UP is not a setting"]),
        (
            {"GEMINI_API_KEYS": "secret"},
            ["GEMINI_API_KEYS is not a setting; did you mean GEMINI_API_KEY?"],
        ),
        ({"GEMINI_CLI_HOME": "x", "HTTP_PROXY": "x", "ANTHROPIC_BASE_URL": "x", "PATH": "x"}, []),
        (
            {"GEMINI_API_KEY": '"secret"', "PROXY_TOKEN": " 'secret' "},
            [
                "GEMINI_API_KEY: the quotes around its value are left out",
                "PROXY_TOKEN: the quotes around its value are left out",
            ],
        ),
        (
            {"GEMINI_API_KEY": "'secret', 'secret'"},
            ["GEMINI_API_KEY: the quotes around its value are left out"],
        ),
        ({"GEMINI_API_KEY": "'secret", "PROXY_TOKEN": '"'}, []),
    ],
)
def test_slips_are_told_without_values(environ: dict[str, str], warnings: list[str]) -> None:
    assert config.warnings(environ) == warnings
    assert "secret" not in "".join(warnings)


@pytest.mark.parametrize(
    ("value", "keys"),
    [('"a"', ("a",)), ("'a', 'b'", ("a", "b")), ('"a,b"', ("a", "b")), ('"a', ('"a',))],
)
def test_quotes_around_keys_are_left_out(value: str, keys: tuple[str, ...]) -> None:
    assert config.read({"GEMINI_API_KEY": value}).api_keys == keys


def test_quotes_around_the_token_are_left_out() -> None:
    assert config.read({"PROXY_TOKEN": '"token"'}).token == "token"


RIGHT = (
    *TABLE,
    *FORMER,
    *("gemini-5-helium", "gemini-9-flash", "gemini-4.5-pro-preview-11-2026", "gemini-flash-latest"),
    *("gemma-4-27b-it", "learnlm-2.0-flash-experimental", "GEMINI-4-Neon", "gemini-4-neon[1m]"),
    *("claude-gemini-4-neon", "anthropic/gemini-4-neon", "models/gemini-4-hydrogn"),
    *("claude-opus-5", "opus", "sonnet", "Haiku", "opusplan", "default", "best", "opus[1m]"),
)


@pytest.mark.parametrize("value", RIGHT)
def test_model_that_may_exist_is_taken(value: str) -> None:
    settings = config.read({"ANTHROPIC_MODEL": value, "GEMINI_FALLBACK_MODELS": value})
    assert settings.model_settings == {"ANTHROPIC_MODEL": value}
    assert settings.fallbacks == (value,)


@pytest.mark.parametrize(
    ("value", "suggestion"),
    [
        ("gemini-4-hydrogn", "gemini-4-hydrogen"),
        ("gemini-4-hydorgen", "gemini-4-hydrogen"),
        ("gemnii-4-neon", "gemini-4-neon"),
        ("gemini4-hydrogen", "gemini-4-hydrogen"),
        ("gemini-3.5-flsh-lite", "gemini-3.5-flash-lite"),
        ("gemini-9-flsh", "gemini-3.8-flash"),
        ("Gemini-4-Hydrogn[1m]", "gemini-4-hydrogen"),
        ("'gemini-4-neon'", "gemini-4-neon"),
        ("gpt-5", "gemini-4-hydrogen"),
        ("gemini-3-8-flash", "gemini-3.8-flash"),
        ("neon", "gemini-4-neon"),
        ("some-model", ""),
        ("haiku-poet", ""),
    ],
)
@pytest.mark.parametrize("name", [*config.MODEL_VARIABLES, "GEMINI_FALLBACK_MODELS"])
def test_typo_in_a_model_ends_the_start(name: str, value: str, suggestion: str) -> None:
    with pytest.raises(BadSetting) as caught:
        config.read({name: f"gemini-4-neon,{value}" if "FALLBACK" in name else value})
    message = str(caught.value)
    assert message.startswith(f"{name}: {value!r} is not a Gemini model")
    assert ("did you mean" in message) == bool(suggestion)
    if suggestion:
        assert f"; did you mean {suggestion}?" in message


def test_every_word_of_a_model_is_known() -> None:
    assert [name for name in (*TABLE, *FORMER) if spelling.problem_of_model(name)] == []


def test_slips_are_told_at_the_start(
    make_client: Callable[..., FlaskClient], capsys: pytest.CaptureFixture[str]
) -> None:
    make_client(GEMINI_API_KEY='"secret"')
    assert capsys.readouterr().err == (
        "gemini-messages: GEMINI_API_KEY: the quotes around its value are left out\n"
    )
    make_client()
    assert capsys.readouterr().err == ""
