"""Transform one request, and an answer to it, without a server or a network.

    python -m examples.transform                    the request below
    python -m examples.transform request.json       one of yours

From the repository, or from anywhere once `pip install .` has installed it (then copy this file).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from translate import ApiError, StreamTranslator, collect, translate

REQUEST: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 1_000,
    "system": "You know the weather.",
    "messages": [{"role": "user", "content": "How is it in Oslo?"}],
    "tools": [
        {
            "name": "get_weather",
            "description": "The weather of a city.",
            "input_schema": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        }
    ],
}
CHUNKS: list[Any] = [
    {"candidates": [{"content": {"role": "model", "parts": [{"text": "I look."}]}}]},
    {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [{"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}}}],
                },
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {"promptTokenCount": 60, "candidatesTokenCount": 12},
    },
]
"""What Gemini streams, decoded."""


def main() -> None:
    body = json.loads(Path(sys.argv[1]).read_text("utf-8")) if sys.argv[1:] else REQUEST
    try:
        translation = translate(body, model_settings={})
    except ApiError as error:
        sys.exit(error.message)  # has the path of the field
    for warning in translation.warnings:
        print(warning, file=sys.stderr)
    show(f"What {translation.model.name} is sent", translation.request)
    translator = StreamTranslator(
        translation, message_id="msg_0123456789abcdef", model=body["model"]
    )
    events = [event for chunk in CHUNKS for event in translator.feed(chunk)] + translator.finish()
    show("What the client gets for the answer in CHUNKS", collect(events))


def show(title: str, value: object) -> None:
    print(f"{title}:", json.dumps(value, indent=2, ensure_ascii=False), sep="\n")


if __name__ == "__main__":
    main()
