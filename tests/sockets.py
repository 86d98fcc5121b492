"""Sockets for tests: connected, encrypted, wrong about themselves; and raw responses for them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"

SOON = 0.02
"""Seconds that are waited for in vain."""

LONG = 30.0
"""Seconds that nothing here takes: a test that waits for so long has found a fault."""

Pair = tuple[socket.socket, socket.socket]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"
TO_BE_CLOSED = OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"


def connected(buffer_bytes: int | None = None) -> Pair:
    """The two sides of a TCP connection on which little more than that can be on its way."""
    with socket.socket() as server:
        ours = socket.socket()
        if buffer_bytes:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        server.bind((HOST, 0))
        server.listen()
        ours.connect(server.getsockname())
        theirs, _ = server.accept()
        return ours, theirs


def fill(sock: socket.socket) -> None:
    """Write until nothing more is taken."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(bytes(65_536))


def drain(sock: socket.socket, max_bytes: int = 100_000_000) -> bytes:
    """What is there to read, or about as much of it."""
    read = b""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
        while len(read) < max_bytes and (piece := sock.recv(100_000)):
            read += piece
    return read


def join_threads(known: Collection[threading.Thread]) -> None:
    """Wait for the end of those that are new, also of those that are about to start."""
    for thread in set(threading.enumerate()).difference(known):
        while thread in threading.enumerate() and not thread.is_alive():
            time.sleep(0.001)
        thread.join(LONG / 3)
        assert not thread.is_alive()


def soon(seconds: float = SOON) -> float:
    return time.monotonic() + seconds


def make_certificate(folder: Path) -> str:
    """A file with a key and a certificate for 127.0.0.1 that nobody else trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "localhost.pem"
    path.write_bytes(secret + signed.public_bytes(Encoding.PEM))
    return str(path)


def server_context(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def encrypt(pair: Pair, certificate: str, version: Any = ssl.TLSVersion.TLSv1_3) -> Pair:
    """The two sides of a connection after the handshake."""
    theirs = server_context(certificate)
    theirs.maximum_version = version
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE
    with ThreadPoolExecutor(1) as other:
        handshake = other.submit(theirs.wrap_socket, pair[1], server_side=True)
        return ours.wrap_socket(pair[0]), handshake.result(LONG)


class Scripted(socket.socket):
    """First raises the errors, whatever it is asked; then notes how much is sent at once."""

    errors: list[OSError]
    sizes: list[int]

    def recv(self, *given: Any) -> bytes:
        if self.errors:
            raise self.errors.pop(0)
        return super().recv(*given)

    def send(self, data: Any, *given: Any) -> int:
        if self.errors:
            raise self.errors.pop(0)
        self.sizes.append(len(data))
        return super().send(data, *given)


def scripted(pair: Pair, *errors: OSError) -> tuple[Scripted, socket.socket]:
    ours = Scripted(fileno=pair[0].detach())
    ours.errors, ours.sizes = list(errors), []
    return ours, pair[1]
