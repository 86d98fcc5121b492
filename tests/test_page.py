"""proxy/web/page.py, site.py: what pages get and give."""

from __future__ import annotations

from io import BytesIO

import pytest
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from proxy import routes
from proxy.liveness import Poller
from proxy.request_log import RequestLog
from proxy.web import page, site
from proxy.web.page import MAX_FORM_BYTES, MAX_FORM_FIELDS, PageRequest
from translate import ApiError


def post(body: bytes, content_type: str = page.FORM, **headers: str) -> PageRequest:
    builder = EnvironBuilder(
        "/x", "http://gemini.test", method="POST", content_type=content_type, headers=headers
    )
    builder.input_stream = BytesIO(body)
    builder.content_length = len(body)
    request = Request(builder.get_environ())
    return page.read(request, "/x", RequestLog("req_1", "POST", "/x"), Poller(None), None)


def test_each_route_of_pages_has_one() -> None:
    assert {*routes.PAGES, routes.HEALTH} == {*site.PAGES}


def test_form_is_read() -> None:
    fields = {"person": "alice", "reason": "", "plan": "größer & mehr"}
    body = b"person=alice&reason=&plan=gr%C3%B6%C3%9Fer+%26+mehr"
    assert post(body, f"{page.FORM}; charset=utf-8").form() == fields
    assert post(b"").form() == {}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"a=%FF" + b"\xff", page.FORM, 400),
        (b"a=1&" * (MAX_FORM_FIELDS + 1), page.FORM, 400),
        (b"a=" + b"1" * MAX_FORM_BYTES, page.FORM, 413),
    ],
)
def test_form_that_is_none_is_refused(body: bytes, content_type: str, status: int) -> None:
    with pytest.raises(ApiError) as caught:
        post(body, content_type).form()
    assert caught.value.status == status


def test_url_is_that_of_the_browser() -> None:
    assert post(b"").url == "http://gemini.test"
    for forwarded in ("https", "HTTPS", "https, http", "https,https"):
        request = post(b"", **{"X-Forwarded-Proto": forwarded})
        assert (request.url, request.is_https) == ("https://gemini.test", True)
    for forwarded in ("", "http, https", "javascript"):
        assert post(b"", **{"X-Forwarded-Proto": forwarded}).url == "http://gemini.test"
