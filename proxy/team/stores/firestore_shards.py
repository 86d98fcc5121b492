"""The documents of Firestore in which an account is counted: its owner's, or one of several for a
group, which many count on.

Firestore sustains about one write a second to a document, more in bursts. A request is 3 writes to
its person's document (hold, a change, settle), and would be as many to its group's; so a group is
counted in SHARDS documents, each person always in the same one, and its figures are the sums, read
by one query, as of the time of a commit:
https://firebase.google.com/docs/firestore/solutions/counters. What limits a group is then what
limits its people: some 20 requests a minute of each, for long, and more for a while.

Leases (each instance takes a slice of the budget and counts in memory) would save the reads, and
were not taken: the sums would depend on the memory of a process that a host freezes and kills, what
an idle instance has leased would keep others waiting, and what a dead one has spent of it would be
an estimate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any
from zlib import crc32

from . import Key
from .firestore_client import Json, document_id, string, strings

SHARDS = 64
"""Documents for one account, at most: so many are read to know its figures. In a group of 40 it is
seldom that more than 3 people meet in one."""


def place(account: str, owner: str) -> str:
    """The id of the document in which an owner's requests count on an account."""
    if account == owner:
        return document_id("account", account)
    return document_id("shard", f"{account}/{crc32(owner.encode()) % SHARDS}")


def account_fields(account: str) -> Json:
    """By which its documents are found: alone, and with its open holds."""
    return {"account": string(account), "accounts": strings([account])}


def sums(documents: Iterable[Json]) -> Counter[Key]:
    """Of all the documents of each account."""
    found: Counter[Key] = Counter()
    for document in documents:
        account = document["fields"]["account"]["stringValue"]
        for name, value in parse_counters(document).items():
            found[account, name] += value
    return found


def parse_counters(document: Json) -> dict[str, int]:
    counters: dict[str, Any] = document["fields"]["counters"]["mapValue"].get("fields", {})
    return {name: int(each["integerValue"]) for name, each in counters.items()}
