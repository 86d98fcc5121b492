"""What Gemini's own tools found -> the blocks in which a Messages client expects it.

groundingMetadata and urlContextMetadata on one side, the search, fetch and citation shapes of the
Messages API on the other. They come with any chunk, mostly with the last (seen 2026-09-30); but an
answer ends with its text, as several clients take what stands behind the last result for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..translation import Domains
from ..wire import Candidate, Json
from .events import Events, compact

MAX_CITED = 2_000_000
CITATION_SIZE = 200
"""Characters in all citations of an answer, and of one beside its passage, address and title. Of
ordinary answers they make some 100,000; but 1 MB of metadata could name half a million."""

MAX_USES = 100
"""Searches, and pages fetched, that an answer tells of: each becomes two blocks. Google makes a
dozen, and fetches 20 pages at the most."""

MAX_SOURCES = 1_000
"""Pages found; Google names some tens of them."""

GOOGLE_REDIRECT_HOST = "vertexaisearch.cloud.google.com"
"""Of the URLs that Google gives in place of a page's own."""

FETCHED = "URL_RETRIEVAL_STATUS_SUCCESS"
FETCH_ERRORS = {
    "URL_RETRIEVAL_STATUS_PAYWALL": "url_not_accessible",
    "URL_RETRIEVAL_STATUS_UNSAFE": "url_not_allowed",
}
"""urlRetrievalStatus -> the error_code of a fetch; all others could not be reached."""


NO_TEXT = (None, "tool_use")
"""Last blocks of an answer that does not end with a text."""


