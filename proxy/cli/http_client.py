"""Plain HTTP for the doctor: through the environment's HTTP proxy, with its certificates, and with
a sentence for each way in which a connection fails.

Gemini itself is asked by gemini.py; this is for what that does not show, and for hosted servers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import requests

from translate import ApiError, Cause

from .. import config

Response = requests.Response
OK = 200

MAX_BYTES = 1_000_000
"""Of an answer: whatever a stranger's server sends, the rest is not read."""

READ_BYTES = 16_384
"""At most; of a stream, each chunk as it comes."""

SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (requests.exceptions.SSLError, "the certificate of {host} is not trusted here"),
    (requests.exceptions.ProxyError, "the HTTP proxy does not let through to {host}"),
    (requests.exceptions.Timeout, "{host} did not answer in time"),
    (requests.exceptions.ConnectionError, "{host} could not be reached"),
    (requests.exceptions.RequestException, "{host} could not be asked"),
)
"""An exception, the first that fits, and what it means. Its own text is long, and may hold a
password of the proxy's."""


@contextlib.contextmanager
def request(
    method: str,
    url: str,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Iterator[Response]:
    """The response, of which only the head is read. Raises ApiError.

    seconds: to connect in, and between two reads. No redirect is followed with a token in hand.
    """
    host = urlsplit(url).hostname or ""
    with requests.Session() as session, _sentences(urlsplit(url).netloc.rpartition("@")[2]):
        session.trust_env = not config.is_loopback(host)
        session.auth = lambda prepared: prepared  # or there would be one from ~/.netrc
        session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
        response = session.request(
            method,
            url,
            data=body,
            headers=headers,
            timeout=seconds,
            stream=True,
            allow_redirects=False,
        )
        with response:
            yield response


def reads(response: Response) -> Iterator[bytes]:
    """The body as it arrives, up to a bound."""
    left = MAX_BYTES
    for piece in response.iter_content(READ_BYTES):
        yield piece
        left -= len(piece)
        if left <= 0:
            return


@contextlib.contextmanager
def _sentences(host: str) -> Iterator[None]:
    try:
        yield
    except requests.RequestException as error:
        sentence = next(text for kind, text in SENTENCES if isinstance(error, kind))
        raise ApiError(502, f"{sentence.format(host=host)}.", cause=Cause.CONNECTION) from None
