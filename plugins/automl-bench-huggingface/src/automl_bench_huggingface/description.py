"""What the provider says of itself. Static: no I/O and no SDK."""

from __future__ import annotations

from automl_bench.contract import Capability, Limits, Modality, ProviderDescription
from automl_bench_huggingface.options import DECLARED
from automl_bench_huggingface.packing import ENDINGS
from automl_bench_huggingface.policy import POLICY
from automl_bench_huggingface.recipes import VARIANT_SETTINGS, VARIANTS
from automl_bench_huggingface.reported_times import REPORTED

DESCRIPTION = ProviderDescription(
    name="huggingface",
    title="Hugging Face",
    capabilities=frozenset(
        {
            Capability.CHECK_ACCESS,
            Capability.PRICE,
            Capability.UPLOAD,
            Capability.TRAIN,
            Capability.DEPLOY,
            Capability.INVOKE,
            Capability.EXPORT_MANIFEST,
            Capability.ADOPT_ENDPOINT,
            Capability.LIST_RESOURCES,
        }
    ),
    modalities=frozenset({Modality.IMAGE, Modality.TEXT}),
    limits=Limits(
        min_samples_per_class=1,
        min_classes=2,
        # A repository holds up to 100,000 files, and no more than 10,000 in one folder: two folders, a few other files.
        max_samples=10_000,
        media_types=tuple(sorted(ENDINGS)),
    ),
    not_taken={Modality.TABULAR: "its endpoints have no task that serves a table"},
    # Texts lie in one file a half, so that nothing bounds their number.
    modality_limits={Modality.TEXT: Limits(min_samples_per_class=1, min_classes=2)},
    settings=DECLARED,
    variant_settings=VARIANT_SETTINGS,
    variants=VARIANTS,
    requires="automl-bench[huggingface]",
    settle_seconds=3.0,
    reported_times=REPORTED,
    split_policy=(
        "Trains on the training half; the validation half chooses the best epoch. Below 5 shots there is no validation "
        "half, and the last epoch is taken. Of a text, the first max_tokens tokens are learned from and classified."
    ),
    docs_url="https://huggingface.co/docs/inference-endpoints",
    policy=POLICY,
    imports=("huggingface_hub",),
)
