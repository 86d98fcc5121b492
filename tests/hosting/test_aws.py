"""AWS: the Makefile's lines deploy to a small AWS on this machine, and what is there is read back.

SAM and the AWS CLI are the real ones. The AWS behind them is moto's (small_aws.py), so what is
seen is what the template asks for, not whether AWS lets it be.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy.rotate import SIGNING
from proxy import config
from proxy.team.stores.dynamodb import ACTIONS
from tests import servers
from tests.hosting import tools
from tests.servers import ROOT

pytestmark = pytest.mark.cloud

KEY = "the-gemini-key"
STACK = "gemini-messages"
OTHER_REGION = "us-east-1"
LATER_REGION = "eu-west-1"
TEAM_REGION = "eu-west-2"
KEPT_REGION = "eu-west-3"
ALARMS_REGION = "eu-north-1"
BACK_REGION = "us-east-2"
STORE = "dynamodb://gemini-messages"
TABLE = "AWS::DynamoDB::Table"
NEEDED_TO_READ = {"secretsmanager:GetSecretValue", "ssm:GetParameter"}
MODELS = dict.fromkeys(config.MODEL_VARIABLES, "")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to deploy from, in which nobody has an account."""
    folder = tmp_path_factory.mktemp("aws")
    for name in ("template.yaml", "serverless.yml"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv-sam").symlink_to(ROOT / ".venv-sam")
    tools.artifact(folder)
    return folder


@pytest.fixture(scope="module")
def cloud(home: Path) -> Iterator[dict[str, str]]:
    """The environment in which every tool takes the small AWS for the real one."""
    port = servers.free_port()
    command = [tools.sam("python"), str(ROOT / "tests/hosting/small_aws.py"), str(port)]
    region = {"AWS_DEFAULT_REGION": tools.REGION}
    with servers.running(command, region, f"http://127.0.0.1:{port}/moto-api/"):
        # By this name: at an address, moto would look for a template's bucket in the host.
        yield tools.alone(
            home,
            AWS_ENDPOINT_URL=f"http://localhost:{port}",
            AWS_ACCESS_KEY_ID="nobody",
            AWS_SECRET_ACCESS_KEY="nothing",
            SAM_CLI_POLL_DELAY="0.1",
            NO_PROXY="localhost",
            no_proxy="localhost",
        )


@dataclass(frozen=True)
class Deployed:
    """A stack on the small AWS."""

    endpoint: str
    region: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
        )

    @property
    def stack(self) -> Any:
        return self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]

    @property
    def template(self) -> Any:
        return self.client("cloudformation").get_template(StackName=STACK)["TemplateBody"]

    @property
    def outputs(self) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self.stack["Outputs"]}

    @property
    def function(self) -> Any:
        [function] = self.client("lambda").list_functions()["Functions"]
        return function

    @property
    def name(self) -> str:
        return str(self.function["FunctionName"])

    def own_statements(self) -> list[Any]:
        """What the function's role may do beyond writing its log."""
        iam, role = self.client("iam"), self.function["Role"].split("/")[-1]
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        policies = [iam.get_role_policy(RoleName=role, PolicyName=name) for name in names]
        # moto hands out what it was given by CloudFormation, written as Python writes it.
        documents = [ast.literal_eval(str(policy["PolicyDocument"])) for policy in policies]
        return [statement for document in documents for statement in document["Statement"]]


def line_of_sam(home: Path, *variables: str) -> str:
    lines = tools.recipe(home, "deploy-aws", *variables)
    [line] = [line for line in lines if line.startswith(".venv-sam/bin/sam deploy")]
    return line


def deploy(home: Path, cloud: dict[str, str], region: str, *variables: str) -> Deployed:
    """Run the very line of `make deploy-aws`."""
    line = line_of_sam(home, f"REGION={region}", *variables)
    deployed = tools.run(["/bin/sh", "-c", line], home, cloud)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    return Deployed(cloud["AWS_ENDPOINT_URL"].replace("localhost", "127.0.0.1"), region)


@pytest.fixture(scope="module")
def secret_arn(home: Path, cloud: dict[str, str]) -> str:
    """What `make setup-aws` prints."""
    tools.aws()
    command = ["make", "--silent", "setup-aws", f"REGION={tools.REGION}", f"GEMINI_API_KEY={KEY}"]
    made = tools.run(command, ROOT, cloud)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def lending(home: Path, cloud: dict[str, str], secret_arn: str) -> Deployed:
    """Deployed with the secret, and nothing else said."""
    return deploy(home, cloud, tools.REGION, f"SECRET_ARN={secret_arn}")


