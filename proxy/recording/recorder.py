"""PROXY_LOG_BODIES: each exchange as a folder of files, for a bug report.

A recording is what tests/golden.py replays: the client's request, each request to Gemini with what
came back, and what the client got. No header of the client is in it, and no known key.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from .. import __version__, auth, config
from ..config import BadSetting, Settings, is_loopback
from ..gemini import Gemini
from ..request_log import RequestLog, log
from .exchange import Recording
from .gemini import RecordingGemini
from .redaction import MIN_LENGTH

NAME = "PROXY_LOG_BODIES"

MAX_EXCHANGES = 200
"""In the folder; then the oldest go. Each request holds the whole conversation before it: what a
report is about stands in the last ones."""

MAX_KEPT_BYTES = 500_000_000
"""Of all of them: five of the largest."""

MAX_HELD_BYTES = 100_000_000
"""Of what goes to and fro, in one process, until it is written: three requests of 32 MB. An
exchange beyond is not recorded."""

FOLDER = re.compile(r"\.?\d{8}T\d{6}\.\d{6}-[0-9a-f]{32}")
"""The name of an exchange's folder: nothing else is ever removed. With a point while it is
written, or where its process was ended meanwhile."""

OTHERS_MODE = 0o077
NOT_HERE = (
    "only a server that listens on this machine alone may record, and this one listens on {}. "
    "Unset it, or listen on 127.0.0.1 (PROXY_LISTEN_ADDR; --host with functions-framework)"
)
IN_CLOUD = "a server in a cloud records nothing ({} is set). Unset it, and record on a laptop"
TOO_SHORT = (
    f"a key or token of this server has less than {MIN_LENGTH} characters: it could not be told "
    "from a word, and taken out"
)
OPEN_TO_OTHERS = "others may look into {0}: chmod 700 {0}, or name a folder that is not there yet"
UNUSABLE = "{} cannot be used: {}"
IN_PIECES = "an exchange is not kept, as a key stands in it in pieces"
TOO_LARGE = f"an exchange is not kept: more than {MAX_HELD_BYTES // 1_000_000} MB at once"


def open_recorder(settings: Settings, host: str) -> Recorder:
    """A recorder for the folder of the settings, which is made. host: where the server listens.
    Raises BadSetting."""
    if cloud := config.cloud_variable():
        raise BadSetting(NAME, IN_CLOUD.format(cloud))
    if not is_loopback(host.strip("[]")):
        raise BadSetting(NAME, NOT_HERE.format(host))
    if any(len(secret) < MIN_LENGTH for secret in _secrets(settings)):
        raise BadSetting(NAME, TOO_SHORT)
    try:
        folder = Path(settings.log_bodies).expanduser()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat().st_mode
        is_usable = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        raise BadSetting(NAME, UNUSABLE.format(settings.log_bodies, error.strerror)) from None
    except RuntimeError:
        raise BadSetting(NAME, UNUSABLE.format(settings.log_bodies, "no such home")) from None
    if not is_usable:
        raise BadSetting(NAME, UNUSABLE.format(folder, "it may not be written to"))
    if os.name == "posix" and mode & OTHERS_MODE:
        raise BadSetting(NAME, OPEN_TO_OTHERS.format(folder))
    return Recorder(folder, settings)


class Recorder:
    """Records the exchanges of a process; made once, used by every thread."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._recordings: dict[str, Recording] = {}
        """Request id -> what is being recorded."""
        self._held = 0
        self._lock = threading.Lock()
        self._reported: set[str] = set()

    def begin(
        self,
        log_entry: RequestLog,
        body: Any,
        headers: Headers,
        caller: auth.Caller,
        gemini: Gemini,
        **conditions: Any,
    ) -> Gemini:
        """Record what follows; returns the Gemini to ask for it. conditions: what the answer
        depends on beside the body and the settings."""
        known = {
            "version": __version__,
            "path": log_entry.path,
            "request_id": log_entry.request_id,
            "settings": _variables(self._settings),
            "key_hints": [key.hint for key in caller.keys],
            **conditions,
        }
        keys = [key.value for key in caller.keys]
        presented = auth.credentials(headers)
        secrets = [*_secrets(self._settings), *keys, *presented, *_tokens(body)]
        recording = Recording(self._reserve, body, known, secrets)
        self._recordings[log_entry.request_id] = recording
        return RecordingGemini(gemini, recording)

    def finish(self, response: Response, log_entry: RequestLog) -> None:
        """Note the response on its way, and write all when it is over."""
        recording = self._recordings.pop(log_entry.request_id, None)
        if recording is not None:
            response.response = recording.watch(response.response)  # type: ignore[arg-type]
            response.call_on_close(functools.partial(self._write, recording, response, log_entry))

    def _reserve(self, size: int) -> bool:
        """Hold so many bytes more, or less; false where that is too much."""
        with self._lock:
            if size > 0 and self._held + size > MAX_HELD_BYTES:
                return False
            self._held += size
        return True

    def _write(self, recording: Recording, response: Response, log_entry: RequestLog) -> None:
        """Never let recording fail a request."""
        try:
            if recording.is_given_up:
                log.warning("%s: %s", NAME, TOO_LARGE)
                return
            is_stream = response.mimetype == "text/event-stream"
            files = recording.files(
                response.status_code, is_stream=is_stream, client_left=log_entry.client_left
            )
            if files is None:
                log.warning("%s: %s", NAME, IN_PIECES)
                return
            self._write_files(files, log_entry.request_id.removeprefix("req_"))
            self._remove_oldest()
        except Exception as error:  # noqa: BLE001 - its text may quote a prompt
            self._report((isinstance(error, OSError) and error.strerror) or type(error).__name__)
        finally:
            recording.release()

    def _report(self, reason: str) -> None:
        """Once: what fails for one exchange mostly fails for each."""
        if reason not in self._reported:
            self._reported.add(reason)
            log.error("%s: exchanges are not recorded: %s", NAME, reason)

    def _write_files(self, files: Mapping[str, bytes], identity: str) -> None:
        """Under another name until all are there."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{identity}"
        partial = self._folder / f".{name}"
        partial.mkdir(mode=0o700)
        try:
            for file, content in files.items():
                fd = os.open(partial / file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with open(fd, "wb") as written:
                    written.write(content)
            partial.rename(self._folder / name)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def _remove_oldest(self) -> None:
        """Until no more is there than may be. Other processes may do the same at the same time."""
        names = [path for path in self._folder.iterdir() if FOLDER.fullmatch(path.name)]
        total = 0
        newest_first = sorted(names, key=lambda path: path.name.lstrip("."), reverse=True)
        for count, path in enumerate(newest_first):
            total += _size(path)
            if count >= MAX_EXCHANGES or (count and total > MAX_KEPT_BYTES):
                shutil.rmtree(path, ignore_errors=True)


def _secrets(settings: Settings) -> list[str]:
    """The server's own."""
    return [*settings.api_keys, *([settings.token] if settings.token else ())]


def _variables(settings: Settings) -> dict[str, str]:
    """The environment variables by which an answer would be the same."""
    variables = {
        **settings.model_settings,
        "GEMINI_FALLBACK_MODELS": ",".join(settings.fallbacks),
        "GEMINI_SAFETY": settings.safety,
        "GEMINI_BACKEND": "vertex" if settings.is_vertex else None,
        "PROXY_AUTO_MODE_MODEL": settings.auto_mode_model,
    }
    return {name: value for name, value in variables.items() if value}


def _tokens(body: Any) -> Iterator[str]:
    """Those that a request holds for MCP servers."""
    servers = body.get("mcp_servers") if isinstance(body, dict) else None
    for server in servers if isinstance(servers, list) else ():
        token = server.get("authorization_token") if isinstance(server, dict) else None
        if isinstance(token, str):
            yield token


def _size(folder: Path) -> int:
    """0 of what another process has just removed."""
    try:
        with os.scandir(folder) as files:
            return sum(file.stat().st_size for file in files)
    except OSError:
        return 0
