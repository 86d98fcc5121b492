"""The house: imports point one way, and translate/ cannot touch the world."""

import ast
import functools
import sys
from collections.abc import Iterator
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
    "gunicorn": {
        *("proxy/server.py", "proxy/worker.py"),
        *("proxy/buffering_worker.py", "proxy/client_connection.py"),
    },
    "google": {"proxy/google_auth.py"},
    "boto3": {"proxy/aws/secret.py", "proxy/team/stores/dynamodb_client.py"},
    "botocore": {"proxy/team/stores/dynamodb_client.py"},
    "requests": {
        *("proxy/gemini.py", "proxy/connections.py", "proxy/cli/http_client.py"),
        *("proxy/team/stores/firestore_client.py", "proxy/web/oidc_provider.py"),
        "proxy/otlp.py",
    },
    "cryptography": {"proxy/web/id_token.py"},
    "opentelemetry": {"proxy/otlp.py"},
    "urllib3": {
        *("proxy/gemini.py", "proxy/connections.py", "proxy/response_stream.py"),
        *("proxy/unreachable.py", "proxy/web/oidc_provider.py"),
    },
    "httptools": {"proxy/response_stream.py"},
    "sseclient": {"proxy/gemini.py"},
    "orjson": {"proxy/json_codec.py"},
    "sqlite3": {"proxy/team/stores/sqlite.py"},
}
"""Library -> who may import it."""

LANES = ("translate", "translate/request", "translate/response")
FLOORS: dict[str, tuple[str, ...]] = {
    "translate": (),
    "translate/request": ("translate",),
    "translate/response": ("translate",),
    "proxy": LANES,
    "proxy/team/stores": (),
    "proxy/team": (*LANES, "proxy", "proxy/team/stores"),
    "proxy/web": (*LANES, "proxy", "proxy/team", "proxy/team/stores"),
    "proxy/aws": (*LANES, "proxy", "main.py"),
    "proxy/cli": (*LANES, "proxy", "proxy/team", "proxy/team/stores", "proxy/web"),
    "proxy/__main__.py": (*LANES, "proxy", "proxy/cli"),
    "main.py": (*LANES, "proxy", "proxy/team", "proxy/web"),
}
"""Folder -> the floors below it. A module belongs to the innermost; translate/__init__.py, which
gives out the names of both lanes, to none."""

MAX_FILE_LINES, MAX_LINES, MAX_DEPTH, MAX_TEST_NAME = 450, 40, 4, 60

SOURCES = sorted([ROOT / "main.py", *ROOT.glob("proxy/**/*.py"), *ROOT.glob("translate/**/*.py")])
TRANSLATE = sorted(ROOT.glob("translate/**/*.py"))
TESTS = sorted(ROOT.glob("tests/**/test_*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imported(path: Path) -> set[str]:
    """Everything that a file imports, with absolute names: the modules, and the names in them."""
    package = path.relative_to(ROOT).parts[:-1]
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def packages(path: Path) -> set[str]:
    """The top-level packages among them."""
    return {module.partition(".")[0] for module in imported(path)}


def floor(path: str) -> str:
    """The innermost floor of a file, "" of what is none of ours."""
    return max((each for each in FLOORS if f"{path}/".startswith(f"{each}/")), key=len, default="")


def floors(path: Path) -> Iterator[str]:
    """Where that lies which a file imports."""
    for module in imported(path):
        file = module.replace(".", "/")
        yield floor("main.py" if file == "main" else file)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_point_one_way(path: Path) -> None:
    own = floor(name(path))
    if name(path) != "translate/__init__.py":
        assert {each for each in floors(path) if each} <= {own, *FLOORS[own]}


def test_imports_are_found_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    file = tmp_path / "translate/request/new.py"
    file.parent.mkdir(parents=True)
    for line in (
        "import translate.response.stream",
        "from translate.response import stream",
        "from translate import response",
        "from .. import response",
        "from ..response import stream",
        "def f():\n    from ..response.stream import StreamTranslator",
    ):
        file.write_text(line)
        tree.cache_clear()
        imported.cache_clear()
        assert "translate/response" in floors(file), line


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_libraries_are_imported_in_their_file_only(path: Path) -> None:
    libraries = packages(path) & ONLY_IN.keys()
    assert {library for library in libraries if name(path) not in ONLY_IN[library]} == set()


@pytest.mark.parametrize("path", TRANSLATE, ids=name)
def test_translate_cannot_touch_the_world(path: Path) -> None:
    outside = packages(path) - sys.stdlib_module_names - {"translate"}
    assert (outside, packages(path) & FORBIDDEN_IN_TRANSLATE) == (set(), set())


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/*emulator/*.py")), ids=name)
def test_emulator_cannot_share_our_bugs(path: Path) -> None:
    assert packages(path) & {"translate", "proxy", "main"} == set()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_file_opens_with_what_it_holds_and_is_short(path: Path) -> None:
    lines = path.read_text().splitlines()
    opening = (ast.get_docstring(tree(path)) or "").splitlines()
    if lines and len(opening) < 2:
        pytest.fail(f"{name(path)}: open it with two lines on what it holds", pytrace=False)
    if len(lines) > MAX_FILE_LINES:
        has = f"{name(path)} has {len(lines)} lines, {MAX_FILE_LINES} at most"
        pytest.fail(f"{has}: move one of its subjects to a file of its own", pytrace=False)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_are_short_and_flat(path: Path) -> None:
    problems = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            at = f"{name(path)}:{node.lineno}: {node.name}"
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > MAX_LINES:
                problems.append(f"{at} has {lines} lines, {MAX_LINES} at most: split it")
            if depth(node) > MAX_DEPTH:
                problems.append(f"{at} nests {depth(node)} deep, {MAX_DEPTH} at most")
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def depth(node: ast.AST) -> int:
    """Nested statements that indent; an `elif` does not."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and child in node.orelse and isinstance(child, ast.If)
        indents = isinstance(child, ast.If | ast.For | ast.While | ast.With | ast.Try)
        deepest = max(deepest, depth(child) + (indents and not is_elif))
    return deepest


@pytest.mark.parametrize("module", module_coverage.modules())
def test_modules_of_translate_have_a_test_file(module: str) -> None:
    expected = module_coverage.test_file(module)
    if not (ROOT / expected).exists():
        pytest.fail(f"{module} needs {expected}, which covers it alone", pytrace=False)


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_names_of_tests_are_short(path: Path) -> None:
    tests = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)]
    problems = [
        f"{name(path)}:{test.lineno}: {test.name} has {len(test.name)} characters,"
        f" {MAX_TEST_NAME} at most: begin with the domain's word, leave out the article"
        for test in tests
        if test.name.startswith("test_") and len(test.name) > MAX_TEST_NAME
    ]
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
