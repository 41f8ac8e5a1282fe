"""What the provider says of itself. Static: no I/O and no import of an HTTP client."""

from __future__ import annotations

from automl_bench.contract import Capability, Limits, Modality, ProviderDescription
from automl_bench_embed.options import DECLARED, VARIANT_SETTINGS
from automl_bench_embed.shapes import LOCAL

MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "text/plain", "application/json")

DESCRIPTION = ProviderDescription(
    name="embed",
    title="Embedding and head",
    capabilities=frozenset(
        {Capability.CHECK_ACCESS, Capability.PRICE, Capability.TRAIN, Capability.INVOKE, Capability.LIST_RESOURCES}
    ),
    modalities=frozenset({Modality.IMAGE, Modality.TEXT, Modality.TABULAR}),
    limits=Limits(min_classes=2, media_types=MEDIA_TYPES),
    settings=DECLARED,
    variant_settings=VARIANT_SETTINGS,
    requires="automl-bench[embed]",
    split_policy="Fits its head on both halves, by cross-validation within them.",
    docs_url="https://platform.openai.com/docs/guides/embeddings",
    policy="The key may list models and create embeddings; nothing is created and nothing stays.",
    variants={"default": {}, "local": {"shape": LOCAL}},
    on_this_machine_where={"shape": LOCAL},
    imports=("requests", "sklearn.linear_model"),
)
