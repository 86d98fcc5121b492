"""The table of models in the shape of the Models API, for a client's model picker.

Knows what a picker shows. It refuses to know which model serves a request.
"""

from __future__ import annotations

from .models import Model


def described(model: Model, model_id: str | None = None) -> dict[str, object]:
    """A model in the shape of the Models API; by default under the alias that pickers take.

    Claude Code's model picker keeps only ids that begin with `claude` or `anthropic`.
    """
    return {
        "type": "model",
        "id": model_id or f"claude-{model.name}",
        "display_name": display_name(model),
        "description": summary(model),
        "created_at": f"{model.released}T00:00:00Z",
        "lifecycle": "deprecated" if model.retires else "active",
        "retires_at": f"{model.retires}T00:00:00Z" if model.retires else None,
        "max_input_tokens": model.context,
        "max_tokens": model.output,
    }


def display_name(model: Model) -> str:
    """`gemini-3.5-flash-lite` -> `Gemini 3.5 Flash Lite`."""
    return model.name.replace("-", " ").title()


def summary(model: Model) -> str:
    """What it costs and how long it stays, in a line."""
    said = ["price not known"]
    if model.price is not None:
        said = [f"${model.price.input:.2f} in, ${model.price.output:.2f} out per million tokens"]
    if model.is_free:
        said.append("free tier")
    if model.retires:
        said.append(f"{model.successor} from {model.retires}")
    return "; ".join(said)
