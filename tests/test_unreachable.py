"""proxy/unreachable.py: what failed on the way to Gemini, in words that name the next step."""

from __future__ import annotations

import socket
import ssl

import pytest
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from proxy import unreachable
from proxy.unreachable import NETWORK
from translate import Cause

HOST = "gemini.test"
NEITHER = "If it stays so, correct GEMINI_ENDPOINT on the server."
CORRECT = "Correct GEMINI_ENDPOINT on the server."
CORRECT_PROXY = f"Correct HTTPS_PROXY on the server, or name {HOST} in NO_PROXY."
COMPANY = (
    "In a company's network, set REQUESTS_CA_BUNDLE on the server to a file with the company's CA "
    "certificate (PEM)."
)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def unresolved(number: int) -> Exception:
    reason = socket.gaierror(number, "no")
    return caused(NameResolutionError(HOST, None, reason), reason)  # type: ignore[arg-type]


def untrusted(code: int, message: str) -> Exception:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def tls(reason: str) -> Exception:
    error = ssl.SSLError(1, "failed")
    error.reason = reason
    return error


REFUSED = caused(NewConnectionError(None, "no"), ConnectionRefusedError())  # type: ignore[arg-type]
LATE = ConnectTimeoutError(None, "late")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "reason", "advice", "passes"),
    [
        (LocationParseError("x"), "not a name", CORRECT, False),
        (unresolved(socket.EAI_AGAIN), "name look-up failed for the moment",
            f"If it stays so, {NETWORK}.", True),
        (untrusted(18, "self-signed certificate"),
            "certificate verify failed (self-signed certificate)", COMPANY, False),
        (untrusted(10, "certificate has expired"),
            "certificate verify failed (certificate has expired)",
            "Set the clock of the server's machine.", False),
        (LATE, "no answer in time", CORRECT, False),
        (ReadTimeoutError(None, "/", "x"), "no answer in time", CORRECT, False),  # type: ignore[arg-type]
        (REFUSED, "connection refused", CORRECT, False),
        (ConnectionRefusedError(), "connection refused", CORRECT, False),
        (tls("WRONG_VERSION_NUMBER"), "TLS failed (wrong version number)", CORRECT, True),
        (ssl.SSLError(), "SSLError", NEITHER, True),
        (ConnectionResetError(), "ConnectionResetError", NEITHER, True),
    ],
)  # fmt: skip
def test_problem_names_the_next_step(
    error: Exception, reason: str, advice: str, passes: bool
) -> None:
    expected = unreachable.Problem(reason, advice, passes)
    assert unreachable.explain(error, HOST, "GEMINI_ENDPOINT") == expected


@pytest.mark.parametrize(
    ("setting", "step"),
    [
        ("GEMINI_ENDPOINT", "correct GEMINI_ENDPOINT on the server"),
        ("HTTPS_PROXY", f"correct HTTPS_PROXY on the server, or name {HOST} in NO_PROXY"),
        ("", NETWORK),
    ],
)
def test_unknown_name_may_be_a_network_that_is_off(setting: str, step: str) -> None:
    problem = unreachable.explain(unresolved(socket.EAI_NONAME), HOST, setting)
    advice = f"Is the server's machine offline? If not, {step}."
    assert problem == ("name not known", advice, False, Cause.OFFLINE)


@pytest.mark.parametrize(
    ("answer", "reason", "advice", "passes"),
    [
        ("407 Proxy Authentication Required", "wants a user and a password (407)",
            "Put them into HTTPS_PROXY on the server: http://user:password@host:port.", False),
        ("403 Forbidden", "refuses (403 Forbidden)", CORRECT_PROXY, False),
        ("403", "refuses (403)", CORRECT_PROXY, False),
        ("503 Service Unavailable", "refuses (503 Service Unavailable)", CORRECT_PROXY, True),
        ("403 <html>\x1b[31m", "refuses (403)", CORRECT_PROXY, False),
    ],
)  # fmt: skip
def test_http_proxy_that_refuses(answer: str, reason: str, advice: str, passes: bool) -> None:
    error = OSError(f"Tunnel connection failed: {answer}")
    problem = unreachable.explain(error, HOST, "HTTPS_PROXY")
    assert problem == (f"the HTTP proxy {reason}", advice, passes, Cause.CONNECTION)


def test_certificate_names_the_variable_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("CURL_CA_BUNDLE", "/etc/ca.pem")
    problem = unreachable.explain(untrusted(20, "unable to get local issuer."), HOST, "")
    assert "set CURL_CA_BUNDLE on" in problem.advice


def test_failure_is_found_in_its_wrapping() -> None:
    retried = MaxRetryError(None, "/", REFUSED)  # type: ignore[arg-type]
    assert unreachable.innermost(OSError("Aborted.", retried)) is REFUSED
    assert unreachable.innermost(REFUSED) is REFUSED
