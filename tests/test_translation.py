"""translate/translation.py: the filters of a web search, and what a request tells its answer."""

from typing import Any

import pytest

from tests.answers import translation
from translate.translation import Domains, domains


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ({}, Domains()),
        ({"allowed_domains": ["a.com", "b.com"]}, Domains(allowed=("a.com", "b.com"))),
        ({"blocked_domains": ["a.com"]}, Domains(blocked=("a.com",))),
    ],
)
def test_domains_are_read_from_a_tool(tool: Any, expected: Domains) -> None:
    assert domains(tool) == expected


@pytest.mark.parametrize(
    ("filters", "host", "expected"),
    [
        (Domains(), "a.com", True),
        (Domains(allowed=("a.com",)), "a.com", True),
        (Domains(allowed=("a.com",)), "www.A.com", True),
        (Domains(allowed=("www.a.com/path",)), "news.a.com", True),
        (Domains(allowed=("com",)), "a.com", True),
        (Domains(allowed=("a.com",)), "not-a.com", False),
        (Domains(allowed=("b.com", "c.com")), "a.com", False),
        (Domains(blocked=("a.com",)), "news.a.com", False),
        (Domains(blocked=("a.com",)), "b.com", True),
        (Domains(allowed=("a.com",), blocked=("news.a.com",)), "news.a.com", False),
        (Domains(allowed=("a.com",)), "", True),
        (Domains(allowed=("A.com",), blocked=("B.com/path",)), "b.com", False),
        (Domains(allowed=("a.com",)), f"{'x.' * 200}a.com", False),
        (Domains(blocked=("a.com",)), f"{'x.' * 200}a.com", True),
    ],
)
def test_domains_allow_hosts(filters: Domains, host: str, expected: bool) -> None:
    assert filters.allows(host) is expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (
            Domains(allowed=("a.com", "b.com"), blocked=("c.com",)),
            "When you search the web, use only these sites: a.com, b.com.",
        ),
        (Domains(blocked=("a.com",)), "When you search the web, never use these sites: a.com."),
        (Domains(), None),
    ],
)
def test_domains_are_an_instruction_too(filters: Domains, expected: str | None) -> None:
    assert filters.instruction("search the web") == expected


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ([], False),
        ([{"functionDeclarations": [{"name": "Bash"}]}], False),
        ([{"googleSearch": {}}], True),
        ([{"functionDeclarations": []}, {"urlContext": {}}], True),
    ],
)
def test_built_in_tools_are_all_but_functions(tools: Any, expected: bool) -> None:
    request = {"tools": tools} if tools else {}
    assert translation(request=request).has_built_in is expected


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ([], False),
        ([{"functionDeclarations": []}, {"codeExecution": {}}], False),
        ([{"functionDeclarations": []}, {"googleSearch": {}}], True),
        ([{"urlContext": {}}], True),
    ],
)
def test_sources_come_from_search_and_fetch(tools: Any, expected: bool) -> None:
    assert translation(request={"tools": tools}).has_sources is expected


def test_schema_is_enforced_where_it_is_a_field() -> None:
    config = {"generationConfig": {"responseJsonSchema": {}}}
    requests: Any = ({}, {"generationConfig": {}}, config)
    enforced = [translation(request=request).is_schema_enforced for request in requests]
    assert enforced == [False, False, True]
