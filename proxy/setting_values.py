"""What a variable's value may be: each form has a reader here, which ends the program with a
sentence for any other.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


class BadSetting(SystemExit):
    """A variable has a value that cannot be used; ends the program with a sentence."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "127.0.0.1" or host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def read_secret(name: str, value: str) -> str:
    """A value that travels in a header."""
    if not (value.isascii() and value.isprintable()):
        raise BadSetting(name, "contains a non-ASCII or non-printable character")
    return value


def read_choice(name: str, value: str, choices: tuple[str, ...]) -> str | None:
    choice = value.upper()
    if choice and choice not in choices:
        raise BadSetting(name, f"expected one of {', '.join(choices)}, got {value!r}")
    return choice or None


def read_count(name: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise BadSetting(name, f"expected a whole number above 0, got {value!r}")
    return int(value)


def read_seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise BadSetting(name, f"expected a number of seconds above 0, got {value!r}")
    return seconds


def read_list(value: str) -> tuple[str, ...]:
    """A comma-separated value -> its items."""
    return tuple(item for part in value.split(",") if (item := part.strip()))


def read_address(name: str, value: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port`."""
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise BadSetting(name, f"expected host:port, got {value!r}")
    return host, int(port)


def read_base_url(name: str, value: str, version: str) -> str:
    """A host or a base URL -> a base URL; a bare host gets https, this machine http. version: of an
    API, such as "/v1", which may stand at its end."""
    if not value:
        return ""
    try:
        url = urlsplit(value if "://" in value else f"//{value}")
        is_base = bool(url.hostname) and url.port != 0 and not (url.query or url.username)
    except ValueError:  # of brackets, or a port
        is_base = False
    scheme = is_base and (url.scheme or ("http" if is_loopback(url.hostname or "") else "https"))
    if scheme not in ("http", "https"):
        raise BadSetting(name, "expected a host or a base URL like https://host/path")
    return f"{scheme}://{url.netloc}{url.path}".rstrip("/").removesuffix(version)
