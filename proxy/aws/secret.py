"""Secrets from AWS: Secrets Manager or, by the same setting, SSM Parameter Store.

boto3 comes with the managed Python runtime. It takes long to import, so this file is imported only
where there is a secret to read.
"""

from __future__ import annotations

import json

import boto3

from .. import config


def read(arn: str) -> dict[str, str]:
    """The variables in a secret: it is an object of them, or the Gemini key alone."""
    region = arn.split(":")[3]
    if ":ssm:" in arn:
        parameter = boto3.client("ssm", region).get_parameter(Name=arn, WithDecryption=True)
        text = parameter["Parameter"]["Value"]
    else:
        text = boto3.client("secretsmanager", region).get_secret_value(SecretId=arn)["SecretString"]
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {config.SECRETS[0]: text.strip()}
