"""What the provider says of itself. Static: no I/O beyond the package's own price table, and no SDK."""

from __future__ import annotations

from dataclasses import asdict

from automl_bench.contract import Capability, Limits, Modality, ProviderDescription, Setting, SettingKind, Variant
from automl_bench_azure.naming import ENDINGS
from automl_bench_azure.options import VARIANT_SETTINGS, Options
from automl_bench_azure.policy import POLICY

NAME = "azure"

RATE = 500.0

LEAST_TO_TRAIN = 50
"""Texts or rows in the training half without which a job fails."""
LEAST_ROWS = 63
"""Fewest in both halves, of which at most a fifth are for validation, so that 50 are left to train on."""

SETTINGS = (
    Setting("subscription_id", "Id of the Azure subscription.", env="AZURE_SUBSCRIPTION_ID", required=True),
    Setting("resource_group", "Resource group of the workspace.", env="AZURE_RESOURCE_GROUP", required=True),
    Setting("workspace", "Azure ML workspace. It must exist.", env="AZUREML_WORKSPACE_NAME", required=True),
    Setting("location", "Azure region of cluster and endpoint; without it the workspace's own.", env="AZURE_LOCATION"),
    Setting("datastore", "Datastore of the workspace that takes the samples.", default="workspaceblobstore"),
    Setting(
        "storage_url",
        "Address of the datastore's storage account, if it is not the one that the workspace names.",
        env="AUTOML_BENCH_AZURE_STORAGE_URL",
        kind=SettingKind.ADDRESS,
    ),
    Setting("tenant_id", "Tenant of the service principal.", env="AZURE_TENANT_ID"),
    Setting("client_id", "Client id of the service principal.", env="AZURE_CLIENT_ID"),
    Setting("client_secret", "Secret of the service principal.", env="AZURE_CLIENT_SECRET", secret=True),
    Setting(
        "storage_connection_string",
        "Connection string with the key of the datastore's storage account; without it the service principal's token.",
        env="AZURE_STORAGE_CONNECTION_STRING",
        secret=True,
    ),
    Setting(
        "endpoint_key",
        "Key of a scoring address given with --endpoint.",
        env="AUTOML_BENCH_AZURE_ENDPOINT_KEY",
        secret=True,
    ),
    Setting(
        "serving_image",
        "Image on which the packages of a model of texts or tables are installed to serve it.",
        default="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest",
        pattern=r"\S+",
    ),
    Setting(
        "authority",
        "Address that gives tokens, if it is not login.microsoftonline.com.",
        env="AZURE_AUTHORITY_HOST",
        kind=SettingKind.ADDRESS,
    ),
    Setting(
        "arm_endpoint",
        "Address of Azure Resource Manager.",
        env="AUTOML_BENCH_AZURE_ARM_ENDPOINT",
        default="https://management.azure.com",
        kind=SettingKind.ADDRESS,
    ),
)

DEFAULTS = {
    name: value
    for name, value in asdict(Options.of(Variant(NAME, "default"))).items()
    if not name.startswith(("text_", "table_"))
}
"""Without what came later: a variant that stands as it was has the trials that it had."""

DESCRIPTION = ProviderDescription(
    name=NAME,
    title="Azure ML AutoML for images, texts and tables",
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
    modalities=frozenset(Modality),
    limits=Limits(
        min_samples_per_class=1,
        min_classes=2,
        media_types=tuple(ENDINGS),
        requests_per_second=RATE,
    ),
    modality_limits={
        kind: Limits(min_samples=LEAST_ROWS, min_classes=2, requests_per_second=RATE)
        for kind in (Modality.TEXT, Modality.TABULAR)
    },
    settings=SETTINGS,
    variant_settings=VARIANT_SETTINGS,
    variants={
        "default": DEFAULTS,
        "automode": {**DEFAULTS, "model_name": "", "max_trials": 10, "timeout_minutes": 480},
    },
    requires="automl-bench[azure]",
    settle_seconds=3.0,
    deletion_seconds=5400.0,  # two default probe delays, should an endpoint not go before its deployment
    split_policy=(
        "Trains on the training half and selects on the validation half, which is given as validation data, so that "
        "the service never splits by itself. Below 5 shots there is no validation half, and the training half is both."
    ),
    docs_url="https://learn.microsoft.com/azure/machine-learning/how-to-auto-train-image-models",
    policy=POLICY,
    imports=("azure.storage.blob",),
)
