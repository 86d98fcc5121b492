"""The doctor's checks of Claude Code: its version, and what in its settings leads it elsewhere.

Settings files are read only. Sources: https://code.claude.com/docs/en/settings and /authentication;
`primaryApiKey` is what `/login` keeps (seen 2026-11-28).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .. import config
from . import fixes
from .findings import Finding, bad, good, unknown

SECONDS = 5.0
OLDEST = (2, 1, 197)
"""The oldest Claude Code that this server is tried with (tests/e2e/)."""

VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
MAX_FILE_BYTES = 10_000_000
"""Claude Code's own notes, `.claude.json`, may grow to megabytes."""

MANAGED = {
    "darwin": "/Library/Application Support/ClaudeCode/managed-settings.json",
    "win32": "C:/Program Files/ClaudeCode/managed-settings.json",
}
MANAGED_ELSEWHERE = "/etc/claude-code/managed-settings.json"

SWITCHES = {
    "CLAUDE_CODE_USE_BEDROCK": "Amazon Bedrock",
    "CLAUDE_CODE_USE_VERTEX": "Claude on Vertex AI",
    "CLAUDE_CODE_USE_FOUNDRY": "Microsoft Foundry",
}
"""Variable -> what Claude Code asks instead."""

OFF = ("", "0", "false", "no", "off")

KEYS = {
    "apiKeyHelper": "its output is sent in the place of the token",
    "forceLoginMethod": "Claude Code asks for a login before anything else",
    "forceLoginOrgUUID": "Claude Code takes nothing but a login at that organization",
}
"""What in a settings file disturbs -> how."""


class Source(NamedTuple):
    """Where variables are set. path: None for the environment. keys: of a file, beside `env`."""

    path: Path | None
    variables: Mapping[str, str]
    keys: Mapping[str, Any]


def check_version(environ: Mapping[str, str]) -> Finding:
    name = "claude code"
    program = shutil.which("claude", path=environ.get("PATH", ""))
    if program is None:
        return bad(name, "no `claude` on the PATH", fixes.INSTALL_CLAUDE)
    answer = subprocess.run(
        [program, "--version"],
        capture_output=True,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    found = VERSION.search(answer.stdout.decode(errors="replace"))
    if found is None:
        detail = f"`claude --version` tells none (exit code {answer.returncode})"
        return bad(name, detail, fixes.INSTALL_CLAUDE)
    if tuple(map(int, found.groups())) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return unknown(
            name, f"{found[0]} is older than {oldest}, the oldest tried", "claude update"
        )
    return good(name, found[0])


def check_settings(environ: Mapping[str, str], home: Path, folder: Path) -> Iterator[Finding]:
    """One finding for each thing that disturbs, or one that there is none.

    home, folder: the person's, and that in which Claude Code is started.
    """
    name, found = "its settings", []
    own = environ.get("CLAUDE_CONFIG_DIR", "")
    sources = [Source(None, environ, {})]
    for path in settings_files(Path(own) if own else home / ".claude", folder):
        try:
            sources.append(_read(path))
        except (OSError, ValueError) as error:
            if not isinstance(error, FileNotFoundError):
                found.append(bad(name, f"{path} cannot be read as JSON", _edit(path)))
    for source in sources:
        found += [bad(name, *each) for each in _disturbing(source)]
    notes = Path(own or home) / ".claude.json"
    found += [bad(name, *each) for each in _login(notes)]
    found += _check_url(name, sources)
    yield from found or [good(name, f"nothing disturbs ({len(sources) - 1} files read)")]


def settings_files(own: Path, folder: Path) -> list[Path]:
    """Those that Claude Code reads, the weakest first. own: its folder of the person."""
    project = folder / ".claude"
    return [
        own / "settings.json",
        own / "settings.local.json",
        project / "settings.json",
        project / "settings.local.json",
        managed_file(),
    ]


def _read(path: Path) -> Source:
    """Raises OSError, and ValueError for what is no JSON object."""
    keys = _read_object(path)
    variables = keys.get("env")
    strings = variables.items() if isinstance(variables, dict) else ()
    return Source(path, {name: str(value) for name, value in strings}, keys)


def _read_object(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        value = json.loads(file.read(MAX_FILE_BYTES))
    if not isinstance(value, dict):
        raise ValueError
    return value


def _disturbing(source: Source) -> Iterator[tuple[str, str]]:
    """What disturbs, and the command that helps."""
    where = f" in env in {source.path}" if source.path else ""
    if source.variables.get("ANTHROPIC_API_KEY"):
        detail = "it is sent beside the token, and the terminal program asks about it"
        yield f"ANTHROPIC_API_KEY is set{where}: {detail}", _unset("ANTHROPIC_API_KEY", source)
    for name, instead in SWITCHES.items():
        if source.variables.get(name, "").lower() not in OFF:
            yield f"{name} is set{where}: Claude Code asks {instead}", _unset(name, source)
    for key, detail in KEYS.items():
        if source.keys.get(key):
            yield f"{key} is set in {source.path}: {detail}", _unset(key, source)


def _unset(name: str, source: Source) -> str:
    return _edit(source.path) if source.path else fixes.unset([name])


def _edit(path: Path) -> str:
    return fixes.edit(path, is_managed=path == managed_file())


def managed_file() -> Path:
    """An administrator's settings for all who use this machine."""
    return Path(MANAGED.get(sys.platform, MANAGED_ELSEWHERE))


def _login(notes: Path) -> Iterator[tuple[str, str]]:
    try:
        if _read_object(notes).get("primaryApiKey"):
            yield "a key of `/login` is kept, which disturbs the token", "claude /logout"
    except (OSError, ValueError):
        pass  # Claude Code itself says so


def _check_url(name: str, sources: Sequence[Source]) -> Iterator[Finding]:
    """The base URL that counts: the last source's that has one."""
    setting = "ANTHROPIC_BASE_URL"
    having = [each for each in sources if each.variables.get(setting)]
    if not having:
        detail = f"{setting} is not set here: Claude Code asks Anthropic"
        yield unknown(name, detail, "python -m proxy claude")
        return
    source = having[-1]
    url = source.variables[setting].strip()
    where = f"in {source.path}" if source.path else "in the environment"
    try:
        shown, host = _without_password(url), urlsplit(url).hostname or ""
    except ValueError:
        detail = f"{setting} {where} is no address like https://host"
        yield bad(name, detail, _edit(source.path) if source.path else fixes.unset([setting]))
        return
    if url.rstrip("/").endswith("/v1"):
        detail = f"{setting} {where} ends with /v1, which Claude Code adds itself"
        export = f"export {setting}={shlex.quote(shown.rstrip('/').removesuffix('/v1'))}"
        yield bad(name, detail, _edit(source.path) if source.path else export)
    variable, value = config.http_proxy(url, sources[0].variables)
    if value and config.is_loopback(host):
        detail = f"{variable} is set, and would get what is for {host}"
        variables = sources[0].variables
        taken = "no_proxy" if variables.get("no_proxy") else "NO_PROXY"  # as programs look
        yield bad(name, detail, fixes.extend(taken, "127.0.0.1,localhost", variables))


def _without_password(url: str) -> str:
    address = urlsplit(url)
    return address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()
