"""translate/response/usage.py: Gemini's running totals as Anthropic's usage."""

from translate.models import Tokens
from translate.response.usage import UsageTotals
from translate.wire import UsageMetadata


def test_usage_counts_the_last_of_each_field() -> None:
    totals = UsageTotals()
    totals.update({"promptTokenCount": 7, "candidatesTokenCount": 1})
    totals.update({"candidatesTokenCount": 2})
    usage = totals.usage()
    assert (usage["input_tokens"], usage["output_tokens"]) == (7, 2)


HOP: UsageMetadata = {
    "promptTokenCount": 18234,
    "cachedContentTokenCount": 16320,
    "toolUsePromptTokenCount": 94,
    "candidatesTokenCount": 46,
    "thoughtsTokenCount": 87,
    "totalTokenCount": 18461,
}
USAGE = {
    "input_tokens": 2008,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 16320,
    "output_tokens": 133,
    "output_tokens_details": {"thinking_tokens": 87},
}


def test_usage_counts_cached_input_apart_and_thoughts_as_output() -> None:
    totals = UsageTotals()
    totals.update({"promptTokenCount": 18234, "candidatesTokenCount": 1})
    assert not totals.has_tool_use
    totals.update(HOP)
    assert totals.has_tool_use
    assert (totals.usage(), totals.visible, totals.thoughts) == (USAGE, 46, 87)
    assert totals.usage(searched=True) == {**USAGE, "input_tokens": 2008 - 94}


def test_thoughts_that_google_counts_twice_count_once() -> None:
    totals = UsageTotals()
    totals.update({"promptTokenCount": 10, "candidatesTokenCount": 80, "thoughtsTokenCount": 70})
    assert (totals.visible, totals.usage()["output_tokens"]) == (80, 150)
    totals.update({"totalTokenCount": 90})
    assert (totals.visible, totals.usage()["output_tokens"]) == (10, 80)


def test_usage_of_a_long_answer_has_its_first_hops_input() -> None:
    totals = UsageTotals()
    totals.update(HOP)
    totals.next_hop()
    totals.update({**HOP, "promptTokenCount": 99_999})
    thought = {"output_tokens_details": {"thinking_tokens": 2 * 87}}
    assert (totals.usage(), totals.visible) == ({**USAGE, "output_tokens": 266, **thought}, 92)
    assert totals.thoughts == 2 * 87


def test_bill_has_the_whole_input_of_each_request() -> None:
    totals = UsageTotals()
    totals.update(HOP)
    totals.next_hop()
    assert totals.billed() == [Tokens(18_234 + 94, 16_320, 133), Tokens()]
    totals.update({"promptTokenCount": 20_000, "candidatesTokenCount": 1})
    first, second = totals.billed(searched=True)
    assert (first, second) == (Tokens(18_234, 16_320, 133), Tokens(20_000, 0, 1))


def test_bill_has_no_more_cached_than_there_is() -> None:
    """What is not cached costs nothing less than nothing."""
    totals = UsageTotals()
    totals.update({"promptTokenCount": 10, "cachedContentTokenCount": 80})
    assert totals.billed() == [Tokens(10, 10, 0)]


def test_usage_is_zero_by_default_and_never_negative() -> None:
    zero = {name: 0 for name in USAGE if name != "output_tokens_details"}
    totals = UsageTotals()
    assert (totals.usage(), totals.thoughts) == (zero, 0)
    totals.update({"cachedContentTokenCount": 5})
    assert totals.usage() == {**zero, "cache_read_input_tokens": 5}
