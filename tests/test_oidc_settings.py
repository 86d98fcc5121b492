"""proxy/oidc_settings.py and team/opening.py: the settings of an OpenID provider."""

from __future__ import annotations

import importlib.util

import pytest

from proxy import config
from proxy.oidc_settings import NEEDED, OidcSettings
from proxy.setting_values import BadSetting
from proxy.team import opening
from proxy.team.plans import Plans
from tests.team_stores import SECRET

GOOD = {
    "PROXY_SECRET": SECRET,
    "PROXY_OIDC_ISSUER": "https://accounts.google.com",
    "PROXY_OIDC_CLIENT_ID": "1234.apps.googleusercontent.com",
    "PROXY_OIDC_CLIENT_SECRET": "client-secret",
    "PROXY_OIDC_DOMAINS": "Example.com, @example.org",
}


def read(**environ: str) -> OidcSettings | None:
    team = config.read({**GOOD, **environ}).team
    assert team
    return team.oidc


def test_settings_are_read() -> None:
    domains = ("example.com", "example.org")
    names = GOOD["PROXY_OIDC_ISSUER"], GOOD["PROXY_OIDC_CLIENT_ID"]
    assert read() == OidcSettings(*names, "client-secret", domains, "default")
    found = read(PROXY_OIDC_PLAN="heavy", PROXY_OIDC_CLIENT_SECRET="'client-secret'")
    assert found
    assert (found.plan, found.client_secret) == ("heavy", "client-secret")
    assert "client-secret" not in repr(found)
    assert read(**dict.fromkeys(NEEDED, "")) is None


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9000/x", "http://[::1]", "https://a.test/t/"])
def test_issuer_is_kept_as_it_is(issuer: str) -> None:
    found = read(PROXY_OIDC_ISSUER=issuer)
    assert found
    assert found.issuer == issuer


@pytest.mark.parametrize("name", NEEDED)
def test_settings_are_needed_together(name: str) -> None:
    with pytest.raises(BadSetting, match=f"^{name}: is needed, too"):
        read(**{name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROXY_OIDC_ISSUER", "accounts.google.com"),
        ("PROXY_OIDC_ISSUER", "http://accounts.google.com"),
        ("PROXY_OIDC_ISSUER", "https://"),
        ("PROXY_OIDC_ISSUER", "https://[::1"),
        ("PROXY_OIDC_ISSUER", "https://a.test/?x=1"),
        ("PROXY_OIDC_ISSUER", "https://a.test/#x"),
        ("PROXY_OIDC_ISSUER", "https://name:password@a.test"),
        ("PROXY_OIDC_CLIENT_SECRET", "…"),
        ("PROXY_OIDC_DOMAINS", "*"),
        ("PROXY_OIDC_DOMAINS", "example.com,com"),
        ("PROXY_OIDC_DOMAINS", "alice@example.com"),
        ("PROXY_SECRET", ""),
    ],
)
def test_bad_settings_end_the_start(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=f"^{name}: ") as caught:
        read(**{name: value})
    assert "password" not in str(caught.value)


def test_plan_is_one_of_the_file() -> None:
    found = read()
    assert found
    opening.check_oidc(found, Plans())
    plans = opening.read_plans("[plans.default-plan]\nusd_per_day = 1")
    with pytest.raises(BadSetting, match="did you mean default-plan"):
        opening.check_oidc(found, plans)


def test_cryptography_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read()
    assert found
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadSetting, match="pip install cryptography"):
        opening.check_oidc(found, Plans())