@pytest.fixture(scope="module")
def taken_back(home: Path, cloud: dict[str, str], secret_arn: str) -> Deployed:
    """Deployed with the secret, and later without."""
    before = ["PARAMETERS=OpusModel=gemini-4-neon FallbackModels=gemini-3.8-flash,gemini-3.6-flash"]
    deploy(home, cloud, LATER_REGION, f"SECRET_ARN={secret_arn}", *before)
    return deploy(home, cloud, LATER_REGION, "SECRET_ARN=", 'PARAMETERS=OpusModel=""')


@pytest.fixture(scope="module")
def bare(home: Path, cloud: dict[str, str]) -> Deployed:
    """Deployed without a secret, with other parameters."""
    more = "PARAMETERS=MaxStreams=0 GeminiSafety=OFF OpusModel=gemini-4-neon Timeout=60"
    return deploy(home, cloud, OTHER_REGION, "SECRET_ARN=", more)


def test_function_is_the_one_in_the_zip(lending: Deployed, home: Path) -> None:
    function = lending.function
    assert (function["Runtime"], function["Handler"]) == ("python3.13", "main.messages")
    assert function["CodeSize"] == (home / "build/lambda.zip").stat().st_size
    assert (function["MemorySize"], function["Timeout"]) == (512, 900)
    properties = lending.template["Resources"]["Messages"]["Properties"]
    # moto's CloudFormation passes over it.
    assert properties["Architectures"] == [{"Ref": "Architecture"}]


