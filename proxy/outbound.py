"""The way to Google out of this machine's network, as the environment has it: checked at the start.

requests reads a file of CA certificates and an HTTP proxy from the same variables; what is wrong
with them it only finds with the first request, and says it in an exception's name.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit

from .config import BadSetting, ca_file, http_proxy, is_loopback

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
WANTED = "name a file of CA certificates in PEM form, or unset it"
PROXY_WANTED = "expected an HTTP proxy like http://host:3128"


def check(url: str) -> None:
    """Raises BadSetting where Google at this URL could never be reached."""
    address = urlsplit(url)
    if is_loopback(address.hostname or ""):
        return
    check_proxy(*http_proxy(url))
    if address.scheme == "https":
        check_certificates(*ca_file())


def check_certificates(name: str, path: str) -> None:
    """Raises BadSetting for a file that cannot be read, or not to its end. A folder is taken."""
    if not path or Path(path).is_dir():
        return
    try:
        text = Path(path).read_bytes().decode("ascii", "replace")
    except OSError as error:
        raise BadSetting(name, f"{path} cannot be read ({error.strerror}): {WANTED}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        pass
    else:
        return
    begun = text.split(BEGIN)[1:]
    if not begun:
        raise BadSetting(name, f"{path} holds no certificate: {WANTED}")
    for number, certificate in enumerate(begun, 1):
        if not _is_readable(context, certificate):
            problem = f"certificate {number} of {len(begun)} in {path} cannot be read"
            raise BadSetting(name, f"{problem}: write the file anew, or unset it")
    raise BadSetting(name, f"{path} cannot be read as certificates: {WANTED}")


def _is_readable(context: ssl.SSLContext, certificate: str) -> bool:
    """certificate: what stands behind its BEGIN, up to the next one's."""
    content, end, _ = certificate.partition(END)
    try:
        context.load_verify_locations(cadata=f"{BEGIN}{content}{END}\n")
    except (ssl.SSLError, ValueError):
        return False
    return bool(end)


def check_proxy(name: str, value: str) -> None:
    """Raises BadSetting for what is no HTTP proxy; its address may hold a password: it is not
    shown."""
    if not value:
        return
    try:
        proxy = urlsplit(value if "://" in value else f"http://{value}")
        is_complete = bool(proxy.hostname) and (proxy.port or 1) > 0
    except ValueError:
        is_complete = False
    if not is_complete:
        raise BadSetting(name, PROXY_WANTED)
    if proxy.scheme not in ("http", "https"):
        raise BadSetting(name, f"{PROXY_WANTED}; {proxy.scheme} is not supported")


def show(proxy_url: str) -> str:
    """A proxy's address without its user and password, whether it can be read or not."""
    scheme, _, rest = (proxy_url if "://" in proxy_url else f"http://{proxy_url}").partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('/')[0]}"
