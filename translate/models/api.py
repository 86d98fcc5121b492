"""The table in the shape of the Models API: what clients and their model pickers list.

https://platform.claude.com/docs/en/api/models, seen 2026-11-23.
"""

from __future__ import annotations

from .table import CHECKED, LARGE_INPUT, Model, Price


def to_models_api(
    model: Model, model_id: str | None = None, *, today: str = CHECKED
) -> dict[str, object]:
    """A model in the shape of the Models API; by default under the alias that pickers take.

    Claude Code's model picker keeps only ids that begin with `claude` or `anthropic`.
    """
    return {
        "type": "model",
        "id": model_id or f"claude-{model.name}",
        "display_name": display_name(model),
        "description": summary(model, today),
        "created_at": f"{model.released}T00:00:00Z",
        "lifecycle": "deprecated" if model.retires else "active",
        "retires_at": f"{model.retires}T00:00:00Z" if model.retires else None,
        "max_input_tokens": model.context,
        "max_tokens": model.output,
    }


def display_name(model: Model) -> str:
    """`gemini-3.5-flash-lite` -> `Gemini 3.5 Flash Lite`."""
    return model.name.replace("-", " ").title()


def summary(model: Model, today: str) -> str:
    """What it costs, today and next, and how long it stays, in a line."""
    price, later = model.price_on(today), model.next_price(today)
    facts = [f"{_rates(price)} per million tokens" if price else "price not known"]
    if later:
        facts.append(f"{_rates(later)} from {later.since}")
    if model.is_free:
        facts.append("free tier")
    if model.retires:
        facts.append(f"{model.successor} from {model.retires}")
    return "; ".join(facts)


def _rates(price: Price) -> str:
    shown = f"${price.input:.2f} in, ${price.output:.2f} out"
    if price.large is None:
        return shown
    large = f"${price.large.input:.2f} in, ${price.large.output:.2f} out"
    return f"{shown} ({large} above {LARGE_INPUT:,} of input)"
