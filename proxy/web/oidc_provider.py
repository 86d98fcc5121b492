"""An OpenID provider over HTTP: its configuration and keys, kept for a while, and who a code stands
for. All calls block, and each has a deadline and a bound.

OpenID Connect Discovery 1.0, and Core 1.0, 3.1.3 and 5.3.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import requests
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from ..oidc_settings import OidcSettings
from ..setting_values import is_loopback
from . import id_token
from .id_token import BadIdToken, Claims, NoSuchKey

CALL_SECONDS = 5.0
"""Of one call, from the connection to the last byte: providers answer in half a second."""

ALL_SECONDS = 15.0
"""Of a sign-in, which makes four calls at most: a person waits for it."""

KEPT_SECONDS = 3_600
"""Of a configuration and its keys: providers publish a key a day before they use it."""

PAUSE_SECONDS = 10
"""Between two tries to get what could not be had, or keys anew: whoever comes must not have this
server ask without end."""

MAX_BYTES = 262_144
"""Of an answer: the largest providers publish 20 KB of keys."""

MAX_KEYS = 64
READ_BYTES = 8_192

ACCESS_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,8000}=*")
"""As it stands in a header (RFC 6750, 2.1)."""


class ProviderError(Exception):
    """What is wrong with the provider or the way to it, as a sentence."""


class Configuration(NamedTuple):
    """As the provider publishes it. userinfo: "" where it has none. takes_basic: whether a client
    may name itself by HTTP Basic. names_itself: whether its answers have `iss` (RFC 9207)."""

    authorization: str
    token: str
    keys: str
    userinfo: str
    takes_basic: bool
    names_itself: bool


class Provider:
    """Of one server. clock: in seconds."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.host = urlsplit(settings.issuer).netloc
        self._clock = clock
        self._configuration: Configuration | None = None
        self._keys: list[Any] = []
        self._configured_at = self._keys_at = 0.0
        self._failure = ""
        self._failed_at = 0.0

    def configuration(self) -> Configuration:
        """Raises ProviderError."""
        now = self._clock()
        if self._configuration and now - self._configured_at < KEPT_SECONDS:
            return self._configuration
        if self._failure and now - self._failed_at < PAUSE_SECONDS:
            raise ProviderError(self._failure)  # anew: one that is raised again grows, with frames
        issuer = self.settings.issuer
        try:
            found = self._fetch("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            self._configuration = self._read(found)
        except ProviderError as error:
            self._failure, self._failed_at = str(error), now
            raise
        self._configured_at, self._failure = now, ""
        return self._configuration

    def identify(self, code: str, verifier: str, redirect_uri: str, nonce: str, now: int) -> str:
        """The address of mail of who was given the code. now: Unix seconds. Raises ProviderError,
        BadIdToken."""
        configuration = self.configuration()
        answer = self._exchange(configuration, code, verifier, redirect_uri)
        text = answer.get("id_token")
        if not isinstance(text, str):
            raise BadIdToken("the provider has sent no ID token")
        claims = self._verify(configuration, text, nonce, now)
        if "email" not in claims and configuration.userinfo:
            claims = {**claims, **self._userinfo(configuration, answer, claims)}
        return id_token.mail(claims, self.settings.issuer, self.settings.domains)

    def _verify(self, configuration: Configuration, text: str, nonce: str, now: int) -> Claims:
        """With keys that are asked for anew where none fits."""
        settings = self.settings

        def verify(keys: list[Any]) -> Claims:
            return id_token.verify(text, keys, settings.issuer, settings.client_id, nonce, now)

        age = self._clock() - self._keys_at
        if self._keys and age < KEPT_SECONDS:
            try:
                return verify(self._keys)
            except NoSuchKey:
                if age < PAUSE_SECONDS:
                    raise
        keys = self._fetch("GET", configuration.keys).get("keys")
        if not isinstance(keys, list) or not keys or len(keys) > MAX_KEYS:
            raise ProviderError(f"{self.host} does not publish its keys as expected.")
        self._keys, self._keys_at = keys, self._clock()
        return verify(keys)

    def _exchange(
        self, configuration: Configuration, code: str, verifier: str, redirect_uri: str
    ) -> Mapping[str, Any]:
        names = self.settings.client_id, self.settings.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        headers = {}
        if configuration.takes_basic:
            pair = ":".join(quote(each, safe="") for each in names)  # RFC 6749, 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= dict(zip(("client_id", "client_secret"), names, strict=True))
        return self._fetch("POST", configuration.token, form, headers)

    def _userinfo(
        self, configuration: Configuration, answer: Mapping[str, Any], claims: Claims
    ) -> Claims:
        """Where the ID token has no address of mail: by the standard, claims of a scope are there
        (Core, 5.4)."""
        token = answer.get("access_token")
        if not isinstance(token, str) or not ACCESS_TOKEN.fullmatch(token):
            raise BadIdToken("the provider has sent no access token")
        headers = {"Authorization": f"Bearer {token}"}
        found = self._fetch("GET", configuration.userinfo, headers=headers)
        if found.get("sub") != claims["sub"]:
            raise BadIdToken("the provider's user info is about somebody else")
        return {name: found.get(name) for name in ("email", "email_verified", "hd")}

    def _read(self, found: Mapping[str, Any]) -> Configuration:
        if found.get("issuer") != self.settings.issuer:
            raise ProviderError(f"{self.host} does not call itself as PROXY_OIDC_ISSUER does.")
        given = found.get("token_endpoint_auth_methods_supported")
        methods = given if isinstance(given, list) else []
        takes_basic = "client_secret_post" not in methods or "client_secret_basic" in methods
        return Configuration(
            self._url(found, "authorization_endpoint"),
            self._url(found, "token_endpoint"),
            self._url(found, "jwks_uri"),
            self._url(found, "userinfo_endpoint") if "userinfo_endpoint" in found else "",
            takes_basic,
            found.get("authorization_response_iss_parameter_supported") is True,
        )

    def _url(self, found: Mapping[str, Any], name: str) -> str:
        value = found.get(name)
        try:
            url = urlsplit(value if isinstance(value, str) else "")
            is_safe = url.scheme == "https" or is_loopback(
                urlsplit(self.settings.issuer).hostname or ""
            )
            if is_safe and url.hostname and url.scheme in ("http", "https"):
                return url.geturl()
        except ValueError:
            pass
        raise ProviderError(f"{self.host} publishes no {name} that can be used.")

    def _fetch(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """An answer's JSON object. Raises ProviderError, which has nothing of it."""
        until = time.monotonic() + CALL_SECONDS
        sent = {"Accept": "application/json", "User-Agent": "gemini-messages", **(headers or {})}
        try:
            with requests.request(
                method,
                url,
                data=form,
                headers=sent,
                auth=lambda request: request,  # else a netrc file would name somebody
                timeout=CALL_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = self._body(response, until)
        except (requests.Timeout, Urllib3Timeout):
            raise ProviderError(f"{self.host} does not answer in time.") from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise ProviderError(
                f"{self.host} cannot be reached ({type(error).__name__})."
            ) from None
        return self._decode(response.status_code, body)

    def _body(self, response: requests.Response, until: float) -> bytes:
        body = b""
        while piece := response.raw.read1(READ_BYTES, decode_content=True):
            body += piece
            if len(body) > MAX_BYTES:
                raise ProviderError(f"{self.host} answers with more than {MAX_BYTES // 1024} KB.")
            if time.monotonic() > until:
                raise ProviderError(f"{self.host} does not answer in time.")
        return body

    def _decode(self, status: int, body: bytes) -> Mapping[str, Any]:
        try:
            decoded = json.loads(body)
        except (ValueError, RecursionError):
            decoded = None
        if not isinstance(decoded, dict):
            raise ProviderError(f"{self.host} answers with HTTP {status} and no JSON.")
        if status != 200:
            raise ProviderError(
                f"{self.host} refuses it with HTTP {status} ({error_code(decoded)})."
            )
        return decoded


def error_code(answer: Mapping[str, Any]) -> str:
    """The standard's word for what is wrong, and no other text of the provider's."""
    code = answer.get("error")
    is_code = isinstance(code, str) and len(code) <= 40 and code.replace("_", "").isalpha()
    return str(code) if is_code and str(code).isascii() else "no reason given"
