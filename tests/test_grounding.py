"""translate/response/grounding.py: what Gemini's own tools found, as blocks."""

from typing import Any

import pytest

from translate.response.events import Events
from translate.response.grounding import CITATION_SIZE, MAX_SOURCES, MAX_USES, Grounding
from translate.response.output_limit import OutputLimit
from translate.translation import Domains

REDIRECT = "https://vertexaisearch.cloud.google.com/grounding-api-redirect/"
FOUND: dict[str, Any] = {
    "webSearchQueries": ["first", "second"],
    "groundingChunks": [
        {"web": {"uri": f"{REDIRECT}a", "title": "aljazeera.com"}},
        {"web": {"uri": f"{REDIRECT}b", "title": "www.uefa.com"}},
        {"maps": {"uri": "https://maps.test"}},
        {"web": {"title": "no-address.com"}},
    ],
    "groundingSupports": [
        {"segment": {"endIndex": 10, "text": "Spain won."}, "groundingChunkIndices": [0, 1]},
        {"segment": {"startIndex": 11, "text": "Again."}, "groundingChunkIndices": [2, 9]},
        {},
    ],
}


def grounding(*candidates: Any, searchable: Domains = Domains()) -> Grounding:  # noqa: B008
    collected = Grounding(searchable)
    for candidate in candidates:
        collected.add(candidate)
    return collected


def titles(collected: Grounding) -> list[str]:
    results = [block["content"] for block in collected.blocks("t") if "tool_use_id" in block]
    return [page["title"] for page in results[-1]]


def test_grounding_without_results_shows_nothing() -> None:
    collected = grounding({}, {"groundingMetadata": {}}, {"urlContextMetadata": {}})
    assert (collected.blocks("t"), collected.citations(), collected.usage()) == ([], [], {})
    events = Events(OutputLimit())
    collected.emit(events, "t")
    assert events.drain() == []


def test_searches_and_their_results() -> None:
    collected = grounding({"groundingMetadata": FOUND}, {"groundingMetadata": {}})
    assert collected.usage() == {
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}
    }

    def page(title: str, letter: str) -> dict[str, Any]:
        return {
            "type": "web_search_result",
            "title": title,
            "url": f"{REDIRECT}{letter}",
            "encrypted_content": "",
            "page_age": None,
        }

    assert collected.blocks("tag") == [
        {
            "type": "server_tool_use",
            "id": "srvtoolu_tags00",
            "name": "web_search",
            "input": {"query": "first"},
        },
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_tags00", "content": []},
        {
            "type": "server_tool_use",
            "id": "srvtoolu_tags01",
            "name": "web_search",
            "input": {"query": "second"},
        },
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_tags01",
            "content": [page("aljazeera.com", "a"), page("www.uefa.com", "b")],
        },
    ]


def test_metadata_that_comes_last_counts() -> None:
    later = {**FOUND, "groundingChunks": FOUND["groundingChunks"][:1]}
    collected = grounding({"groundingMetadata": FOUND}, {"groundingMetadata": later})
    assert titles(collected) == ["aljazeera.com"]


def test_results_without_a_query() -> None:
    collected = grounding({"groundingMetadata": {"groundingChunks": FOUND["groundingChunks"]}})
    assert [block.get("input") for block in collected.blocks("t")] == [{"query": ""}, None]


def test_citations_name_passage_and_source() -> None:
    cited = grounding({"groundingMetadata": FOUND}).citations()
    assert [(c["cited_text"], c["title"]) for c in cited] == [
        ("Spain won.", "aljazeera.com"),
        ("Spain won.", "www.uefa.com"),
    ]


@pytest.mark.parametrize(
    ("searchable", "expected"),
    [
        (Domains(allowed=("uefa.com",)), ["www.uefa.com"]),
        (Domains(allowed=("com",)), ["aljazeera.com", "www.uefa.com"]),
        (Domains(blocked=("uefa.com/euro",)), ["aljazeera.com"]),
        (Domains(allowed=("example.org",)), []),
    ],
)
def test_domain_filters(searchable: Domains, expected: list[str]) -> None:
    assert titles(grounding({"groundingMetadata": FOUND}, searchable=searchable)) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({"uri": "https://uefa.com/x", "title": "A page about football"}, 1),
        ({"uri": "https://else.com/x", "title": "A page about football"}, 0),
        ({"uri": f"{REDIRECT}x", "title": "A page about football"}, 1),
    ],
)
def test_domain_filters_use_the_url_where_the_title_is_no_site(page: Any, expected: int) -> None:
    found = {"webSearchQueries": ["q"], "groundingChunks": [{"web": page}]}
    collected = grounding({"groundingMetadata": found}, searchable=Domains(allowed=("uefa.com",)))
    assert len(titles(collected)) == expected