def test_url_streams_and_is_open_to_claude_code(lending: Deployed) -> None:
    functions = lending.client("lambda")
    address = functions.get_function_url_config(FunctionName=lending.name)
    assert (address["InvokeMode"], address["AuthType"]) == ("RESPONSE_STREAM", "NONE")
    assert address["FunctionUrl"] == lending.outputs["Url"]
    policy = json.loads(functions.get_policy(FunctionName=lending.name)["Policy"])
    allowed = {statement["Action"]: statement for statement in policy["Statement"]}
    assert set(allowed) == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert allowed["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"
    # Without this, the second one would open the function to every account of AWS.
    assert allowed["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True
    assert {statement["Principal"] for statement in allowed.values()} == {"*"}


def test_secret_is_read_by_the_function_and_is_nowhere_else(
    lending: Deployed, secret_arn: str
) -> None:
    answer = lending.client("secretsmanager").get_secret_value(SecretId=secret_arn)
    secret = json.loads(answer["SecretString"])
    assert secret == {"GEMINI_API_KEY": KEY, "PROXY_TOKEN": secret["PROXY_TOKEN"]}
    assert len(secret["PROXY_TOKEN"]) >= 32
    [statement] = lending.own_statements()
    assert (statement["Effect"], statement["Resource"]) == ("Allow", secret_arn)
    assert set(statement["Action"]) == NEEDED_TO_READ
    assert lending.function["Environment"]["Variables"]["GEMINI_SECRET_ARN"] == secret_arn
    seen = str((lending.function, lending.stack, lending.template))
    assert [value for value in secret.values() if value in seen] == []


def test_log_is_kept_for_two_weeks(lending: Deployed) -> None:
    [group] = lending.client("logs").describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == (f"/aws/lambda/{STACK}", 14)
    assert lending.outputs["LogGroup"] == group["logGroupName"]
    properties = lending.template["Resources"]["Messages"]["Properties"]
    assert properties["LoggingConfig"] == {"LogGroup": {"Ref": "Logs"}}
    # moto's CloudFormation attaches no policy of AWS's own.
    attached = lending.template["Resources"]["MessagesRole"]["Properties"]["ManagedPolicyArns"]
    assert [arn.split("/")[-1] for arn in attached] == ["AWSLambdaBasicExecutionRole"]


def test_concurrency_caps_the_cost(lending: Deployed, bare: Deployed) -> None:
    def most(stack: Deployed) -> int | None:
        answer = stack.client("lambda").get_function_concurrency(FunctionName=stack.name)
        reserved: int | None = answer.get("ReservedConcurrentExecutions")
        return reserved

    assert (most(lending), most(bare)) == (20, None)


def test_secrets_cannot_be_read_without_one(bare: Deployed) -> None:
    assert bare.own_statements() == []
    variables = bare.function["Environment"]["Variables"]
    assert variables.pop("DEPLOYED")
    assert variables == {
        **MODELS,
        "ANTHROPIC_DEFAULT_OPUS_MODEL": "gemini-4-neon",
        "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/bootstrap",
        "GEMINI_FALLBACK_MODELS": "",
        "GEMINI_SAFETY": "OFF",
        "GEMINI_SECRET_ARN": "",
        "PROXY_CLIENT_BUDGET": "off",
        "PROXY_LOG_LEVEL": "info",
        "PROXY_PLANS": "",
        "PROXY_STORE": "",
    }
    assert bare.function["Timeout"] == 60


def test_server_key_can_be_withdrawn(taken_back: Deployed) -> None:
    assert taken_back.own_statements() == []
    variables = taken_back.function["Environment"]["Variables"]
    assert variables["GEMINI_SECRET_ARN"] == ""
    assert variables["ANTHROPIC_DEFAULT_OPUS_MODEL"] == ""
    # What is not named keeps its value.
    assert variables["GEMINI_FALLBACK_MODELS"] == "gemini-3.8-flash,gemini-3.6-flash"


def test_secret_is_rotated_in_its_place(cloud: dict[str, str]) -> None:
    for arguments in (("setup-aws", f"GEMINI_API_KEY={KEY}"), ("rotate-aws", f"SECRET={SIGNING}")):
        made = tools.run(["make", *arguments, f"REGION={LATER_REGION}"], ROOT, cloud)
        assert made.returncode == 0, made.stderr
    stack = Deployed(cloud["AWS_ENDPOINT_URL"].replace("localhost", "127.0.0.1"), LATER_REGION)
    answer = stack.client("secretsmanager").get_secret_value(SecretId="gemini-messages")
    secret = json.loads(answer["SecretString"])
    assert (secret["GEMINI_API_KEY"], len(secret[SIGNING])) == (KEY, 43)


def test_earlier_version_is_deployed_again(home: Path, cloud: dict[str, str]) -> None:
    """As after `git switch`: the same bytes are the same function, and parameters stay."""
    built, seen = home / "build/lambda.zip", []
    original = built.read_bytes()
    for more in (b"", b"a later version", b""):
        built.write_bytes(original + more)
        given = [] if seen else ["PARAMETERS=OpusModel=gemini-4-neon"]
        seen.append(deploy(home, cloud, BACK_REGION, "SECRET_ARN=", *given).function)
    first, later, last = (function["CodeSha256"] for function in seen)
    assert first == last != later
    variables = seen[-1]["Environment"]["Variables"]
    assert variables["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "gemini-4-neon"


def test_team_store_is_made_and_may_be_used(home: Path, cloud: dict[str, str]) -> None:
    """The actions are those that the store needs, and no others."""
    stack = deploy(home, cloud, TEAM_REGION, "SECRET_ARN=", f"PARAMETERS=TeamStore={STORE}")
    database = stack.client("dynamodb")
    table = database.describe_table(TableName="gemini-messages")["Table"]
    keys = [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]]
    assert keys == [("pk", "HASH"), ("sk", "RANGE")]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    made = of_type(stack.template, TABLE)[0]
    assert made["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert made["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    [statement] = stack.own_statements()
    assert (statement["Effect"], statement["Resource"]) == ("Allow", table["TableArn"])
    assert statement["Action"] == [f"dynamodb:{action}" for action in ACTIONS]
    assert stack.function["Environment"]["Variables"]["PROXY_STORE"] == STORE


def test_team_store_stays_when_it_is_given_up(home: Path, cloud: dict[str, str]) -> None:
    """A team's money figures are not deleted, and are used again when they are wanted."""
    stack = deploy(home, cloud, KEPT_REGION, "SECRET_ARN=", f"PARAMETERS=TeamStore={STORE}")
    database = stack.client("dynamodb")
    before = database.describe_table(TableName="gemini-messages")["Table"]
    stack = deploy(home, cloud, KEPT_REGION, "SECRET_ARN=", 'PARAMETERS=TeamStore=""')
    assert stack.own_statements() == []
    again = f"PARAMETERS=TeamStore={STORE} TableExists=yes"
    stack = deploy(home, cloud, KEPT_REGION, "SECRET_ARN=", again)
    after = database.describe_table(TableName="gemini-messages")["Table"]
    assert after["CreationDateTime"] == before["CreationDateTime"]
    [statement] = stack.own_statements()
    assert statement["Resource"] == before["TableArn"]
    [table] = [r for r in stack.template["Resources"].values() if r["Type"] == TABLE]
    assert table["UpdateReplacePolicy"] == "Retain"


def test_alarms_tell_an_address(home: Path, cloud: dict[str, str], lending: Deployed) -> None:
    """Without one there is nobody to be told. moto's CloudFormation passes over metric filters,
    alarms and queries: cfn-lint has looked at them."""
    parameters = "PARAMETERS=AlarmEmail=bob@example.com MaxUsdPerHour=7"
    stack = deploy(home, cloud, ALARMS_REGION, "SECRET_ARN=", parameters)
    [receiver] = stack.client("sns").list_subscriptions()["Subscriptions"]
    assert (receiver["Protocol"], receiver["Endpoint"]) == ("email", "bob@example.com")
    given = {each["ParameterKey"]: each["ParameterValue"] for each in stack.stack["Parameters"]}
    assert given["MaxUsdPerHour"] == "7"
    assert lending.client("sns").list_topics()["Topics"] == []


def test_osls_makes_the_same_team_store(home: Path, lending: Deployed) -> None:
    path = packaged(home, "--param", f"teamStore={STORE}")
    linted = tools.run([tools.sam("cfn-lint"), str(path)], home, tools.alone(home))
    assert linted.returncode == 0, linted.stdout
    template = json.loads(path.read_text())
    found = (template["Resources"], lending.template["Resources"])
    ours, theirs = ([r for r in each.values() if r["Type"] == TABLE] for each in found)
    assert template["Parameters"]["TeamStore"]["Default"] == STORE
    for field in (*ours[0], *theirs[0]):
        assert field == "Metadata" or ours[0][field] == theirs[0][field]
    [role] = of_type(template, "AWS::IAM::Role")
    statements = [s for p in role["Policies"] for s in p["PolicyDocument"]["Statement"]]
    assert [f"dynamodb:{action}" for action in ACTIONS] in [each["Action"] for each in statements]


def test_stack_settings_are_understood_by_the_function(bare: Deployed) -> None:
    settings = config.read(bare.function["Environment"]["Variables"])
    assert settings.safety == "OFF"
    assert settings.model_settings == {"ANTHROPIC_DEFAULT_OPUS_MODEL": "gemini-4-neon"}


def test_parameters_have_descriptions(lending: Deployed) -> None:
    parameters = lending.template["Parameters"]
    assert [name for name, given in parameters.items() if not given.get("Description")] == []
    assert set(parameters["GeminiSafety"]["AllowedValues"]) == {"", *config.THRESHOLDS}


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("", True),
        ("arn:aws:ssm:eu-central-1:123456789012:parameter/gemini-messages", True),
        ("arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a-AbCdEf", True),
        ("arn:aws:s3:::bucket", False),
        ("gemini-messages", False),
        (KEY, False),
    ],
)
def test_secret_arn_pattern_refuses_a_key(
    value: str, fits: bool, lending: Deployed, secret_arn: str
) -> None:
    pattern = lending.template["Parameters"]["SecretArn"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, value)) is fits
    assert re.fullmatch(pattern, secret_arn)


