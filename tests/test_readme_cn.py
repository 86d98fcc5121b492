"""README_CN.md is README.md in Chinese: what needs no translation is the same, block by block."""

from __future__ import annotations

import re
from collections import Counter
from itertools import zip_longest
from typing import NamedTuple

import pytest

from tests.servers import ROOT

ENGLISH = (ROOT / "README.md").read_text("utf-8")
CHINESE = (ROOT / "README_CN.md").read_text("utf-8")

HAN = r"[\u4e00-\u9fff]"
CODE_SPAN = re.compile(r"(`+)(.+?)\1")
LINK = re.compile(r"\]\(([^)]+)\)")
URL = re.compile(r"https?://[^\s)|\u3000-\uffef]*[A-Za-z0-9/]")
PICTURE = re.compile(r'(?:src|width|height)="[^"]*"')
FIGURE = re.compile(r"\d+(?:[.,]\d+)*(?: ?(?:%|[kKMG]B))?")
PROSE = re.compile(r"\b[a-z]+(?: [a-z]+){2}")
"""What has fewer words one after the other may be a name, which stays as it is."""


class Block(NamedTuple):
    """A heading, a row of a table, an item, some HTML, a paragraph or some lines of code."""

    section: str
    """The heading above it, as it is written in its file."""
    kind: str
    cells: list[str]
    """Of a row; one of anything else. Without line breaks, but for code."""


def blocks(text: str) -> list[Block]:
    found: list[Block] = []
    section = "the title"
    for chunk in re.split(r"\n\n+|\n(?=[|<]|- )", text.strip("\n")):
        kind = kind_of(chunk)
        flat = " ".join(chunk.split())
        if kind.startswith("#"):
            section = flat.lstrip("# ")
        cells = [chunk] if kind == "code" else [flat]
        if kind == "row":
            cells = re.split(r"(?<!\\)\|", flat.strip("|"))
        found.append(Block(section, kind, [cell.strip(" ") for cell in cells]))
    return found


def kind_of(chunk: str) -> str:
    if chunk.startswith("    "):
        return "code"
    kinds = {"|": "row", "<": "HTML", "-": "item"}
    return chunk.split()[0] if chunk.startswith("#") else kinds.get(chunk[0], "paragraph")


def anchors(text: str) -> dict[str, int]:
    """GitHub's anchor of each heading -> which one it is."""
    headings = [block.section for block in blocks(text) if block.kind.startswith("#")]
    slugs = [re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings]
    return {slug: number for number, slug in enumerate(slugs)}


def facts(cell: str, places: dict[str, int]) -> list[str]:
    """What a translation keeps, in any order: code, links, pictures, figures."""
    kept = [code.strip() for _, code in CODE_SPAN.findall(cell)]
    cell = CODE_SPAN.sub("", cell)
    for target in LINK.findall(cell):
        kept.append(f"link to {place(target, places)}")
    cell = LINK.sub("", cell)
    for pattern in (URL, PICTURE, FIGURE):
        kept += pattern.findall(cell)
        cell = pattern.sub("", cell)
    return sorted(kept)


def place(target: str, places: dict[str, int]) -> str:
    if target in ("README.md", "README_CN.md"):
        return "the other README"
    if not target.startswith("#"):
        return target
    number = places.get(target[1:])
    return f"heading {number}" if number is not None else f"no heading: {target}"


def first_difference(english: str, chinese: str) -> str | None:
    """A sentence that names the section."""
    there, here = anchors(english), anchors(chinese)
    for old, new in zip_longest(blocks(english), blocks(chinese)):
        if old is None:
            return f"README_CN.md has more than README.md under {new.section!r}: {new.cells}"
        where = f"README_CN.md differs from README.md under {old.section!r}"
        if new is None:
            return f"{where}: it lacks the {old.kind} {old.cells}"
        if (old.kind, len(old.cells)) != (new.kind, len(new.cells)):
            return f"{where}: the {old.kind} {old.cells} is the {new.kind} {new.cells}"
        for cell, translation in zip(old.cells, new.cells, strict=True):
            if old.kind == "code":
                problem = "" if cell == translation else f"not the code {cell!r}"
            else:
                problem = fault(cell, translation, facts(cell, there), facts(translation, here))
            if problem:
                return f"{where}: {translation!r}: {problem}"
    return None


