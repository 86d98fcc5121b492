"""`python -m proxy`: prints what will be served where, then replaces itself with the server.

The server is functions-framework; its command line is made here.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - what is imported below has no sentence for it
    sys.exit("Python 3.11 or later is needed: https://www.python.org/downloads/")

import argparse
import errno
import functools
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from translate import models

from . import __version__, clock, config, endpoints, outbound
from .config import BadSetting, Settings

ADVICE = {
    errno.EADDRINUSE: "another program has it. Stop that, or choose another port",
    errno.EACCES: "it may not be used without more rights. Choose a port above 1023",
    errno.EADDRNOTAVAIL: "it is none of this machine's. Choose 127.0.0.1, or 0.0.0.0 for all",
}
"""Error of the system -> what it means, and what helps."""


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
    _, http_proxy = config.http_proxy(endpoint.base_url)
    lines = [
        f"Messages API on Gemini, version {__version__}",
        f"  listen    http://{settings.host}:{settings.port}",
        f"  workers   {settings.workers} x {settings.threads} threads",
        f"  endpoint  {endpoint.base_url}",
        *([f"  through   {outbound.show(http_proxy)}"] if http_proxy else ()),
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
    outbound.check(endpoints.from_settings(settings).base_url)
    _check_free(settings)
    print(banner(settings), flush=True)
    config.set_framework_variables(settings.workers)
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
            reason = ADVICE.get(error.errno or 0, error)
            raise BadSetting("PROXY_LISTEN_ADDR", f"{address} cannot be used: {reason}") from None


if __name__ == "__main__":
    main()
