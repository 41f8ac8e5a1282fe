"""The dated price table that comes with this package, and what is known of the end of a model."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib import resources
from typing import Any

from automl_bench.contract import Counted, Price, ProviderContext
from automl_bench_openai.options import Options

SOON_DAYS = 90
HERE = ("vllm", "ollama", "compatible")
"""Presets of servers that one runs oneself; another preset's address on this machine is a gateway to what is billed."""
UNDATED_IS_ALIAS = ("openai", "anthropic")
"""Presets of services that name each model by a date, and let the name without one lead to the newest."""
DATE = re.compile(r"-20\d\d-?\d\d-?\d\d$")
UNIT = "1 million tokens"
KINDS = (
    ("input_tokens", "in", Counted.INPUT_TOKENS),
    ("cached_tokens", "cached", Counted.CACHED_TOKENS),
    ("output_tokens", "out", Counted.OUTPUT_TOKENS),
)


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    text = (resources.files("automl_bench_openai") / "prices.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _line_of(model: str) -> Mapping[str, Any]:
    """Return the line of a model, by its name or as the longest name that a dated snapshot begins with."""
    lines = [line for line in _table()["model"] if model == line["name"] or model.startswith(f"{line['name']}-20")]
    return max(lines, key=lambda line: len(line["name"]), default={})


def price_table(context: ProviderContext) -> tuple[Price, ...]:
    """Return what a variant's model costs: as the variant says, else by the table; unknown without either.

    The most that a call takes are its token budget and its longest answer; a decision writes no tokens that are billed.
    """
    options = Options.of(context)
    table, line = _table(), _line_of(options.model)
    most = {"in": options.token_budget, "cached": options.token_budget, "out": options.max_output_tokens}
    prices = []
    for (item, name, counted), own in zip(KINDS, options.usd, strict=True):
        usd, source, as_of = line.get(name), table["source"], table["as_of"]
        if own is not None:
            usd, source = own, f"usd_{name} of the variant {context.variant.name}"
        elif options.is_here and usd is None and options.preset_name in HERE:
            usd, source = 0.0, "a server on this machine bills no tokens; the machine's time is not in this"
        if usd is None and name == "cached":
            continue  # cached tokens are then priced as all others
        prices.append(Price(item, usd, UNIT, as_of, source, counted=counted, units_each=float(most[name])))
    return tuple(prices)


def ending_words(model: str, today: date | None = None, told: str = "") -> str:
    """Return a sentence where a model ends soon or has ended, by the service's word or by the table; else empty."""
    text = told or str(_line_of(model).get("ends", ""))
    try:
        end = date.fromisoformat(text[:10])
    except ValueError:
        return ""
    days = (end - (today or datetime.now(UTC).date())).days
    if days > SOON_DAYS:
        return ""
    return f"{model} {'was' if days < 0 else 'is'} to be shut down on {end.isoformat()}."


def alias_words(options: Options) -> str:
    """Return a sentence where a model's name is one that the service may lead elsewhere without a word; else empty."""
    if options.preset_name in HERE:
        return ""
    latest = options.model.endswith("latest")
    undated = options.preset_name in UNDATED_IS_ALIAS and not DATE.search(options.model)
    if not (latest or undated):
        return ""
    return f"{options.model} is an alias: the service may let it lead to another model at any time; `watch` tells when."
