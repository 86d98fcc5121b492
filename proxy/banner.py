"""What a person reads when the server starts: where it listens, who answers, how to use it.

No secret stands in it.
"""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import replace

from translate import models

from . import __version__, clock, config, endpoints, log_text, outbound, program
from .config import Settings

AUTO_MODE_MODEL = "gemini-3.8-flash"
"""To judge tool calls: free to use, and quick."""

TYPICAL_VERDICT = models.Tokens(input=8_000, cached=5_000, output=150)
"""Of one, for the line that says what it costs."""


IS_WINDOWS = os.name == "nt"
ASSIGNMENT = '  $env:{} = "{}"' if IS_WINDOWS else "  export {}={}"
OTHER_SHELL = "bash: export NAME=value" if IS_WINDOWS else 'PowerShell: $env:NAME = "value"'
OTHERWISE = f"In another terminal ({OTHER_SHELL}), or by the page at that address:"


def banner(settings: Settings, reachability: str = "") -> str:
    """Address, workers, endpoint, model mapping, and the lines that point Claude Code here.

    reachability: what the endpoint answered; "" where it was not asked.
    """
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
        f"  endpoint  {endpoint.base_url}{f' ({reachability})' if reachability else ''}",
        *([f"  through   {outbound.show(http_proxy)}"] if http_proxy else ()),
        f"  key       {_whose_key(settings)}",
        *(f"  {name:<9} -> {_describe(model)}" for name, model in classes.items()),
    ]
    if settings.fallbacks:
        lines.append(f"  else      -> {', '.join(settings.fallbacks)}")
    if "CLAUDE_CODE_SUBAGENT_MODEL" in settings.model_settings:
        lines.append(f"  subagents -> {_describe(subagent)}")
    lines += [f"  auto mode {auto_mode(settings)}", f"  log       {_log_form(settings)}"]
    return "\n".join([*lines, "", *_how_to_use(settings)])


def short_form(settings: Settings, host: str, port: int) -> str:
    """For a start by functions-framework itself, which takes its address from its own options."""
    lines = [
        f"Messages API on Gemini, version {__version__}",
        f"  auto mode {auto_mode(settings)}",
        *_how_to_use(replace(settings, host=host, port=port)),
    ]
    return "\n".join(lines)


def auto_mode(settings: Settings) -> str:
    """Who judges tool calls, what that costs, and how to change it."""
    judge = settings.auto_mode_model
    model = models.find(judge or AUTO_MODE_MODEL)
    price = models.cost(model, clock.today(), TYPICAL_VERDICT)
    costs = f"about {log_text.dollars(price)} a turn"
    costs += ", or your free tier" if model.is_free else ""
    if judge is None:
        return f"off; PROXY_AUTO_MODE_MODEL={AUTO_MODE_MODEL} has it judge tool calls ({costs})"
    return f"{judge} judges tool calls ({costs}); PROXY_AUTO_MODE_MODEL=off switches it off"


def print_recording(settings: Settings) -> None:
    """That all is recorded, on standard error, in red: nobody should have it on by mistake."""
    line = f"RECORDING every prompt and answer into {settings.log_bodies} (PROXY_LOG_BODIES)"
    if sys.stderr.isatty() and not config.no_color():
        line = f"{log_text.RED}{line}{log_text.RESET}"
    print(line, file=sys.stderr, flush=True)


def _describe(model: models.Model) -> str:
    """Its name and its price."""
    price = model.price_on(clock.today())
    rates = f"${price.input:g} in, ${price.output:g} out per million tokens" if price else ""
    facts = [*(["free tier"] if model.is_free else []), *([rates] if rates else [])]
    return f"{model.name} ({', or '.join(facts)})" if facts else model.name


def _log_form(settings: Settings) -> str:
    is_text = settings.log_format == "TEXT"
    if settings.log_format == "AUTO":
        is_text = sys.stdout.isatty()
    return f"a line of {'text' if is_text else 'JSON'} for each request, on standard output"


def _how_to_use(settings: Settings) -> list[str]:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "[::]") else settings.host
    token = "your-gemini-key"
    if settings.takes_tokens:
        token = "the-value-of-PROXY_TOKEN" if settings.token else "your-access-token"
    elif settings.api_keys or settings.is_vertex:
        token = "anything"
    variables = {
        "ANTHROPIC_BASE_URL": f"http://{host}:{settings.port}",
        "ANTHROPIC_AUTH_TOKEN": token,
    }
    if config.http_proxy(variables["ANTHROPIC_BASE_URL"])[1]:
        variables["NO_PROXY"] = host
    return [
        OTHERWISE,
        *(ASSIGNMENT.format(name, value) for name, value in variables.items()),
        "  claude",
        program.as_typed(f"If it does not work: {program.AS_MODULE} doctor"),
    ]


def _whose_key(settings: Settings) -> str:
    if settings.is_vertex:
        return "none: Vertex AI is asked with this server's Google Cloud credentials"
    if not settings.api_keys and settings.takes_tokens:
        return "none: set GEMINI_API_KEY, or holders of tokens send their own (ANTHROPIC_API_KEY)"
    if not settings.api_keys:
        return "each caller's own (ANTHROPIC_AUTH_TOKEN)"
    if not settings.takes_tokens:
        return "GEMINI_API_KEY, for this machine"
    return f"GEMINI_API_KEY, for holders of {'PROXY_TOKEN' if settings.token else 'access tokens'}"