def test_make_demands_a_secret_arn_and_a_region(tmp_path: Path) -> None:
    """And for a region, before it builds or installs anything."""
    for given, missing in ((["REGION=y"], "SECRET_ARN"), (["SECRET_ARN="], "REGION")):
        made = tools.run(["make", "-n", "deploy-aws", *given], ROOT, tools.alone(tmp_path))
        assert (made.returncode, made.stdout) == (2, "")
        assert f"deploy-aws needs {missing}=" in made.stderr


def test_deployment_that_fails_is_deleted(tmp_path: Path) -> None:
    """A first one that AWS rolls back would have to be deleted by hand."""
    assert "--on-failure DELETE " in line_of_sam(tmp_path, "REGION=y", "SECRET_ARN=")


@pytest.mark.parametrize(("wrong", "succeeds"), [(False, True), (True, False)])
@pytest.mark.parametrize(
    "lint",
    [["sam", "validate", "--lint", "--template-file"], ["cfn-lint"]],
    ids=lambda lint: lint[0],
)
def test_template_is_sound(lint: list[str], wrong: bool, succeeds: bool, tmp_path: Path) -> None:
    text = (ROOT / "template.yaml").read_text()
    changed = text.replace("!Ref LogDays", "!Ref LogDay")
    (tmp_path / "template.yaml").write_text(changed if wrong else text)
    tools.artifact(tmp_path)
    command = [tools.sam(lint[0]), *lint[1:], "template.yaml"]
    linted = tools.run(command, tmp_path, tools.alone(tmp_path))
    assert (linted.returncode == 0) is succeeds, linted.stdout + linted.stderr


