"""Connections of requests and urllib3 on which one waits visibly (see waiting.py).

Knows where http.client reads from its socket, head and body, plain and encrypted, and how its
classes are put in place: by the class attributes that are there for it. It refuses to know what
is read.
"""

from __future__ import annotations

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

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        seconds = self._sock.gettimeout()
        while waiting.until_readable(self._sock, seconds):
            if not (isinstance(self._sock, ssl.SSLSocket) and waiting.is_seen()):
                return self._raw.readinto(buffer)
            # What has come may be no data: a part of a record, or a ticket for another connection
            # (TLS 1.3 sends two right away). A read that blocks would wait on, and not be seen to.
            self._sock.settimeout(0)
            try:
                return self._raw.readinto(buffer)
            except ssl.SSLWantReadError:
                continue
            finally:
                self._sock.settimeout(seconds)
        raise TimeoutError("nothing to read")

    def close(self) -> None:
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