def fault(cell: str, translation: str, kept: list[str], found: list[str]) -> str:
    """Of a translation; empty for none."""
    if kept != found:
        lacks = list((Counter(kept) - Counter(found)).elements())
        has = list((Counter(found) - Counter(kept)).elements())
        return f"lacks {lacks} and has {has}, for {cell!r}"
    if is_prose(cell) and not re.search(HAN, translation):
        return "not translated"
    return ""


def is_prose(cell: str) -> bool:
    text = PICTURE.sub("", URL.sub("", LINK.sub("]", CODE_SPAN.sub("", cell))))
    return PROSE.search(text) is not None


def test_chinese_readme_is_in_step() -> None:
    difference = first_difference(ENGLISH, CHINESE)
    if difference is not None:
        pytest.fail(difference)  # at full length, which an assertion would cut


def test_readmes_link_to_each_other_at_the_top() -> None:
    assert "[简体中文](README_CN.md)" in "\n".join(ENGLISH.splitlines()[:4])
    assert "[English](README.md)" in "\n".join(CHINESE.splitlines()[:4])


def test_chinese_links_resolve() -> None:
    targets = set(LINK.findall(CHINESE)) | set(re.findall(r'src="([^"]+)"', CHINESE))
    inside = {target[1:] for target in targets if target.startswith("#")}
    assert inside <= anchors(CHINESE).keys()
    assert len(anchors(CHINESE)) == len(re.findall(r"^#+ ", CHINESE, re.MULTILINE))
    files = {target.split("#")[0] for target in targets if not target.startswith(("#", "http"))}
    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []
    assert len(inside) > 5 < len(files)


def test_chinese_lines_end_at_punctuation() -> None:
    """A line break between two characters is shown as a space."""
    assert re.findall(rf".*{HAN}\n *{HAN}.*", CHINESE) == []


SAMPLE = """\
# a

See [b](#b) at https://a.example, 3 MB of `c`.

## b

    make run
    make stop

| d | e |
| --- | --- |
| `f` | at most 1,000 requests each |

- some words of a list

<img src="docs/g.svg" width="720" alt="h">
"""
TRANSLATED = (
    SAMPLE.replace("# b", "# 乙")
    .replace("See [b](#b) at", "`c` 占 3 MB，见")
    .replace(", 3 MB of `c`.", "，[乙](#乙)。")
    .replace("at most 1,000 requests each", "最多 1,000 次")
    .replace("some words of a list", "几个词")
)


def test_translation_may_order_a_sentence_anew() -> None:
    assert first_difference(SAMPLE, TRANSLATED) is None


@pytest.mark.parametrize(
    ("old", "new", "section"),
    [
        ("## 乙", "### 乙", "b"),
        ("## 乙", "## 乙\n\n### 丙", "b"),
        ("make stop", "make start", "b"),
        ("    make run\n    make stop\n\n", "", "b"),
        ("1,000", "1,001", "b"),
        ("| `f` |", "| `g` |", "b"),
        ("| `f` | 最多 1,000 次 |\n", "", "b"),
        ("| 最多 1,000 次 |", "| 最多 1,000 次 | 丁 |", "b"),
        ("- 几个词", "- some words of a list", "b"),
        ("g.svg", "h.svg", "b"),
        ("3 MB", "3 KB", "a"),
        ("a.example", "b.example", "a"),
        ("(#乙)", "(#b)", "a"),
        ('<img src="docs/g.svg" width="720" alt="h">', "", "b"),
        ('alt="h">', 'alt="h">\n\n多余', "乙"),
    ],
)
def test_first_difference_names_its_section(old: str, new: str, section: str) -> None:
    assert old in TRANSLATED
    sentence = first_difference(SAMPLE, TRANSLATED.replace(old, new))
    assert sentence is not None
    assert f"under {section!r}" in sentence
