"""What tokens cost: the dated table that comes with this package, or the variant's own price."""

from __future__ import annotations

from automl_bench.contract import Counted, Modality, Price, ProviderContext
from automl_bench_embed.options import Options

AS_OF = "2026-11-29"
SOURCE = "price table of litellm 1.110.2"
TABLE = {
    "text-embedding-3-small": 0.02,
    "text-embedding-3-large": 0.13,
    "embed-v4.0": 0.12,
    "voyage-multimodal-3.5": 0.12,
}
"""US dollars for a million tokens of words."""
IMAGES = {"embed-v4.0": 0.47}
"""US dollars for a million tokens of images."""


def usd_per_million(options: Options, modality: Modality | None) -> tuple[float | None, str]:
    """Return the price of a million tokens (None if unknown) and where it comes from."""
    if options.is_local:
        return 0.0, "computed on this machine; the machine's time is not in this"
    if options.usd_in is not None:
        return options.usd_in, "usd_in of the variant"
    table = IMAGES if modality is Modality.IMAGE else TABLE
    if options.model in table:
        return table[options.model], SOURCE
    if options.is_here:
        return 0.0, "a server on this machine bills no tokens; the machine's time is not in this"
    return None, SOURCE


def price_table(context: ProviderContext) -> tuple[Price, ...]:
    """Return what predictions and training samples cost, at most their token budget each."""
    options = Options.of(context)
    usd, source = usd_per_million(options, context.modality)
    each = float(options.token_budget)
    return (
        Price("input_tokens", usd, "1 million tokens", AS_OF, source, counted=Counted.INPUT_TOKENS, units_each=each),
        Price(
            "training_tokens",
            usd,
            "1 million tokens",
            AS_OF,
            source,
            counted=Counted.SAMPLES,
            units_each=each / 1e6,
        ),
    )
