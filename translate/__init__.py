"""Anthropic Messages <-> Gemini GenerateContent, both ways, without touching the world.

    request/    a Messages request ->             response/   Gemini's chunks ->
                a GenerateContent request                     events, or one message
      translate                                     stream
      |-- validation                                |-- chunks, surrogates, json_answer,
      |                                             |       answer_schema, scalar_answer,
      |                                             |       escaped_json
      |-- messages                                  |-- events, output_limit, stop_finder
      |-- tools, json_schema, openapi,              |-- tool_calls, pending_signatures,
      |       schema_merging                        |       partial_args, tool_call_repair, integers
      |-- thinking, overrides                       |-- finish, continuation, usage, grounding
      |-- media, inline_media, unknown_blocks,      |-- message, google_errors, media_errors,
      |       nesting                               |       model_errors
      `-- safeguards                                `-- json_answer, verdicts
    ------------------------------------------------------------------------------------------
    both stand on       translation     signatures     models     errors     wire

Standard library only, and of that nothing that does I/O: bytes, sockets, clocks, settings and
randomness are the callers'. A demo of the whole package:

    translation = translate(body, model_settings)
    translator = StreamTranslator(translation, message_id=..., model=...)
    events = [event for chunk in chunks for event in translator.feed(chunk)] + translator.finish()
    sse(events)      # a streamed answer
    collect(events)  # the same answer, whole
"""

from .errors import ApiError, Cause, InvalidRequest
from .request import translate
from .request.overrides import RequestOverrides
from .response.google_errors import from_google
from .response.message import collect, sse
from .response.stream import StreamTranslator
from .translation import Translation

__all__ = [
    "ApiError",
    "Cause",
    "InvalidRequest",
    "RequestOverrides",
    "StreamTranslator",
    "Translation",
    "collect",
    "from_google",
    "sse",
    "translate",
]
