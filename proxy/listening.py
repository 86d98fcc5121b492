"""The address to listen on: whether it can be had, before a server tries.

The server itself would try for seconds, and say it in a traceback.
"""

from __future__ import annotations

import errno
import socket

from .config import BadSetting, Settings

ADVICE = {
    errno.EADDRINUSE: "another program has it. Stop that, or choose another port",
    errno.EACCES: "it may not be used without more rights. Choose a port above 1023",
    errno.EADDRNOTAVAIL: "it is none of this machine's. Choose 127.0.0.1, or 0.0.0.0 for all",
}
"""Error of the system -> what it means, and what helps."""


def check_free(settings: Settings) -> None:
    """Raises BadSetting where the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host.strip("[]"), settings.port))
        except OSError as error:
            address = f"{settings.host}:{settings.port}"
            reason = ADVICE.get(error.errno or 0, error)
            raise BadSetting("PROXY_LISTEN_ADDR", f"{address} cannot be used: {reason}") from None
