"""What every hosted service costs by the hour is bounded before a trial begins, and no price is without its day."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from automl_bench.contract import Counted, Price, ProviderContext, Variant
from automl_bench.providers.discovery import PluginRegistry
from automl_bench.providers.dispatch import Provider

HOSTED = ("azure", "huggingface", "nyckel", "rekognition", "vertex")


def price_table(name: str, cache_dir: Path) -> list[Price]:
    provider = Provider(PluginRegistry(), name)
    description = provider.description
    variant = Variant(name, description.default_variant, description.variants[description.default_variant])
    settings = {setting.name: setting.default or "x" for setting in description.settings if not setting.secret}
    context = ProviderContext(
        variant=variant,
        settings=settings,
        secrets=lambda secret: f"planted-{secret}",
        cache_dir=cache_dir,
        progress=lambda done, total, unit: None,
        log=lambda line: None,
    )
    return list(provider.price(context))


@pytest.mark.parametrize("name", HOSTED)
def test_an_hour_of_serving_has_a_price_and_is_bounded_by_the_deadlines(name: str, tmp_path: Path) -> None:
    lines = {price.item: price for price in price_table(name, tmp_path)}
    serving = lines["endpoint_hour"]
    assert serving.usd is not None
    assert serving.usd == 0.0 or serving.counted is Counted.SERVING_HOURS
    assert lines["call"].usd is not None, "calls are counted by the host"


@pytest.mark.parametrize("name", HOSTED)
def test_every_price_says_when_and_where_it_was_read(name: str, tmp_path: Path) -> None:
    for price in price_table(name, tmp_path):
        assert datetime.date.fromisoformat(price.as_of) >= datetime.date(2023, 1, 1)
        assert price.source
        assert price.usd is None or price.usd >= 0.0
