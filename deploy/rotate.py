"""`make rotate-gcp` and `make rotate-aws`: the next value of a secret, made from the stored one.

    rotate.py SECRET [--drop] [--field] < stored > next

Values go through pipes only. What to do next is printed to standard error, without any of them.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from typing import Any

KEY, TOKEN, SIGNING = "GEMINI_API_KEY", "PROXY_TOKEN", "PROXY_SECRET"

DROP = "the same with DROP=yes"
LATER = {
    KEY: f"Once it is deployed: delete the old key at Google, then {DROP}.",
    SIGNING: f"Once nobody has a token that the old one signed (`token list`): {DROP}.",
}
"""Of what may have several values: the first is used (or signs), the others still count."""


class CannotRotate(Exception):
    """A sentence for whoever runs it."""


def next_value(name: str, stored: str, new: str, *, drop: bool) -> tuple[str, str]:
    """The next text of a secret, and a sentence about it. new: the value that comes. drop: leave
    the first of several. Raises CannotRotate."""
    old = [value.strip() for value in stored.split(",") if value.strip()]
    if drop:
        if len(old) < 2:
            raise CannotRotate(f"{name} has no old value to drop.")
        return old[0], f"{name}: the newest value stays, {len(old) - 1} dropped. Deploy now."
    if new in old:
        raise CannotRotate(f"{name}: the new value is there already.")
    if name == TOKEN:
        return new, f"{name}: replaced. Deploy now: whoever has the old one then gets a 401."
    count = f"{name}: a new value stands before {len(old)} old. Deploy now."
    return ",".join([new, *old]), f"{count} {LATER[name]}" if old else count


def rotate(name: str, stored: str, new: str, *, drop: bool, is_field: bool) -> tuple[str, str]:
    """The same of a secret that is a JSON object, where is_field: its other fields stay. Raises
    CannotRotate."""
    if not stored.strip():
        raise CannotRotate("The stored secret is empty, or could not be read.")
    if not is_field:
        return next_value(name, stored, new, drop=drop)
    try:
        fields: Any = json.loads(stored)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise CannotRotate("The stored secret is no JSON object: store it as one first.")
    value, sentence = next_value(name, str(fields.get(name, "")), new, drop=drop)
    return json.dumps({**fields, name: value}), sentence


def new_value(name: str) -> str:
    """A key is Google's, and comes in the environment; all others are made here."""
    if name != KEY:
        return secrets.token_urlsafe(32)
    if not (key := os.environ.get(KEY, "").strip()) or "," in key:
        raise CannotRotate(f"Put the new key, alone, into the environment: export {KEY}=...")
    return key


def main() -> None:
    parser = argparse.ArgumentParser(description="The next value of a secret.")
    parser.add_argument("name", choices=(KEY, TOKEN, SIGNING))
    parser.add_argument("--drop", action="store_true", help="leave the newest value alone")
    parser.add_argument("--field", action="store_true", help="it is a field of a JSON object")
    given = parser.parse_args()
    try:
        new = "" if given.drop else new_value(given.name)
        value, sentence = rotate(
            given.name, sys.stdin.read(), new, drop=given.drop, is_field=given.field
        )
    except CannotRotate as error:
        sys.exit(str(error))
    sys.stdout.write(value)
    print(sentence, file=sys.stderr)


if __name__ == "__main__":
    main()
