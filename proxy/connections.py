"""Connections of requests and urllib3 on which one waits visibly (see waiting.py).

Knows where http.client reads from its socket, head and body, plain and encrypted, and how its
classes are put in place: by the class attributes that are there for it. It refuses to know what
is read.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from . import waiting


class Patient(io.RawIOBase):
    """The reading side of a socket, on which one waits visibly."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._seconds = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As of a socket with a timeout; while it waits, the rest of the thread can go on.

        The socket does not block meanwhile: what is there is read at once, and with encryption
        what has come may be no data (a part of a record, or one of the tickets of TLS 1.3).
        """
        if not waiting.is_seen():
            return self._raw.readinto(buffer)
        given = self._sock.gettimeout()
        if given != 0:
            self._seconds = given
            self._sock.settimeout(0)
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                size = self._raw.readinto(buffer)
                if size is not None:
                    return size
            if not waiting.until_readable(self._sock, self._seconds):
                raise TimeoutError("nothing to read")

    def close(self) -> None:
        if self._sock.fileno() >= 0 and self._sock.gettimeout() == 0:
            self._sock.settimeout(self._seconds)
        self._raw.close()
        super().close()


class PatientResponse(http.client.HTTPResponse):
    """http.client's response, its head and its body read through Patient."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(Patient(sock, self.fp.detach()))


class PatientConnection(HTTPConnection):
    response_class = PatientResponse


class PatientSecureConnection(HTTPSConnection):
    response_class = PatientResponse


class PatientPool(urllib3.HTTPConnectionPool):
    ConnectionCls = PatientConnection


class PatientSecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = PatientSecureConnection


class PatientAdapter(HTTPAdapter):
    """Connections of the classes above, with and without somebody's HTTP_PROXY."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **more: Any) -> Any:
        manager = super().proxy_manager_for(*args, **more)
        manager.pool_classes_by_scheme = POOLS
        return manager


POOLS = {"http": PatientPool, "https": PatientSecurePool}