@pytest.mark.parametrize(("wrong", "succeeds"), [(False, True), (True, False)])
def test_expanded_template_is_sound(
    lending: Deployed, wrong: bool, succeeds: bool, tmp_path: Path
) -> None:
    """The expanded template is looked at more closely than SAM's own."""
    text = json.dumps(lending.template)
    changed = text.replace("RESPONSE_STREAM", "RESPONSE_STREAMING")
    (tmp_path / "template.json").write_text(changed if wrong else text)
    linted = tools.run([tools.sam("cfn-lint"), "template.json"], tmp_path, tools.alone(tmp_path))
    assert (linted.returncode == 0) is succeeds, linted.stdout


def packaged(home: Path, *parameters: str) -> Path:
    """What osls would hand to CloudFormation."""
    command = [tools.osls(), "package", *parameters]
    made = tools.run(command, home, tools.alone(home))
    assert made.returncode == 0, made.stdout + made.stderr
    return home / ".serverless/cloudformation-template-update-stack.json"


def of_type(template: Any, kind: str) -> list[Any]:
    resources = template["Resources"].values()
    return [resource["Properties"] for resource in resources if resource["Type"] == kind]


def test_osls_and_sam_deploy_the_same(home: Path, lending: Deployed, secret_arn: str) -> None:
    path = packaged(home, "--region", tools.REGION, "--param", f"secretArn={secret_arn}")
    linted = tools.run([tools.sam("cfn-lint"), str(path)], home, tools.alone(home))
    assert linted.returncode == 0, linted.stdout
    template, ours = json.loads(path.read_text()), lending.function
    [function] = of_type(template, "AWS::Lambda::Function")
    same = ("Runtime", "Handler", "MemorySize", "Timeout", "Description", "Environment")
    times = [each["Environment"]["Variables"].pop("DEPLOYED") for each in (function, ours)]
    assert all(times)
    assert {name: function[name] for name in same} == {name: ours[name] for name in same}
    assert function["Architectures"] == [lending.template["Parameters"]["Architecture"]["Default"]]
    assert function["ReservedConcurrentExecutions"] == 20
    assert function["Code"]["S3Key"].endswith("/lambda.zip")
    kept = ("AuthType", "InvokeMode")
    addresses = [of_type(each, "AWS::Lambda::Url") for each in (template, lending.template)]
    assert [[address[name] for name in kept] for [address] in addresses] == [
        ["NONE", "RESPONSE_STREAM"]
    ] * 2
    assert permissions(template) == permissions(lending.template)
    [log] = of_type(template, "AWS::Logs::LogGroup")
    assert log["RetentionInDays"] == lending.template["Parameters"]["LogDays"]["Default"]
    assert reading(template) == [secret_arn]


def permissions(template: Any) -> list[Any]:
    found = of_type(template, "AWS::Lambda::Permission")
    kept = [{k: v for k, v in one.items() if k != "FunctionName"} for one in found]
    return sorted(kept, key=lambda one: str(one["Action"]))


def reading(template: Any) -> list[str]:
    """What the role may read secrets from."""
    [role] = of_type(template, "AWS::IAM::Role")
    statements = [s for p in role["Policies"] for s in p["PolicyDocument"]["Statement"]]
    return [s["Resource"] for s in statements if set(s["Action"]) == NEEDED_TO_READ]


def test_osls_without_a_secret_lets_nothing_be_read(home: Path) -> None:
    template = json.loads(packaged(home).read_text())
    [function] = of_type(template, "AWS::Lambda::Function")
    assert function["Environment"]["Variables"]["GEMINI_SECRET_ARN"] == ""
    assert reading(template) == ["arn:aws:secretsmanager:*:*:secret:none"]
