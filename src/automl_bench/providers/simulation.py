"""Which providers are simulations: their prices are nobody's bill, and are never shown without that word."""

from __future__ import annotations

from automl_bench.contract import ProviderDescription

_simulated: set[str] = set()


def note(description: ProviderDescription) -> None:
    """Remember of a provider that has been loaded whether it is a simulation."""
    if description.simulated:
        _simulated.add(description.name)


def hourly_words(hourly_usd: float | None, provider: str) -> str:
    """Return an hourly price for people, with the word "simulated" where nobody bills it."""
    if hourly_usd is None:
        return "price unknown"
    return f"${hourly_usd:.2f} an hour{', simulated' if provider in _simulated else ''}"
