"""proxy/aws/secret.py against moto: where a secret may be and what it may look like."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from proxy import config
from proxy.aws import secret as aws_secret

REGION = "eu-west-1"
BOTH = {"GEMINI_API_KEY": "key", "PROXY_TOKEN": "token"}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with mock_aws():
        yield


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("key", {"GEMINI_API_KEY": "key"}),
        (" key\n", {"GEMINI_API_KEY": "key"}),
        ("12345", {"GEMINI_API_KEY": "12345"}),
        (json.dumps(BOTH), BOTH),
    ],
)
def test_both_places_and_all_forms(text: str, found: dict[str, str]) -> None:
    secret = boto3.client("secretsmanager", REGION).create_secret(Name="s", SecretString=text)
    assert aws_secret.read(secret["ARN"]) == found
    ssm = boto3.client("ssm", REGION)
    for name in ("/team/key", "key"):
        ssm.put_parameter(Name=name, Value=text, Type="SecureString")
        arn = ssm.get_parameter(Name=name)["Parameter"]["ARN"]
        assert arn.startswith(f"arn:aws:ssm:{REGION}:")
        assert aws_secret.read(arn) == found


def test_a_variable_goes_before_the_secret() -> None:
    environ = {"GEMINI_API_KEY": "set", "PROXY_TOKEN": " "}
    config.set_secrets(BOTH, environ)
    assert environ == {"GEMINI_API_KEY": "set", "PROXY_TOKEN": "token"}
    config.set_secrets({"GEMINI_API_KEY": "key"}, environ := {})
    assert config.read(environ).api_keys == ("key",)
    assert config.read(environ).token == ""


def test_a_secret_of_something_else_ends_the_program() -> None:
    with pytest.raises(config.BadSetting, match="the secret holds none of GEMINI_API_KEY"):
        config.set_secrets({"password": "s3cret"}, {})
