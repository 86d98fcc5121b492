"""Auto mode: whether a turn's tool calls are dangerous, as another model judges them.

The last events of an answer wait for one call to the model of PROXY_AUTO_MODE_MODEL; what comes
before them does not. Whatever goes wrong with that call is no verdict, never a good one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from translate import ApiError, Cause, StreamTranslator, Translation, collect, translate
from translate.request import safeguards
from translate.response.verdicts import (
    Reason,
    ToolUses,
    available,
    read_verdicts,
    unavailable,
)
from translate.wire import Block, Event, Json

from . import json_codec
from .attempts import Attempts, MessagesCall
from .gemini import Gemini
from .liveness import SILENCE, Poller, Silence, Waiting
from .request_log import RequestLog

JUDGE_SECONDS = 30
"""For a verdict, from the first byte asked to the last byte read: the person waits."""

TRANSPORT = frozenset({Cause.CONNECTION, Cause.BROKEN})
"""Causes after which the judge is asked again, once: it has not answered."""

REASONS = {
    Cause.TIMEOUT: Reason.TIMEOUT,
    Cause.SILENCE: Reason.TIMEOUT,
    Cause.CONTEXT: Reason.INPUT_TOO_LONG,
    Cause.PAYLOAD: Reason.INPUT_TOO_LONG,
    Cause.OVERLOADED: Reason.FAILED,
    Cause.INTERNAL: Reason.FAILED,
    Cause.QUOTA: Reason.FAILED,
    Cause.CONNECTION: Reason.FAILED,
    Cause.BROKEN: Reason.FAILED,
    Cause.EMPTY: Reason.FAILED,
    Cause.THOUGHTS: Reason.FAILED,
    Cause.NO_JSON: Reason.MALFORMED,
}
"""Why Gemini gave no verdict, where the next may well come; all else is an error."""


def judged_events(
    call: MessagesCall, attempts: Attempts, gemini: Gemini, poller: Poller, log_entry: RequestLog
) -> Generator[list[Event] | Silence, None, None]:
    """An answer's events, with verdicts where the client asks for them and a model gives them."""
    context = safeguards.classifier_context(call.body.get("safeguards") or ())
    model = call.settings.auto_mode_model
    if model is None or context is None:
        return attempts.events()
    return Judge(model, context, call, attempts, gemini, poller, log_entry).items()


@dataclass
class Judge:
    """Judges the calls of one answer. model: the one to ask. context: what the client says about
    its person."""

    model: str
    context: Json
    call: MessagesCall
    attempts: Attempts
    gemini: Gemini
    poller: Poller
    log_entry: RequestLog

    def items(self) -> Generator[list[Event] | Silence, None, None]:
        """The answer's events, the last two with `safeguard_results` where there are calls."""
        calls = ToolUses()
        with contextlib.closing(self.attempts.events()) as items:
            for item in items:
                if item is SILENCE:
                    yield SILENCE
                    continue
                calls.add(item)
                if not calls.blocks or not item or item[-1]["type"] != "message_stop":
                    yield item
                    continue
                *events, message_delta, message_stop = item
                yield events
                results = yield from self._results(calls.blocks)
                delta = {**message_delta["delta"], "safeguard_results": results}
                yield [{**message_delta, "delta": delta}, message_stop]

    def _results(self, calls: Sequence[Block]) -> Waiting[list[Json]]:
        started = time.monotonic()
        status = yield from self._status(calls)
        self.log_entry.judge["ms"] = round(1000 * (time.monotonic() - started))
        return [{"type": safeguards.DANGEROUS_TOOL_USE, "status": status}]

    def _status(self, calls: Sequence[Block]) -> Waiting[Json]:
        """The client's answer to each call, or why there is none. Raises nothing of the judge's."""
        judged = [call for call in calls if safeguards.can_be_judged(call)][: safeguards.MAX_CALLS]
        body = safeguards.judge_request(
            self.model,
            judged,
            self.attempts.plan.translation.messages,
            self.context,
            is_subagent=self.call.is_subagent,
        )
        if body is None or not judged:
            return self._unavailable(Reason.INPUT_TOO_LONG)
        try:
            message = yield from self._ask(body)
        except Exception as error:  # noqa: BLE001 - a fault of ours is no verdict either
            cause = self.log_entry.to_api_error(error).cause
            self.log_entry.error = ""
            return self._unavailable(REASONS.get(cause or Cause.REQUEST, Reason.ERROR))
        ids = [call["id"] for call in judged]
        verdicts = read_verdicts(message, ids)
        if isinstance(verdicts, Reason):
            return self._unavailable(verdicts)
        outcomes = [verdict["outcome"] for verdict in verdicts.values()]
        self.log_entry.judge["flagged"] = outcomes.count("flagged")
        self.log_entry.judge["not_flagged"] = outcomes.count("not_flagged")
        too_long = {call["id"]: unavailable(Reason.INPUT_TOO_LONG) for call in calls}
        missing = {identity: unavailable(Reason.ERROR) for identity in ids}
        return available({**too_long, **missing, **verdicts})

    def _unavailable(self, reason: Reason) -> Json:
        self.log_entry.judge["unavailable"] = reason
        return unavailable(reason)

    def _ask(self, body: Json) -> Waiting[Json]:
        """The judge's whole message. Raises ApiError."""
        translation = translate(
            body,
            {"ANTHROPIC_MODEL": self.model},
            safety=self.call.settings.safety,
            platform=self.call.platform,
            today=self.call.today,
        )
        self.log_entry.judge["gemini"] = translation.model.name
        deadline = time.monotonic() + JUDGE_SECONDS
        try:
            return (yield from self._ask_once(translation, deadline))
        except ApiError as error:
            if error.cause not in TRANSPORT:
                raise
        return (yield from self._ask_once(translation, deadline))

    def _ask_once(self, translation: Translation, deadline: float) -> Waiting[Json]:
        translator = StreamTranslator(
            translation,
            message_id=self.call.message_id,
            model=self.model,
        )
        request = json_codec.dumps(translation.request)
        events: list[Event] = []
        stream = self.gemini.stream(
            translation.model.name, request, self.attempts.plan.key, self.poller
        )
        try:
            self.poller.due = min(self.poller.due, deadline)
            for chunks in stream:
                if time.monotonic() >= deadline:
                    raise ApiError(504, "The judge did not answer in time.", cause=Cause.TIMEOUT)
                if chunks is SILENCE:
                    yield SILENCE
                    self.poller.due = min(self.poller.due, deadline)
                    continue
                for chunk in chunks:
                    events += translator.feed(chunk)
                if translator.has_ended:
                    break
        finally:
            stream.close()
            self.attempts.judged += translator.billed
            self._count(translator.tokens)
        events += translator.finish()
        return collect(events)

    def _count(self, tokens: Mapping[str, int]) -> None:
        """Add what one attempt has used."""
        judge = self.log_entry.judge
        for name, count in tokens.items():
            judge[name] = judge.get(name, 0) + count
