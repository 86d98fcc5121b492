"""proxy/outbound.py: what is wrong with the way to Google is said at the start."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from proxy import config, outbound
from proxy.config import BadSetting
from proxy.gemini import Gemini
from tests.sockets import make_certificate
from translate import ApiError

GOOGLE = "https://generativelanguage.googleapis.com"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *map(str.upper, NAMES), *config.CA_VARIABLES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    text = Path(make_certificate(tmp_path)).read_text()
    return text[text.index(outbound.BEGIN) :]


def problem(name: str, path: Path) -> str:
    with pytest.raises(BadSetting) as caught:
        outbound.check_certificates(name, str(path))
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    return message.removeprefix(f"{name}: ")


# --- Certificates -----------------------------------------------------------------------------


def test_certificates_that_can_be_read_are_taken(certificate: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(f"A comment\n{certificate}\n{certificate}")
    for path in ("", str(tmp_path), str(file)):
        outbound.check_certificates("REQUESTS_CA_BUNDLE", path)


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (lambda text: text + text[:300], "certificate 2 of 2 in {} cannot be read"),
        (lambda text: text[:300] + text, "certificate 1 of 2 in {} cannot be read"),
        (lambda text: text + text.replace("MII", "M*I"), "certificate 2 of 2 in {} cannot be read"),
        (lambda text: text.replace("\n", "\nx", 2), "certificate 1 of 1 in {} cannot be read"),
        (lambda text: "", "{} holds no certificate"),
        (lambda text: "-----BEGIN PRIVATE KEY-----\nMIIB\n", "{} holds no certificate"),
        (lambda text: "\xff\xfe", "{} holds no certificate"),
    ],
)
def test_half_a_file_of_certificates_is_refused(
    cut: object, expected: str, certificate: str, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(cut(certificate))  # type: ignore[operator]
    assert problem("CURL_CA_BUNDLE", file).startswith(expected.format(file))


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert problem("REQUESTS_CA_BUNDLE", tmp_path / "no") == (
        f"{tmp_path / 'no'} cannot be read (No such file or directory): "
        "name a file of CA certificates in PEM form, or unset it"
    )


def test_file_that_only_openssl_refuses(
    certificate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(certificate)

    class Context(ssl.SSLContext):
        def load_verify_locations(self, cafile: object = None, **given: object) -> None:  # type: ignore[override]
            if cafile:
                raise ssl.SSLError

    monkeypatch.setattr(ssl, "SSLContext", Context)
    assert problem("REQUESTS_CA_BUNDLE", file).startswith(f"{file} cannot be read as certificates")


# --- Proxies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["http://host:3128", "host:3128", "https://u:p@host", "HTTP://[::1]:3128", ""]
)
def test_http_proxy_is_taken(value: str) -> None:
    outbound.check_proxy("HTTPS_PROXY", value)


@pytest.mark.parametrize(
    ("value", "more"),
    [
        ("socks5://secret:secret@host:1", "; socks5 is not supported"),
        ("http://:3128", ""),
        ("http://host:secret", ""),
        ("http://host:99999", ""),
        ("http://[secret", ""),
        ("://", ""),
    ],
)
def test_what_is_no_http_proxy_is_refused(value: str, more: str) -> None:
    with pytest.raises(BadSetting) as caught:
        outbound.check_proxy("HTTPS_PROXY", value)
    assert str(caught.value) == f"HTTPS_PROXY: {outbound.PROXY_WANTED}{more}"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "x"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "x", "https_proxy": "y"}, "https_proxy"),
        ({"HTTP_PROXY": "x"}, ""),
        ({"ALL_PROXY": "x"}, "ALL_PROXY"),
        ({"HTTPS_PROXY": "x", "NO_PROXY": "a.example, .googleapis.com"}, ""),
        ({"HTTPS_PROXY": "x", "no_proxy": "*"}, ""),
    ],
)
def test_proxy_is_the_one_requests_takes(environ: dict[str, str], name: str) -> None:
    assert config.http_proxy(GOOGLE, environ) == (name, environ.get(name, ""))


@pytest.mark.parametrize(
    ("url", "is_checked"),
    [(GOOGLE, True), ("http://gemini.example", False), ("https://127.0.0.1:1", False)],
)
def test_only_what_is_on_the_way_is_checked(
    url: str, is_checked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/none")
    if is_checked:
        with pytest.raises(BadSetting, match="REQUESTS_CA_BUNDLE"):
            outbound.check(url)
    else:
        outbound.check(url)


def test_error_behind_a_proxy_names_it_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@127.0.0.1:9")
    endpoint = type("Endpoint", (), {"base_url": GOOGLE})()
    error: ApiError = Gemini(endpoint, 1, None, None)._unreachable(  # type: ignore[arg-type]
        OSError("Tunnel connection failed: 407 Proxy Authentication Required")
    )
    host = GOOGLE.removeprefix("https://")
    assert error.message == (
        f"Gemini could not be reached at {host} through the proxy http://127.0.0.1:9: the HTTP "
        "proxy wants a user and a password (407). Put them into HTTPS_PROXY on the server: "
        "http://user:password@host:port."
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://me:s3cret@host:3128/path", "http://host:3128"),
        ("me:s3cret@host:3128", "http://host:3128"),
        ("http://me:s3/cret@host", "http://host"),
        ("http://me:s3://cret@host", "http://host"),
        ("http://me:s3cret@[", "http://["),
    ],
)
def test_proxy_is_shown_without_its_password(value: str, shown: str) -> None:
    """Also one that cannot be read: somebody asks what is wrong."""
    assert outbound.show(value) == shown