class Grounding:
    """Collects the metadata of one answer; the last of each kind counts."""

    def __init__(self, domains: Domains) -> None:
        self._domains = domains
        self._search: Json = {}
        self._pages: list[Json | None] | None = None
        self._urls: list[Json] = []

    def add(self, candidate: Candidate) -> None:
        search = candidate.get("groundingMetadata")
        if search and (search.get("webSearchQueries") or search.get("groundingChunks")):
            self._search, self._pages = search, None
        fetched = candidate.get("urlContextMetadata")
        if fetched:
            self._urls = (fetched.get("urlMetadata") or self._urls)[:MAX_USES]

    @property
    def searches(self) -> int:
        """How many searches Google made."""
        return len(self._search.get("webSearchQueries", ()))

    def usage(self) -> Json:
        """What a client's usage shows of it; empty where no tool was used."""
        if not self._search and not self._urls:
            return {}
        counts = {"web_search_requests": self.searches, "web_fetch_requests": len(self._urls)}
        return {"server_tool_use": counts}

    def citations(self) -> list[Json]:
        """Where the text of the answer comes from, one for each passage and source."""
        citations: list[Json] = []
        room = MAX_CITED
        for source, passage in self._cited():
            room -= CITATION_SIZE + len(source["url"]) + len(source["title"]) + len(passage)
            if room < 0:
                break
            citations.append(_citation(source, passage))
        return citations

    def _cited(self) -> Iterator[tuple[Json, str]]:
        """Sources, each with a passage that it supports."""
        sources = self._sources()
        for support in self._search.get("groundingSupports", ()):
            passage = support.get("segment", {}).get("text", "")
            for index in support.get("groundingChunkIndices", ()):
                source = sources[index] if 0 <= index < len(sources) else None
                if source is not None:
                    yield source, passage

    def _uncited(self, citations: Iterable[Json]) -> list[Json]:
        """Citations of no passage, for the sources that have none."""
        cited = {citation["url"] for citation in citations}
        return [
            _citation(source, "")
            for source in self._sources()
            if source is not None and source["url"] not in cited
        ]

    def emit(self, events: Events, tag: str) -> None:
        """Citations for the text just shown, and the searches and fetches in front of it. Where it
        is too late for that, the citations name all of the sources."""
        if not self._search and not self._urls:
            return
        if events.open_block == "text":
            citations = self.citations()
            if not events.has_place:
                citations += self._uncited(citations)
            for citation in citations:
                events.add_delta("citations_delta", citation=citation)
        if events.has_place:
            with events.before_text():
                self._emit_blocks(events, tag)
        elif events.last_block in NO_TEXT:
            self._emit_blocks(events, tag)

    def _emit_blocks(self, events: Events, tag: str) -> None:
        for block in self.blocks(tag):
            tool_input = block.get("input")
            if tool_input is None:
                events.open(block["type"], block)
            else:
                events.open(block["type"], {**block, "input": {}})
                events.add_input(compact(tool_input))
            events.close()

    def blocks(self, tag: str) -> list[Json]:
        """Pairs of server_tool_use and its result. tag: makes their ids unique."""
        return [*self._search_blocks(tag), *self._fetch_blocks(tag)]

    def _search_blocks(self, tag: str) -> list[Json]:
        """All results follow the last search: Google does not say which search found them."""
        queries = self._search.get("webSearchQueries") or ([""] if self._search else [])
        queries = queries[:MAX_USES]
        blocks: list[Json] = []
        for i, query in enumerate(queries):
            identity = f"srvtoolu_{tag}s{i:02d}"
            is_last = i == len(queries) - 1
            found = self._results() if is_last else []
            blocks.append(_server_tool_use(identity, "web_search", {"query": query}))
            blocks.append(_tool_result("web_search_tool_result", identity, found))
        return blocks

    def _results(self) -> list[Json]:
        return [
            {
                "type": "web_search_result",
                **source,
                "encrypted_content": "",
                "page_age": None,
            }
            for source in self._sources()
            if source is not None
        ]

    def _sources(self) -> list[Json | None]:
        """Title and URL of the web page behind each of the groundingChunks, as far as allowed."""
        if self._pages is None:
            chunks = self._search.get("groundingChunks", ())[:MAX_SOURCES]
            self._pages = [self._source(chunk.get("web", {})) for chunk in chunks]
        return self._pages

    def _source(self, page: Json) -> Json | None:
        if not page.get("uri") or not self._domains.allows(_host(page)):
            return None
        return {"title": page.get("title", ""), "url": page["uri"]}

    def _fetch_blocks(self, tag: str) -> list[Json]:
        blocks: list[Json] = []
        for i, fetched in enumerate(self._urls):
            identity = f"srvtoolu_{tag}f{i:02d}"
            url, status = fetched.get("retrievedUrl", ""), fetched.get("urlRetrievalStatus", "")
            result = _fetch_result(url, status)
            blocks.append(_server_tool_use(identity, "web_fetch", {"url": url}))
            blocks.append(_tool_result("web_fetch_tool_result", identity, result))
        return blocks


def _fetch_result(url: str, status: str) -> Json:
    if status != FETCHED:
        code = FETCH_ERRORS.get(status, "unavailable")
        return {"type": "web_fetch_tool_result_error", "error_code": code}
    source = {"type": "text", "media_type": "text/plain", "data": ""}
    document = {"type": "document", "source": source, "title": None, "citations": None}
    return {"type": "web_fetch_result", "url": url, "content": document, "retrieved_at": None}


def _citation(source: Json, passage: str) -> Json:
    return {
        "type": "web_search_result_location",
        "url": source["url"],
        "title": source["title"],
        "encrypted_index": "",
        "cited_text": passage,
    }


def _server_tool_use(identity: str, name: str, tool_input: Json) -> Json:
    return {"type": "server_tool_use", "id": identity, "name": name, "input": tool_input}


def _tool_result(kind: str, identity: str, content: object) -> Json:
    return {"type": kind, "tool_use_id": identity, "content": content}


def _host(page: Json) -> str:
    """Google gives the site as the title, and a redirect of its own as the URL."""
    title = str(page.get("title", ""))
    if "." in title and " " not in title:
        return title
    host = str(page["uri"]).partition("://")[2].partition("/")[0]
    return "" if host == GOOGLE_REDIRECT_HOST else host
