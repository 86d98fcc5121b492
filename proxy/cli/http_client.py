"""Plain HTTP for the doctor: through the environment's HTTP proxy, with its certificates, and with
the server's own words for each way in which a connection fails.

Gemini itself is asked by gemini.py; this is for what that does not show, and for hosted servers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import requests

from translate import ApiError

from .. import config, outbound, unreachable

Response = requests.Response
OK = 200

MAX_BYTES = 1_000_000
"""Of an answer: whatever a stranger's server sends, the rest is not read."""

READ_BYTES = 16_384
"""At most; of a stream, each chunk as it comes."""

UNENCRYPTED = (
    "{} is asked by http: whoever is on the way there can read the access token. "
    "Use https, or a network that you trust"
)


def warn_of_clear_text(url: str) -> str:
    """Of a token that others could read; "" for https, and within this machine.

    No refusal: a server in one's own network may have no certificate, and its name does not show
    that it is there.
    """
    address = urlsplit(url)
    host = address.hostname or ""
    is_safe = address.scheme == "https" or config.is_loopback(host)
    return "" if is_safe else UNENCRYPTED.format(host)


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
    where = address = urlsplit(url).netloc.rpartition("@")[2]
    _, http_proxy = config.http_proxy(url)
    if http_proxy and not config.is_loopback(host):
        where += f" through the proxy {outbound.show(http_proxy)}"
    with requests.Session() as session, _sentences(where, address):
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
def _sentences(where: str, address: str) -> Iterator[None]:
    """An exception's own text is long, and may hold a password of the proxy's."""
    try:
        yield
    except requests.RequestException as error:
        problem = unreachable.explain(unreachable.innermost(error), address, "")
        message = f"{where} could not be reached: {problem.reason}."
        raise ApiError(502, message, cause=problem.cause) from None
