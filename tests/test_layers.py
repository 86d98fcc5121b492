"""The house: imports point one way, and translate/ cannot touch the world."""

import ast
import re
from pathlib import Path

import pytest

from tests import module_coverage
from tests.servers import ROOT

FORBIDDEN_IN_TRANSLATE = {
    *("os", "io", "socket", "http", "urllib", "time", "logging", "random", "uuid", "secrets"),
    *("datetime", "threading", "asyncio", "subprocess", "pathlib", "sys"),
}
ONLY_IN = {
    "flask": {"main.py"},
    "functions_framework": {"main.py", "proxy/aws/server.py"},
    "google": {"proxy/google_auth.py"},
    "boto3": {"proxy/aws/secret.py"},
    "requests": {"proxy/gemini.py", "proxy/connections.py"},
    "urllib3": {"proxy/gemini.py", "proxy/connections.py"},
    "greenlet": {"proxy/liveness.py"},
    "sseclient": {"proxy/gemini.py"},
    "orjson": {"proxy/json_codec.py"},
}
LOWER = {"translate": set(), "proxy": {"translate"}, "main": {"proxy", "translate"}}
SOURCES = sorted([ROOT / "main.py", *ROOT.glob("proxy/**/*.py"), *ROOT.glob("translate/**/*.py")])
TRANSLATE = sorted(ROOT.glob("translate/**/*.py"))


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports from outside its own."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_point_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0].removesuffix(".py")
    ours = imported(path) & set(LOWER)
    assert ours <= LOWER[package] | {package}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_each_library_has_its_room(path: Path) -> None:
    misplaced = {
        library for library in imported(path) & set(ONLY_IN) if name(path) not in ONLY_IN[library]
    }
    assert misplaced == set()


@pytest.mark.parametrize("path", TRANSLATE, ids=name)
def test_translate_cannot_touch_the_world(path: Path) -> None:
    import sys

    outside = imported(path) - sys.stdlib_module_names
    assert (outside, imported(path) & FORBIDDEN_IN_TRANSLATE) == (set(), set())


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/*emulator/*.py")), ids=name)
def test_an_emulator_cannot_share_our_bugs(path: Path) -> None:
    assert imported(path) & {"translate", "proxy", "main"} == set()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_says_what_it_knows_and_fits_on_few_screens(path: Path) -> None:
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert len(docstring.splitlines()) >= 2 or not text
    assert len(text.splitlines()) <= 450


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_are_short_and_flat(path: Path) -> None:
    functions = [
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
    ]
    too_long = [f.name for f in functions if (f.end_lineno or 0) - f.lineno + 1 > 40]
    too_deep = [f.name for f in functions if depth(f) > 4]
    assert (too_long, too_deep) == ([], [])


def depth(node: ast.AST) -> int:
    """Nested statements that indent; an `elif` does not."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and child in node.orelse and isinstance(child, ast.If)
        indents = isinstance(child, ast.If | ast.For | ast.While | ast.With | ast.Try)
        deepest = max(deepest, depth(child) + (indents and not is_elif))
    return deepest


def test_the_way_there_and_the_way_back_do_not_know_each_other() -> None:
    for way, other in (("request", "response"), ("response", "request")):
        for path in ROOT.glob(f"translate/{way}/*.py"):
            assert not re.search(rf"^from \.\.{other}\b", path.read_text(), re.MULTILINE), path


@pytest.mark.parametrize("module", module_coverage.modules())
def test_modules_of_translate_have_a_test_file(module: str) -> None:
    expected = module_coverage.test_file(module)
    assert (ROOT / expected).exists(), f"{module} needs {expected}, which covers it alone"
