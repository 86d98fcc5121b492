"""Settings have the same names everywhere: those of proxy/config.py, which README's table shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy import config
from tests.hosting import dockerfile, tools
from tests.servers import ROOT

OF_THE_PLATFORM = {
    "AWS_LAMBDA_EXEC_WRAPPER": "Lambda starts the function with it",
    "DEPLOYED": "Lambda starts all instances anew when it changes",
    "HOME": "gunicorn's",
    "PORT": "Functions Framework's",
    "PYTHONUNBUFFERED": "Python's",
    "WORKERS": "Functions Framework's",
}
"""Variables that are no settings of the product, and whose they are."""


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms, `!Ref X`, for what stands behind them."""


def _short_form(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


Loader.add_multi_constructor("!", _short_form)


def loaded(name: str) -> Any:
    return yaml.load((ROOT / name).read_text(), Loader)


def of_template(_: Path) -> list[str]:
    properties = loaded("template.yaml")["Resources"]["Messages"]["Properties"]
    return list(properties["Environment"]["Variables"])


def of_serverless(_: Path) -> list[str]:
    return list(loaded("serverless.yml")["provider"]["environment"])


def of_service(_: Path) -> list[str]:
    [container] = loaded("service.yaml")["spec"]["template"]["spec"]["containers"]
    return [entry["name"] for entry in container["env"]]


def of_dockerfile(_: Path) -> list[str]:
    steps = dockerfile.steps((ROOT / dockerfile.FILE).read_text())
    lines = [rest for instruction, rest in steps if instruction == "ENV"]
    return re.findall(r"(\w+)=", " ".join(lines))


def of_makefile(home: Path) -> list[str]:
    """Those of the Cloud Run line, and those that its examples name."""
    lines = [
        *tools.recipe(home, "deploy-gcp", "PROJECT=x", "REGION=y"),
        *tools.recipe(home, "deploy-gcp", "PROJECT=x", "REGION=y", "BACKEND=vertex"),
    ]
    given = re.findall(r"--set-(?:secrets|env-vars) (\S+)", "\n".join(lines))
    examples = re.findall(r"SETTINGS='(\S+)'", (ROOT / "Makefile").read_text())
    return re.findall(r"(?:^|[,;^])(\w+)=", "\n".join([*given, *examples]), re.MULTILINE)


def of_the_secret(home: Path) -> list[str]:
    """Those in the JSON object that `make setup-aws` stores."""
    lines = tools.recipe(home, "setup-aws", "REGION=y", "GEMINI_API_KEY=k", "TEAM=yes")
    return re.findall(r'"(\w+)": ', "\n".join(lines))


PLACES = [of_template, of_serverless, of_service, of_dockerfile, of_makefile, of_the_secret]


@pytest.mark.parametrize("place", PLACES)
def test_variables_are_settings(place: Any, tmp_path: Path) -> None:
    names = place(tmp_path)
    assert len(names) >= 2
    assert [name for name in names if name not in (*config.VARIABLES, *OF_THE_PLATFORM)] == []


def test_excused_variables_are_used(tmp_path: Path) -> None:
    used = {name for place in PLACES for name in place(tmp_path)}
    assert set(OF_THE_PLATFORM) - used == set()


def test_sam_and_osls_know_the_same_settings(tmp_path: Path) -> None:
    assert of_template(tmp_path) == of_serverless(tmp_path)
    assert set(config.MODEL_VARIABLES) < set(of_template(tmp_path))
