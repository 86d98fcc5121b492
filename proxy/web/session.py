"""Who is signed in, in a cookie that the server signs and keeps nowhere, and what shows that a form
was sent by a page of this server.

The cookie holds what a token says of its person, not the token; it ends with it, and is revoked
with it. A form is taken from a page of this server only (Sec-Fetch-Site or, from older browsers,
Origin), with a text that is signed for the session that it was made in.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from itsdangerous import BadData, Signer, URLSafeSerializer
from markupsafe import Markup
from werkzeug.datastructures import Headers
from werkzeug.http import dump_cookie

from translate import ApiError

from .. import cors
from ..team import tokens
from ..team.tokens import BadToken, Token
from .page import PageRequest

MAX_SECONDS = 8 * 3_600
"""A day's work: who has left a machine is signed out on it by the next day."""

MAX_COOKIE = 1_500
"""Characters: the longest names in all of its fields take 900."""

SALT, CSRF_SALT = "gemini-messages.session.1.", b"gemini-messages.form"
"""The number is that of the fields: an older cookie signs nobody in."""

NAME = "gemini_session"
HTTPS_PREFIX = "__Host-"
"""A browser takes a cookie whose name begins so from this host alone, by https alone (RFC 6265bis,
4.1.3.2)."""

CSRF = "csrf"
"""The field of a form."""

OWN_SITE = ("same-origin", "none")
"""Sec-Fetch-Site of what a page of this server has sent, or a person by hand."""

FOREIGN_FORM = (
    "The form was sent by a page of another site. Open the page on this server, and try again."
)
OLD_FORM = "The form is not of this session: open the page again, and repeat what you did."


@dataclass(frozen=True)
class Session:
    """Of a person who is signed in. ids, issued: of the token they have signed in with, see
    tokens.Token. started, expires, token_expires: Unix seconds. nonce: no other session has it.
    secret: the fingerprint of what has signed the token, or would."""

    ids: tuple[str, ...]
    person: str
    plan: str
    group: str
    issued: int
    started: int
    expires: int
    token_expires: int
    nonce: str
    secret: str

    @property
    def token(self) -> Token:
        """What they may: that of the token, until the session ends. Restrictions to some models
        are not in it, as no page asks one."""
        return Token(self.ids, self.person, self.plan, self.issued, self.expires, self.group)


class Account(NamedTuple):
    """What account.html shows on a page of who is signed in. csrf_field: see Sessions."""

    person: str
    csrf_field: Markup


class Sessions:
    """Signs and reads them. keys: any may have signed, the first signs. A session ends when the
    secret is gone that has signed its token. shared_token: PROXY_TOKEN; who has signed in with one
    that was replaced is not signed in any more."""

    def __init__(self, keys: Sequence[str], shared_token: str) -> None:
        self._keys = list(reversed(keys))  # as itsdangerous has them: the last signs
        self._fingerprints = {fingerprint(key): key for key in self._keys}
        kind = hashlib.sha256(shared_token.encode()).hexdigest()
        self._serializer = serializer(keys, SALT + kind)

    def start(self, token: Token, now: int, text: str = "") -> Session:
        """text: of the token; "" for one that nobody has presented."""
        expires = min(now + MAX_SECONDS, token.expires)
        nonce = secrets.token_urlsafe(12)
        names = token.ids, token.person, token.plan, token.group
        secret = fingerprint(self._signer(text, now))
        return Session(*names, token.issued, now, expires, token.expires, nonce, secret)

    def secret(self, session: Session) -> str:
        """What has signed the token that a session began with."""
        return self._fingerprints[session.secret]

    def _signer(self, text: str, now: int) -> str:
        for key in self._keys:
            with contextlib.suppress(BadToken):
                tokens.verify(text, [key], now)
                return key
        return self._keys[-1]

    def read(self, request: PageRequest, now: int) -> Session | None:
        """None for whatever is not one of ours, or has ended."""
        text = request.cookies.get(cookie_name(request, NAME), "")
        if not text or len(text) > MAX_COOKIE:
            return None
        try:
            fields = self._serializer.loads(text)
        except BadData:
            return None
        session = Session(**{**fields, "ids": tuple(fields["ids"])})
        is_good = session.expires > now and session.secret in self._fingerprints
        return session if is_good else None

    def cookie(self, session: Session, request: PageRequest, now: int) -> str:
        """The header Set-Cookie that signs in."""
        text = self._serializer.dumps(asdict(session))
        assert isinstance(text, str)
        return set_cookie(request, NAME, text, session.expires - now)

    def csrf_field(self, session: Session) -> Markup:
        """For each form of a page that acts."""
        text = Markup('<input type="hidden" name="{}" value="{}">')
        return text.format(CSRF, self._csrf_signer().get_signature(session.nonce).decode())

    def check_csrf(
        self, request: PageRequest, session: Session | None, form: Mapping[str, str]
    ) -> None:
        """session: None for who presents a token in a header, as no other site's page can. Raises
        ApiError 403."""
        check_origin(request.headers)
        if session is None:
            return
        given = form.get(CSRF, "")
        if not self._csrf_signer().verify_signature(session.nonce, given.encode()):
            raise ApiError(403, OLD_FORM, retry=False)

    def _csrf_signer(self) -> Signer:
        return Signer(self._keys, CSRF_SALT, key_derivation="hmac", digest_method=hashlib.sha256)


def fingerprint(secret: str) -> str:
    """No way back to a secret."""
    return hashlib.sha256(f"gemini-messages.fingerprint.{secret}".encode()).hexdigest()[:8]


def end_cookie(request: PageRequest) -> str:
    """The header Set-Cookie that signs out."""
    return set_cookie(request, NAME, "", 0)


def check_origin(headers: Headers) -> None:
    """Raises ApiError 403 for a form that a page of another site has sent."""
    site = headers.get("Sec-Fetch-Site")
    if cors.is_foreign(headers) if site is None else site not in OWN_SITE:
        raise ApiError(403, FOREIGN_FORM, retry=False)


def is_navigation(headers: Headers) -> bool:
    """Whether a person opens a page, or a page of this server asks. What pages of other sites load
    has no cookie from here, even if it comes with one."""
    site = headers.get("Sec-Fetch-Site", "none")
    return site in OWN_SITE or headers.get("Sec-Fetch-Mode") == "navigate"


def serializer(keys: Sequence[str], salt: str) -> URLSafeSerializer:
    """keys: the first signs, all verify."""
    return URLSafeSerializer(
        list(reversed(keys)),  # as itsdangerous has them: the last signs
        salt,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def cookie_name(request: PageRequest, name: str) -> str:
    return f"{HTTPS_PREFIX}{name}" if request.is_https else name


def set_cookie(request: PageRequest, name: str, text: str, seconds: int) -> str:
    """The header Set-Cookie. seconds: until it is dropped, 0 for now."""
    return dump_cookie(
        cookie_name(request, name),
        text,
        max_age=seconds,
        path="/",
        secure=request.is_https,
        httponly=True,
        samesite="Lax",
    )
