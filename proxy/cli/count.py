"""`python -m proxy count`: how many tokens a Messages request has.

Gemini counts; where it does not, for whatever reason, an estimate stands in, and says so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from translate import ApiError, translate

from .. import clock, config, endpoints, liveness, token_count
from ..auth import Key
from ..concurrency import MemoryBudget
from ..connections import Timeouts
from ..gemini import Gemini
from ..liveness import Poller
from . import credentials, standard_input

DESCRIPTION = """\
Read a Messages request (JSON) from standard input and print how many tokens of input it has, as
Gemini counts them. Standard error says who counted: without a key, or where Gemini cannot be
reached, the number is an estimate.

    python -m proxy count < request.json
"""
NO_KEY = "there is no key (GEMINI_API_KEY)"
SECONDS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: all comes with the request."""


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = config.read(environ)
    endpoint = endpoints.from_settings(settings)
    translation = translate(
        standard_input.read_request(),
        settings.model_settings,
        counting=True,
        platform=endpoint.platform,
        today=clock.today(),
    )
    name = translation.model.name
    key = next(iter(settings.api_keys), "") or credentials.find_key(environ)
    try:
        if not key and not settings.is_vertex:
            raise ApiError(401, NO_KEY)
        gemini = Gemini(
            endpoint, 1, Timeouts(SECONDS, SECONDS), MemoryBudget(config.request_memory(environ))
        )
        request = translation.request
        tokens = liveness.run(gemini.count_tokens(name, request, Key(key, ""), Poller()))
    except ApiError as error:
        tokens = token_count.estimate(translation)
        print(f"estimated for {name}: {error.message.strip()}", file=sys.stderr)
    else:
        print(f"counted by {name}", file=sys.stderr)
    print(tokens)
    return 0
