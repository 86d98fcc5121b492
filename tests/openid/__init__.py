"""A real OpenID provider on this machine, oidc-provider from npm, and the settings to sign in
with it.
"""

from __future__ import annotations

import contextlib
import html
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import requests

from tests import npm

FOLDER = Path(__file__).parent
CLIENT_SECRET = "a secret: with + & more"
STOP_SECONDS = 30


@contextlib.contextmanager
def provider(
    redirect_uri: str, algorithm: str = "RS256", *, is_strict: bool = False
) -> Iterator[str]:
    """Its issuer. is_strict: whether the address of mail is in the user info only. Skips the test
    where npm is missing."""
    script = npm.project(FOLDER) / "provider.mjs"
    command = ["node", str(script), redirect_uri, algorithm, "strict" if is_strict else ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().decode().strip()
        finally:
            process.kill()
            process.wait(STOP_SECONDS)


def settings(issuer: str) -> dict[str, str]:
    return {
        "PROXY_OIDC_ISSUER": issuer,
        "PROXY_OIDC_CLIENT_ID": "proxy",
        "PROXY_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "PROXY_OIDC_DOMAINS": "example.com, example.org",
        "PROXY_OIDC_PLAN": "standard",
    }


def sign_in(url: str, person: str, back: str) -> str:
    """What a person does at the provider, from the URL that they were sent to; where they are sent
    then, which begins with `back`."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(url, allow_redirects=False)
        for _ in range(20):
            if location := answer.headers.get("Location"):
                if location.startswith(back):
                    return location
                answer = session.get(urljoin(answer.url, location), allow_redirects=False)
                continue
            fields = dict(
                re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)"', answer.text)
            )
            (action,) = re.findall(r'<form[^>]* action="([^"]+)"', answer.text)
            if 'name="login"' in answer.text:
                fields |= {"login": person, "password": "any"}
            answer = session.post(
                urljoin(answer.url, html.unescape(action)), data=fields, allow_redirects=False
            )
    raise AssertionError("the provider does not send anybody back")
