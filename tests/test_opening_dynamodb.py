"""proxy/team/opening.py with PROXY_STORE=dynamodb://table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from proxy.setting_values import BadSetting
from proxy.team.opening import open_store
from proxy.team.stores.dynamodb import DynamoStore
from tests.team_dynamodb import TABLE, Dynamo


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Dynamo]:
    backend = Dynamo(tmp_path)
    yield backend
    backend.close()


def test_dynamodb_is_opened_by_its_table(backend: Dynamo) -> None:
    store = open_store(f"dynamodb://{TABLE}")
    assert isinstance(store, DynamoStore)
    store.check()
    store.close()


@pytest.mark.parametrize(
    "url", ["dynamodb://", "dynamodb://ab", "dynamodb://a b", "dynamodb://team/x"]
)
def test_dynamodb_url_needs_a_table(url: str) -> None:
    with pytest.raises(BadSetting, match="expected"):
        open_store(url)


def test_dynamodb_needs_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "proxy.team.stores.dynamodb", None)
    with pytest.raises(BadSetting, match="pip install boto3"):
        open_store("dynamodb://team")


def test_dynamodb_needs_a_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(BadSetting, match="set AWS_REGION"):
        open_store("dynamodb://team")
