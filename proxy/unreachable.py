"""Why a host could not be reached: what an exception means for a person, and what helps.

The exceptions' own texts name classes and sockets, and may hold the password of an HTTP proxy.
"""

from __future__ import annotations

import re
import socket
import ssl
from typing import NamedTuple

from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    ReadTimeoutError,
)

from translate import Cause

from . import config

TUNNEL = re.compile(r"Tunnel connection failed: (\d{3}) ?([\w ,.'-]{0,80})")
"""How http.client says what an HTTP proxy has answered."""

LOGIN_REQUIRED, SERVER_ERRORS = 407, 500
NETWORK = (
    "check the network of the server's machine (in a company's, HTTPS_PROXY names the way out)"
)

EXPIRED = 10
"""OpenSSL's number for a certificate that has expired (x509_vfy.h)."""


class Problem(NamedTuple):
    """reason: in some words. advice: a sentence. passes: whether it may pass by itself, so that a
    client that tries again may succeed; else it only makes a person wait."""

    reason: str
    advice: str
    passes: bool = True
    cause: Cause = Cause.CONNECTION


def explain(error: Exception, address: str, setting: str) -> Problem:
    """What has failed on the way to an address.

    setting: the variable that leads there, or through the HTTP proxy on the way; "" where none
    does.
    """
    correct = f"correct {setting} on the server" if setting else NETWORK
    if setting.upper().endswith("_PROXY"):
        correct += f", or name {address} in NO_PROXY"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_problem(error)
    if isinstance(error, (NameResolutionError, LocationParseError)):
        return _name_problem(error, correct)
    if tunnel := TUNNEL.match(str(error)):
        return _tunnel_problem(int(tunnel[1]), tunnel[2], setting, correct)
    # NewConnectionError, of a refused connection, is a ConnectTimeoutError too.
    if type(error) in (ConnectTimeoutError, ReadTimeoutError):
        return Problem("no answer in time", _sentence(correct), passes=False)
    if isinstance(error.__cause__ or error, ConnectionRefusedError):
        return Problem("connection refused", _sentence(correct), passes=False)
    if isinstance(error, ssl.SSLError) and (reason := getattr(error, "reason", "")):
        shown = reason.lower().replace("_", " ")
        return Problem(f"TLS failed ({shown})", _sentence(correct))
    return Problem(type(error).__name__, f"If it stays so, {correct}.")


def innermost(error: Exception) -> Exception:
    """The failure itself, which requests and urllib3 have wrapped: as an argument of another
    exception, or as `reason` of a MaxRetryError."""
    inner: Exception | None = error
    while inner is not None:
        error = inner
        held = (getattr(error, "reason", None), *error.args)
        inner = next((each for each in held if isinstance(each, Exception)), None)
    return error


def _certificate_problem(error: ssl.SSLCertVerificationError) -> Problem:
    reason = f"certificate verify failed ({error.verify_message.rstrip('.')})"
    if error.verify_code == EXPIRED:
        return Problem(reason, "Set the clock of the server's machine.", passes=False)
    name = config.ca_file()[0] or config.CA_VARIABLES[0]
    advice = (
        f"In a company's network, set {name} on the server to a file with the company's CA "
        "certificate (PEM)."
    )
    return Problem(reason, advice, passes=False)


def _name_problem(error: Exception, correct: str) -> Problem:
    """The system tells a name that is not known from a look-up that failed for the moment."""
    if isinstance(error, LocationParseError):
        return Problem("not a name", _sentence(correct), passes=False)
    cause = error.__cause__
    if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN:
        return Problem("name look-up failed for the moment", f"If it stays so, {NETWORK}.")
    advice = f"Is the server's machine offline? If not, {correct}."
    return Problem("name not known", advice, passes=False, cause=Cause.OFFLINE)


def _tunnel_problem(status: int, reason: str, setting: str, correct: str) -> Problem:
    if status == LOGIN_REQUIRED:
        advice = f"Put them into {setting} on the server: http://user:password@host:port."
        return Problem("the HTTP proxy wants a user and a password (407)", advice, passes=False)
    shown = f"the HTTP proxy refuses ({status} {reason.strip()}".strip()
    return Problem(f"{shown})", _sentence(correct), passes=status >= SERVER_ERRORS)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
