"""A small AWS on a local port: moto's server, and what its CloudFormation leaves out.

AWS expands a SAM template when it gets one: so does this, by the same translator. It makes the URL
of a function, by moto's own call, and the outputs of a new stack. Run by .venv-sam's Python:
`small_aws.py PORT`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.cloudformation import parsing
from moto.cloudformation.models import CloudFormationBackend, Stack
from moto.core.common_models import CloudFormationModel
from moto.server import main
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

LOGS = "AWSLambdaBasicExecutionRole"
POLICIES = {LOGS: f"arn:aws:iam::aws:policy/service-role/{LOGS}"}
"""What the translator asks AWS's IAM for."""


class ManagedPolicies:
    def load(self) -> dict[str, str]:
        return POLICIES


def expand(template: str) -> str:
    """A SAM template -> CloudFormation, as AWS does it; any other template stays as it is."""
    parsed = yaml_parse(template)
    if "Transform" not in parsed:
        return template
    return json.dumps(transform(parsed, {}, ManagedPolicies()))


class FunctionUrl(CloudFormationModel):
    """AWS::Lambda::Url."""

    __module__ = LambdaFunction.__module__  # moto sorts its models by it

    def __init__(self, name: str, url: str) -> None:
        self.physical_resource_id = name
        self.url = url

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::Url"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> FunctionUrl:
        config = cloudformation_json["Properties"]
        name = config["TargetFunctionArn"]
        functions = lambda_backends[account_id][region_name]
        return cls(name, functions.create_function_url_config(name, config).url)

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "FunctionUrl"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self.url


clean_json = parsing.clean_json
make_change_set = CloudFormationBackend.create_change_set


def without_nothing(value: Any, resources: Any) -> Any:
    """AWS::NoValue in a list is nothing, not an empty place."""
    cleaned = clean_json(value, resources)
    if not isinstance(cleaned, list):
        return cleaned
    return [item for item in cleaned if item is not None]


def expanding(backend: CloudFormationBackend, *, template: str, **rest: Any) -> Any:
    return make_change_set(backend, template=expand(template), **rest)


def executing(backend: CloudFormationBackend, change_set_name: str, stack_name: str) -> None:
    """Execute a change set. moto's own way forgets the outputs of a stack, and changes none."""
    change_set = backend.describe_change_set(change_set_name)
    stack = Stack(
        stack_id=change_set.stack_id,
        name=change_set.stack_name,
        template=change_set.template,
        parameters=change_set.parameters,
        account_id=backend.account_id,
        region_name=backend.region_name,
        tags=change_set.tags,
    )
    if change_set.change_set_type == "UPDATE":
        backend.stacks[stack.stack_id].delete()
    backend.stacks[stack.stack_id] = stack
    stack.create_resources()
    stack.status = f"{change_set.change_set_type}_COMPLETE"
    stack._add_stack_event(stack.status)


if __name__ == "__main__":
    parsing.clean_json = without_nothing
    CloudFormationBackend.create_change_set = expanding
    CloudFormationBackend.execute_change_set = executing
    main(["--host", "127.0.0.1", "--port", sys.argv[1]])