def test_fetches_and_their_results() -> None:
    fetched = [
        {
            "retrievedUrl": "https://a.test",
            "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS",
        },
        {"retrievedUrl": "https://b.test", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_UNSAFE"},
        {"retrievedUrl": "https://c.test", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_ERROR"},
    ]
    collected = grounding({"urlContextMetadata": {"urlMetadata": fetched}}, {})
    uses, results = collected.blocks("t")[::2], collected.blocks("t")[1::2]
    assert [use["input"]["url"] for use in uses] == [
        "https://a.test",
        "https://b.test",
        "https://c.test",
    ]
    assert [use["id"] for use in uses] == [result["tool_use_id"] for result in results]
    assert [result["content"].get("error_code") for result in results] == [
        None,
        "url_not_allowed",
        "unavailable",
    ]
    assert results[0]["content"]["url"] == "https://a.test"
    assert collected.usage()["server_tool_use"]["web_fetch_requests"] == 3


UNCITED = {**FOUND, "groundingSupports": FOUND["groundingSupports"][2:]}
SEARCH = [
    ("content_block_start", "server_tool_use"),
    ("content_block_delta", "input_json_delta"),
    ("content_block_stop",),
    ("content_block_start", "web_search_tool_result"),
    ("content_block_stop",),
]
CITED_TEXT = [
    ("content_block_start", "text"),
    ("content_block_delta", "citations_delta"),
    ("content_block_delta", "citations_delta"),
]
CALL = [("content_block_start", "tool_use")]
END = ("content_block_stop",)


@pytest.mark.parametrize(
    ("blocks", "place", "found", "expected"),
    [
        ([], 9, FOUND, SEARCH * 2),
        (["tool_use"], 9, FOUND, [*CALL, END, *SEARCH * 2]),
        (["text"], 9, FOUND, [*SEARCH * 2, *CITED_TEXT]),
        (["text"], 9, UNCITED, [*SEARCH * 2, *CITED_TEXT[:1]]),
        (["text", "tool_use"], 9, FOUND, [*SEARCH * 2, *CITED_TEXT[:1], END, *CALL]),
        (["text"], 0, FOUND, CITED_TEXT),
        (["text"], 0, UNCITED, CITED_TEXT),
        (["text", "thinking"], 0, FOUND, [CITED_TEXT[0], END, ("content_block_start", "thinking")]),
        (["text", "tool_use"], 0, FOUND, [CITED_TEXT[0], END, *CALL, END, *SEARCH * 2]),
    ],
)
def test_sources_are_never_behind_the_text(
    blocks: list[str], place: int, found: Any, expected: list[Any]
) -> None:
    """place: characters of the text that are kept back for them."""
    events = Events(OutputLimit())
    events.place_limit = place
    for block in blocks:
        events.open(block, {"type": block})
    grounding({"groundingMetadata": found}).emit(events, "tag")
    events.end_place()
    assert [
        (event["type"], *(event.get("content_block") or event.get("delta") or {}).values())[:2]
        for event in events.drain()
    ] == expected


def test_citations_of_sources_that_no_passage_has() -> None:
    events = Events(OutputLimit())
    events.add_text("Spain won.", 0)
    supports = FOUND["groundingSupports"][0], {"groundingChunkIndices": [0]}
    found = {**FOUND, "groundingSupports": [{**supports[0], "groundingChunkIndices": [0]}]}
    grounding({"groundingMetadata": found}).emit(events, "tag")
    assert [
        (event["delta"]["citation"]["title"], event["delta"]["citation"]["cited_text"])
        for event in events.drain()[2:]
    ] == [("aljazeera.com", "Spain won."), ("www.uefa.com", "")]


def test_sources_are_judged_once_however_often_they_are_cited() -> None:
    class Counting(Domains):
        asked = 0

        def allows(self, host: str) -> bool:
            Counting.asked += 1
            return super().allows(host)

    cited = [{"groundingChunkIndices": [0, 1]}] * 50
    collected = grounding(
        {"groundingMetadata": {**FOUND, "groundingSupports": cited}}, searchable=Counting()
    )
    assert (len(collected.citations()), titles(collected)) == (
        100,
        ["aljazeera.com", "www.uefa.com"],
    )
    assert Counting.asked == 2


def test_citations_are_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large passage with many sources would be repeated for each of them."""
    source = CITATION_SIZE + len(f"{REDIRECT}a") + len("aljazeera.com") + 1000
    monkeypatch.setattr("translate.response.grounding.MAX_CITED", 3 * source)
    supports = [{"segment": {"text": "x" * 1000}, "groundingChunkIndices": [0] * 1000}]
    metadata = {**FOUND, "groundingSupports": supports}
    assert len(grounding({"groundingMetadata": metadata}).citations()) == 3


def test_searches_sources_and_fetches_are_no_more_than_so_many() -> None:
    """A block of a few bytes becomes two of some hundred each."""
    page = {"web": {"uri": "https://a.test", "title": "a"}}
    found = grounding(
        {
            "groundingMetadata": {
                "webSearchQueries": ["q"] * (MAX_USES + 1),
                "groundingChunks": [page] * (MAX_SOURCES + 1),
                "groundingSupports": [{"groundingChunkIndices": [MAX_SOURCES]}],
            },
            "urlContextMetadata": {"urlMetadata": [{}] * (MAX_USES + 1)},
        }
    )
    kinds = [block["type"] for block in found.blocks("t")]
    assert kinds.count("server_tool_use") == 2 * MAX_USES
    assert kinds.count("web_fetch_tool_result") == MAX_USES
    results = [block for block in found.blocks("t") if block["type"] == "web_search_tool_result"]
    assert len(results[-1]["content"]) == MAX_SOURCES
    assert found.citations() == []
