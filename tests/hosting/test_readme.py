"""README's hosting part and DEPLOYMENT.md: commands, names and numbers are what is deployed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hosting import tools
from tests.hosting.test_settings import loaded
from tests.servers import ROOT

README = (ROOT / "README.md").read_text().split("\n## Hosting\n")[1].split("\n## ")[0]
HOSTING = f"{README}\n{(ROOT / 'DEPLOYMENT.md').read_text()}"
MAKEFILE = (ROOT / "Makefile").read_text()
TEMPLATE = loaded("template.yaml")
SERVICE: Any = yaml.safe_load((ROOT / "service.yaml").read_text())["spec"]["template"]


def rows(head: str) -> dict[str, list[str]]:
    """First cell -> the other cells of the table whose head begins with this cell."""
    table = HOSTING.split(f"\n{head}")[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {first: rest for first, *rest in cells}


def test_parameters_have_rows_with_their_defaults() -> None:
    table = rows("| Parameter |")
    given = TEMPLATE["Parameters"]
    assert list(table) == [f"`{name}`" for name in given]
    defaults = {name: str(parameter["Default"]) for name, parameter in given.items()}
    assert {name: table[f"`{name}`"][-1].strip("`") for name in given} == {
        name: default or "none" for name, default in defaults.items()
    }


def test_parameters_name_their_settings() -> None:
    table = rows("| Parameter |")
    variables = TEMPLATE["Resources"]["Messages"]["Properties"]["Environment"]["Variables"]
    named = {parameter: name for name, parameter in variables.items()}
    parameters = list(TEMPLATE["Parameters"])
    for parameter in parameters[parameters.index("AnthropicModel") :]:
        if parameter == "TableExists":  # it is the stack's own
            continue
        assert table[f"`{parameter}`"][0] == f"`{named[parameter]}`"


def test_limits_are_those_that_are_deployed() -> None:
    table, parameters = rows("| |"), TEMPLATE["Parameters"]
    _, run, function, _ = table["Longest answer"]
    assert run == f"{SERVICE['spec']['timeoutSeconds'] // 60} minutes"
    assert function == f"{parameters['Timeout']['Default'] // 60} minutes"
    _, run, function, _ = table["Answers at once"]
    instances = SERVICE["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"]
    most = SERVICE["spec"]["containerConcurrency"]
    assert run == f"{most} an instance, {instances} instances"
    assert function == f"1 an instance, {parameters['MaxStreams']['Default']} instances"


def test_files_it_names_exist() -> None:
    paths = set(re.findall(r"(?:`| )([a-z]+/\w+|\w+\.ya?ml)(?:`| )", HOSTING))
    assert {"service.yaml", "deploy/Dockerfile"} <= paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


COMMANDS = re.findall(
    r"(?:^    |`)((?:test .* \| )?(?:gcloud|aws) [a-z]+ [a-z-]+ .*?)(?:`|$)",
    re.sub(r"\\\n +", "", HOSTING),  # a command may have several lines
    re.MULTILINE,
)


@pytest.mark.cloud
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_accepted_by_their_tools(command: str, tmp_path: Path) -> None:
    """They get as far as asking for an account."""
    tools.gcloud() if "gcloud " in command else tools.aws()
    environ = tools.alone(tmp_path, GEMINI_API_KEY="key", PROXY_TOKEN="token")
    said = tools.run(["/bin/sh", "-c", command], tmp_path, environ).stderr
    assert "active account" in said or "Unable to locate credentials" in said


def test_variables_of_commands_are_the_makefiles() -> None:
    commands = re.findall(r"make (?:setup|deploy)-\w+ ([^`\n]*)", HOSTING)
    used = {name for command in commands for name in re.findall(r"\b([A-Z_]+)=", command)}
    used -= {"GEMINI_SAFETY", "ANTHROPIC_MODEL"}
    assert used >= {"PROJECT", "REGION", "SECRET_ARN", "SETTINGS", "PARAMETERS"}
    assert [name for name in used if not re.search(rf"\b{name}\b", MAKEFILE)] == []
