"""`python -m proxy`: prints what will be served where, then replaces itself with the server.

The server is functions-framework; its command line is made here. Other commands are proxy/cli/'s.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - what is imported below has no sentence for it
    sys.exit("Python 3.11 or later is needed: https://www.python.org/downloads/")

import functools
import os
from collections.abc import Sequence
from pathlib import Path

from translate import models

from . import __version__, clock, config, endpoints, listening, outbound
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
    """Serve, or run the command that is given. Raises SystemExit with a command's exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given or given == ["serve"]:
        serve()
        return
    from .cli.main import main as run  # not where requests are served

    sys.exit(run(given, os.environ, serve))


def serve() -> None:
    """Print the banner and replace this process with functions-framework."""
    settings = config.read()
    outbound.check(endpoints.from_settings(settings).base_url)
    listening.check_free(settings)
    print(banner(settings), flush=True)
    config.set_framework_variables(settings.workers)
    command = [sys.executable, "-m", "functions_framework", "--target=messages"]
    source = Path(__file__).parent.parent / "main.py"
    command += [f"--source={source}", f"--host={settings.host}", f"--port={settings.port}"]
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
