"""What the provider says of itself. Static: no I/O and no import of an HTTP client."""

from __future__ import annotations

from automl_bench.contract import Capability, Limits, Modality, ProviderDescription
from automl_bench_openai.options import DECLARED, VARIANT_SETTINGS

NAME = "openai"
MOST_LABELS = 1000
"""Values that an enum of a strict schema may have."""
MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "text/plain", "application/json")

POLICY = """\
The key may call the models and list them; nothing is created and nothing stays:
  GET  /models                         providers check
  POST /decisions or /chat/completions  a few calls to find out what the address honours, then one a sample
Where keys can be restricted, allow these and a budget.
"""

DESCRIPTION = ProviderDescription(
    name=NAME,
    title="Prompted model (OpenAI-compatible)",
    capabilities=frozenset({Capability.CHECK_ACCESS, Capability.PRICE, Capability.INVOKE}),
    modalities=frozenset({Modality.IMAGE, Modality.TEXT, Modality.TABULAR}),
    limits=Limits(min_classes=2, max_classes=MOST_LABELS, media_types=MEDIA_TYPES),
    settings=DECLARED,
    variant_settings=VARIANT_SETTINGS,
    variants={
        "default": {},
        "few": {"examples": 8},
        "nearest": {"examples": 8, "examples_by": "embedding"},
    },
    requires="automl-bench[openai]",
    split_policy="Is not trained. Examples, where the variant shows any, come from both halves.",
    docs_url="https://platform.openai.com/docs/api-reference",
    policy=POLICY,
    needs_training=False,
    untrained_where={"examples": 0},
    imports=("requests",),
)
