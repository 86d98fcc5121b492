"""A Messages request on standard input, as the server would read it: the same bounds and errors.
A person at a terminal is told what is waited for.
"""

from __future__ import annotations

import sys
from typing import Any

from .. import json_codec, request_body

HINT = "Reading a Messages request (JSON) from standard input; Ctrl-D ends it."


def read_request() -> Any:
    """A decoded body. Raises ApiError."""
    if sys.stdin.isatty():
        print(HINT, file=sys.stderr)
    body = sys.stdin.buffer.read(request_body.MAX_BYTES + 1)
    request_body.check_length(len(body))
    return json_codec.loads_request(body)
