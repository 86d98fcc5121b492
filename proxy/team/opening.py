"""A team's settings, read and checked: its plan file, its store, who is revoked.

What is wrong ends the start with a sentence; a store that is only down does not.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from .. import config, oidc_settings
from ..config import Settings, TeamSettings
from ..oidc_settings import OidcSettings
from ..setting_values import BadSetting
from . import people, plans
from .budget import Budgets
from .people import BadRevocation, People, Revocations
from .plans import BadPlan, Plans
from .stores import Store, StoreError
from .token_registry import Registry

IS_TEXT = re.compile(r"[\n=]")
"""In the value of PROXY_PLANS: it holds the plans themselves."""

IS_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
"""A name of DynamoDB's."""

URLS = "sqlite:///path, dynamodb://table or firestore://project/collection"

NO_CRYPTOGRAPHY = (
    "verifying a provider's signatures needs cryptography (pip install cryptography), which is not "
    "in the zip for AWS Lambda"
)

EPHEMERAL = (
    "the disk belongs to one instance here ({} is set), and is gone with it: use dynamodb://table "
    "or firestore://project/collection"
)


def open_team(settings: Settings) -> People:
    """Raises BadSetting."""
    team = settings.team
    assert team is not None
    found = read_plans(team.plans)
    if team.oidc:
        check_oidc(team.oidc, found)
    budgets = Budgets(
        found,
        open_store(team.store),
        serves_when_down=team.serves_when_down,
        client_budget=team.client_budget,
    )
    return People(budgets, team.secrets, settings.token, read_revoked(team.revoked, found))


def open_registry(team: TeamSettings | None) -> Registry:
    """For the commands: None for no settings of a team. Raises BadSetting."""
    if team is None:
        return Registry()
    found = read_plans(team.plans)
    read_revoked(team.revoked, found)
    return Registry(team.secrets, found, open_store(team.store), team.revoked)


def check_oidc(oidc: OidcSettings, found: Plans) -> None:
    """Raises BadSetting where nobody could sign in."""
    if importlib.util.find_spec("cryptography") is None:
        raise BadSetting(oidc_settings.ISSUER, NO_CRYPTOGRAPHY)
    if found.plans and oidc.plan not in found.plans:
        hint = plans.did_you_mean(oidc.plan, found.plans)
        raise BadSetting(oidc_settings.PLAN, f"the plan file has no plan {oidc.plan!r}{hint}")


def read_revoked(items: Iterable[str], found: Plans) -> Revocations:
    """Of PROXY_REVOKED. Raises BadSetting."""
    try:
        return people.read_revocations(items, found.zone)
    except BadRevocation as error:
        raise BadSetting("PROXY_REVOKED", str(error)) from None


def read_plans(value: str) -> Plans:
    """Of the plan file, from its path or its text; none where there is no file. Raises
    BadSetting."""
    name = "PROXY_PLANS"
    text, source = value, name
    if value and not IS_TEXT.search(value):
        source = value
        try:
            text = Path(value).read_text("utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
            raise BadSetting(name, f"{value} cannot be read: {reason}") from None
    try:
        return plans.parse(text, source)
    except BadPlan as error:
        raise BadSetting(name, str(error)) from None


def open_store(url: str) -> Store | None:
    """None for none. Nothing is asked of it yet. Raises BadSetting."""
    name, parts = "PROXY_STORE", urlsplit(url)
    if not url:
        return None
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        if variable := config.cloud_variable():
            raise BadSetting(name, EPHEMERAL.format(variable))
        from .stores.sqlite import SqliteStore  # each store only where it is used

        return SqliteStore(parts.path)
    if parts.scheme == "dynamodb" and IS_TABLE.fullmatch(parts.netloc) and not parts.path:
        return _open_dynamodb(parts.netloc)
    if parts.scheme == "firestore":
        from .firestore_opening import open_firestore

        return open_firestore(url, config.firestore_emulator())
    raise BadSetting(name, f"expected {URLS}, got {url!r}")


def _open_dynamodb(table: str) -> Store:
    try:
        from .stores.dynamodb import DynamoStore
    except ImportError:
        raise BadSetting("PROXY_STORE", "DynamoDB needs boto3: pip install boto3") from None
    try:
        return DynamoStore(table)
    except StoreError as error:
        raise BadSetting("PROXY_STORE", str(error)) from None
