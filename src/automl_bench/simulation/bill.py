"""The simulated cloud's running bill, for people: what each service was used for and what that costs."""

from __future__ import annotations

from automl_bench.contract import ProviderContext
from automl_bench.simulation.plugin import cloud_of
from automl_bench.simulation.services import PRICES_AS_OF, PRICES_SOURCE, SERVICES

COLUMNS = ("service", "used", "quantity", "unit", "simulated $ each", "simulated $")


def bill_rows(context: ProviderContext) -> list[list[str]]:
    """Return the bill, a line for each item and a total for each service; an unknown price stays unknown.

    Args:
        context: A context of the provider `simulated`: its settings name the cloud.
    """
    rows: list[list[str]] = []
    lines = cloud_of(context).bill()
    for name in sorted({line.service for line in lines}):
        prices = {price.item: price for price in SERVICES[name].prices()}
        total, unknown = 0.0, False
        for line in (line for line in lines if line.service == name):
            price = prices[line.item]
            total, unknown = total + (line.usd or 0.0), unknown or line.usd is None
            each = "unknown" if price.usd is None else f"{price.usd:g}"
            spent = "unknown" if line.usd is None else f"{line.usd:.2f}"
            rows.append([name, line.item, f"{line.quantity:,.2f}", price.unit, each, spent])
        rows.append([name, "together", "", "", "", f"{'at least ' if unknown else ''}{total:.2f}"])
    return rows


def bill_note() -> str:
    """Return where the prices come from."""
    return f"prices of {PRICES_AS_OF}, {PRICES_SOURCE}; hours are virtual"
