"""Stream one answer with the `anthropic` package: text as it is written, then what it took.

pip install anthropic
export ANTHROPIC_BASE_URL=http://127.0.0.1:8080 ANTHROPIC_AUTH_TOKEN=your-gemini-api-key
python examples/stream.py "Why is the sky blue?"
"""

from __future__ import annotations

import sys

import anthropic

MODEL = "claude-sonnet-5-5"
"""Any name of Claude's, or of a Gemini model: README.md, "Models"."""


def main() -> None:
    question = " ".join(sys.argv[1:]) or "Why is the sky blue?"
    client = anthropic.Anthropic()  # address and token are in the environment
    try:
        with client.messages.stream(
            model=MODEL, max_tokens=2_000, messages=[{"role": "user", "content": question}]
        ) as stream:
            for text in stream.text_stream:
                print(text, end="", flush=True)
            message = stream.get_final_message()
    except anthropic.APIStatusError as error:
        sys.exit(f"{error.status_code}: {error.message}")
    except anthropic.APIConnectionError as error:
        sys.exit(f"No server at {client.base_url}: {error}")
    print()
    used = message.usage
    print(
        f"{used.input_tokens} tokens read, {used.output_tokens} written; "
        f"ended by {message.stop_reason}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
