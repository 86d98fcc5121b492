"""Signing in with an OpenID provider: the authorization code flow with PKCE (RFC 7636).

What has to be known again when the person comes back stands in a signed cookie for ten minutes: the
state that the provider returns, the nonce that it signs, the code verifier, and the page that was
wanted. A person is called by their address of mail, as their access tokens are to be.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar
from urllib.parse import urlencode

from itsdangerous import BadData

from .. import liveness, routes
from ..oidc_settings import OidcSettings
from ..team.tokens import LATEST, NAME, Token
from .id_token import GOOGLE, BadIdToken
from .oidc_provider import ALL_SECONDS, Configuration, Provider, ProviderError, error_code
from .page import Page, PageRequest, redirect
from .session import cookie_name, serializer, set_cookie

T = TypeVar("T")

COOKIE = "gemini_oidc"
COOKIE_SECONDS = 600
"""For a password, a second factor, and a consent."""

MAX_COOKIE = 4_000
"""Characters: as many as browsers keep; a page's address takes most of them."""

SALT = "gemini-messages.oidc.1"

TOKEN_ID = "oidc"
"""Of the token that a session holds whose person has presented none: to revoke it ends their
sessions."""

MAX_CODE = 4_096
"""Characters of a provider's code and state."""

MAX_CALLS = 16
"""To the provider at once, of one process: whoever comes can cause them, and each has a thread of
the server's until it ends. A provider that answers in half a second signs 30 people in a second."""

SCOPE = "openid email"

LOST = (
    "This sign-in was not begun in this browser, or more than ten minutes ago, or another one was "
    "begun since. Begin anew."
)
REFUSED = "{} has not signed you in ({})."
NOT_VERIFIED = "{} cannot be believed: {}."
NO_NAME = "An address of mail here has at most 64 letters, digits and . _ @ + -."
NO_TIME = "{} does not answer in time."
BUSY = "Too many people sign in at the moment. Try again in a few seconds."


class SignInFailed(Exception):
    """Why, as a sentence for the person."""


class Pending(NamedTuple):
    """A sign-in that has begun. expires: Unix seconds."""

    state: str
    nonce: str
    verifier: str
    next: str
    expires: int


class Oidc:
    """Of one server. keys: as those of Sessions."""

    def __init__(self, settings: OidcSettings, keys: Sequence[str]) -> None:
        self.settings = settings
        self.provider = Provider(settings)
        self._serializer = serializer(keys, SALT)
        self._calls = threading.BoundedSemaphore(MAX_CALLS)

    @property
    def name(self) -> str:
        """Of the provider, for the page."""
        return "Google" if self.settings.issuer == GOOGLE else self.provider.host

    def begin(self, request: PageRequest, target: str, now: int) -> Page:
        """To the provider. target: the page that was wanted. Raises SignInFailed."""
        configuration = self._ask(request, self.provider.configuration)
        state, nonce, verifier = (secrets.token_urlsafe(length) for length in (16, 16, 32))
        pending = Pending(state, nonce, verifier, target, now + COOKIE_SECONDS)
        digest = hashlib.sha256(pending.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": _redirect_uri(request),
            "scope": SCOPE,
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        url = configuration.authorization
        text = self._serializer.dumps(pending)
        assert isinstance(text, str)
        cookie = set_cookie(request, COOKIE, text, COOKIE_SECONDS)
        return redirect(f"{url}{'&' if '?' in url else '?'}{urlencode(query)}", cookie)

    def pending(self, request: PageRequest, now: int) -> Pending:
        """What was begun in this browser, and has come back. Raises SignInFailed."""
        text = request.cookies.get(cookie_name(request, COOKIE), "")
        try:
            pending = Pending(*self._serializer.loads(text[:MAX_COOKIE]))
        except BadData:
            raise SignInFailed(LOST) from None
        state = request.query.get("state", "")
        if (
            not hmac.compare_digest(pending.state.encode(), state.encode())
            or pending.expires <= now
        ):
            raise SignInFailed(LOST)
        return pending

    def finish(self, request: PageRequest, pending: Pending, now: int) -> Token:
        """What who has come back may do here. Raises SignInFailed."""
        configuration = self._ask(request, self.provider.configuration)
        self._check_answer(request, configuration)
        code, uri = request.query.get("code", ""), _redirect_uri(request)
        person = self._ask(
            request,
            lambda: self.provider.identify(code, pending.verifier, uri, pending.nonce, now),
        )
        if not NAME.fullmatch(person):
            raise SignInFailed(NO_NAME)
        return Token((TOKEN_ID,), person, self.settings.plan, now, LATEST)

    def _check_answer(self, request: PageRequest, configuration: Configuration) -> None:
        query = request.query
        issuer = query.get("iss")
        if issuer != self.settings.issuer and (issuer or configuration.names_itself):
            raise SignInFailed(REFUSED.format(self.name, "another issuer has answered"))
        if "error" in query or not 0 < len(query.get("code", "")) <= MAX_CODE:
            raise SignInFailed(REFUSED.format(self.name, error_code(query)))

    def _ask(self, request: PageRequest, function: Callable[[], T]) -> T:
        """What blocks, in a thread. Raises SignInFailed."""
        if not self._calls.acquire(blocking=False):
            raise SignInFailed(BUSY)

        def call() -> T:
            try:
                return function()
            finally:  # it may go on when nobody waits for it any more
                self._calls.release()

        try:
            return liveness.run(request.poller.call(call, ALL_SECONDS))
        except ProviderError as error:
            raise SignInFailed(str(error)) from None
        except BadIdToken as error:
            raise SignInFailed(NOT_VERIFIED.format(self.name, error)) from None
        except TimeoutError:
            raise SignInFailed(NO_TIME.format(self.name)) from None


def end_cookie(request: PageRequest) -> str:
    return set_cookie(request, COOKIE, "", 0)


def _redirect_uri(request: PageRequest) -> str:
    return f"{request.url}{routes.OIDC_CALLBACK}"
