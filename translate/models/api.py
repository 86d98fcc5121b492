"""The table in the shape of the Models API: what clients and their model pickers list.

https://platform.claude.com/docs/en/api/models, seen 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping

from .names import resolve
from .table import CHECKED, DEVELOPER, LARGE_INPUT, TABLE, Model, Platform, Price, serving

CLASS_NAMES = {
    "opus": "claude-opus-5-5",
    "sonnet": "claude-sonnet-5-5",
    "haiku": "claude-haiku-5-5",
}
"""Class -> the newest name that Anthropic has for it (`ModelParam` of anthropic 2.14.0). Pickers
such as Claude Desktop's take no other form of names:
https://github.com/pleaseai/shunt/issues/211, seen 2026-07-18."""


def catalog(
    model_settings: Mapping[str, str],
    *,
    has_classes: bool = True,
    platform: Platform = DEVELOPER,
    today: str = CHECKED,
) -> list[dict[str, object]]:
    """What GET /v1/models lists: a name for each class, with the model that serves it, then the
    aliases of all models that are not retired.

    has_classes: false for Claude Code, which has the classes in its picker already.
    """
    listed = []
    for model_class, name in CLASS_NAMES.items() if has_classes else ():
        model = resolve(name, model_settings, platform=platform, today=today)
        shown = to_models_api(model, name, today=today)
        listed.append({**shown, "description": f"{model_class} class; {shown['description']}"})
    models = [serving(name, platform, today) for name in TABLE]
    return listed + [
        to_models_api(model, today=today)
        for name, model in zip(TABLE, models, strict=True)
        if model.name == name
    ]


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
