"""`python -m proxy`: prints what will be served where, then replaces itself with the server.

The server is functions-framework; its command line is made here.
"""

from __future__ import annotations

import argparse
import functools
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from translate import models

from . import __version__, clock, config, endpoints
from .config import Settings


def banner(settings: Settings) -> str:
    """Address, workers, endpoint and model mapping, for a person to read."""
    endpoint = endpoints.from_settings(settings)
    resolve = functools.partial(
        models.resolve,
        model_settings=settings.model_settings,
        platform=endpoint.platform,
        today=clock.today(),
    )
    classes = {name: resolve(f"claude-{name}") for name in models.DEFAULTS}
    subagent = resolve("claude-sonnet", is_subagent=True)
    lines = [
        f"Messages API on Gemini, version {__version__}",
        f"  listen    http://{settings.host}:{settings.port}",
        f"  workers   {settings.workers} x {settings.threads} threads",
        f"  endpoint  {endpoint.base_url}",
        f"  key       {_whose_key(settings)}",
        *(f"  {name:<9} -> {model.name}" for name, model in classes.items()),
    ]
    if settings.fallbacks:
        lines.append(f"  else      -> {', '.join(settings.fallbacks)}")
    if "CLAUDE_CODE_SUBAGENT_MODEL" in settings.model_settings:
        lines.append(f"  subagents -> {subagent.name}")
    return "\n".join(lines)


def _whose_key(settings: Settings) -> str:
    if settings.is_vertex:
        return "none: Vertex AI is asked with this server's Google Cloud credentials"
    if not settings.api_keys:
        return "each caller's own (ANTHROPIC_AUTH_TOKEN)"
    return f"GEMINI_API_KEY, for {'holders of PROXY_TOKEN' if settings.token else 'this machine'}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the banner and replace this process with functions-framework."""
    parser = argparse.ArgumentParser(
        "python -m proxy",
        description="Serve the Messages API on Gemini. README.md has the settings.",
    )
    parser.add_argument("--version", action="version", version=f"gemini-messages {__version__}")
    parser.parse_args(arguments)
    settings = config.read()
    _check_free(settings)
    print(banner(settings), flush=True)
    os.environ["WORKERS"] = str(settings.workers)
    command = [sys.executable, "-m", "functions_framework", "--target=messages"]
    source = Path(__file__).parent.parent / "main.py"
    command += [f"--source={source}", f"--host={settings.host}", f"--port={settings.port}"]
    os.execv(command[0], command)


def _check_free(settings: Settings) -> None:
    """Exit with a message if the address is taken; the server would retry for seconds first."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host.strip("[]"), settings.port))
        except OSError as error:
            address = f"{settings.host}:{settings.port}"
            raise SystemExit(f"PROXY_LISTEN_ADDR: {address} cannot be used: {error}") from None


if __name__ == "__main__":
    main()
