"""translate/blocks.py: every block that either side of a conversation may hold."""

from typing import Any

import pytest

from translate.blocks import is_traced, parts_of
from translate.errors import InvalidRequest
from translate.shapes import block

PATH = "messages.0.content.1"
INLINE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}


def source(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


PNG = source("base64", media_type="image/png", data="AAAA")


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        pytest.param({"type": "text", "text": "Hi"}, [{"text": "Hi"}], id="text"),
        pytest.param({"type": "text", "text": ""}, [], id="empty text"),
        pytest.param(
            {"type": "document", "source": source("text", data="")}, [], id="empty document"
        ),
        pytest.param(
            {"type": "document", "source": source("content", content="")}, [], id="empty one"
        ),
        pytest.param({"type": "image", "source": PNG}, [INLINE], id="an image"),
        pytest.param(
            {"type": "image", "source": source("url", url="https://x.test/a.png")},
            [{"fileData": {"fileUri": "https://x.test/a.png"}}],
            id="an image by URL",
        ),
        pytest.param(
            {
                "type": "document",
                "title": "Terms",
                "context": "Read closely.",
                "source": source("base64", media_type="application/pdf", data="AAAA"),
            },
            [
                {"text": "Terms"},
                {"text": "Read closely."},
                {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
            ],
            id="a PDF",
        ),
        pytest.param(
            {
                "type": "document",
                "source": source("text", media_type="text/plain", data="plain"),
            },
            [{"text": "plain"}],
            id="plain text",
        ),
        pytest.param(
            {"type": "document", "source": source("content", content="one string")},
            [{"text": "one string"}],
            id="a document of a string",
        ),
        pytest.param(
            {
                "type": "document",
                "source": source(
                    "content",
                    content=[{"type": "text", "text": "see"}, {"type": "image", "source": PNG}],
                ),
            },
            [{"text": "see"}, INLINE],
            id="a document of blocks",
        ),
        pytest.param(
            {
                "type": "search_result",
                "source": "https://x.test",
                "title": "Found",
                "content": [{"type": "text", "text": "this"}],
                "citations": {"enabled": True},
            },
            [{"text": "[Found](https://x.test)"}, {"text": "this"}],
            id="a search result",
        ),
        pytest.param(
            {"type": "tool_reference", "tool_name": "WebFetch"},
            [{"text": "The tool WebFetch is now available."}],
            id="what tool search found",
        ),
        pytest.param(
            {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "A"}},
            [{"text": "The tool A is now available."}],
            id="a tool that was added",
        ),
        pytest.param(
            {
                "type": "tool_addition",
                "tool": {"type": "tool_definition", "definition": {"name": "B"}},
            },
            [{"text": "The tool B is now available."}],
            id="a tool that was defined",
        ),
        pytest.param(
            {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "A"}},
            [{"text": "The tool A is no longer available."}],
            id="a tool that was removed",
        ),
        pytest.param(
            {
                "type": "server_tool_use",
                "id": "s",
                "name": "web_search",
                "input": {"query": "é"},
            },
            [{"text": '(The server was asked to use web_search with {"query": "é"}.)'}],
            id="a server's tool use",
        ),
        pytest.param(
            {
                "type": "web_search_tool_result",
                "tool_use_id": "s",
                "content": [
                    {
                        "type": "web_search_result",
                        "url": "https://x.test",
                        "encrypted_content": "EqgfCioIARgB",
                        "page_age": None,
                    }
                ],
            },
            [
                {
                    "text": "(The server's web_search found "
                    '[{"type": "web_search_result", "url": "https://x.test"}].)'
                }
            ],
            id="what a server's search found",
        ),
        pytest.param(
            {
                "type": "code_execution_tool_result",
                "tool_use_id": "s",
                "content": {"type": "code_execution_result", "stdout": "4", "return_code": 0},
            },
            [
                {
                    "text": "(The server's code_execution found "
                    '{"type": "code_execution_result", "stdout": "4", "return_code": 0}.)'
                }
            ],
            id="what a server's code printed",
        ),
    ],
)
def test_a_block(given: Any, parts: Any) -> None:
    assert parts_of(PATH, block(given)) == parts


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"type": "hologram"}, f"{PATH}: a 'hologram' block is not supported here"),
        (
            {"type": "container_upload", "file_id": "f"},
            f"{PATH}: a 'container_upload' block is not supported here",
        ),
        (
            {"type": "image", "source": source("file", file_id="f")},
            f"{PATH}.source.type: 'file' is not supported here",
        ),
        (
            {"type": "image", "source": source("base64", data="AAAA")},
            f"{PATH}.source.media_type: expected a string",
        ),
        (
            {"type": "document", "source": source("content", content=[{"type": "hologram"}])},
            f"{PATH}.source.content.0: a 'hologram' block is not supported here",
        ),
        (
            {"type": "document", "source": source("content", content=[{"type": "text"}])},
            f"{PATH}.source.content.0.text: field required",
        ),
        (
            {"type": "document", "source": source("content")},
            f"{PATH}.source.content: expected a string or a list of content blocks",
        ),
    ],
)
def test_what_has_no_counterpart_is_named(given: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parts_of(PATH, block(given))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "server_tool_use", "id": "srvtoolu_0a1b2c3ds00"}, True),
        ({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_0a1b2c3df01"}, True),
        ({"type": "server_tool_use", "id": "srvtoolu_01XyZ"}, False),
        ({"type": "text", "text": "x"}, False),
    ],
)
def test_what_a_trace_already_tells(given: Any, expected: bool) -> None:
    assert is_traced(given) is expected
