"""Trying the credentials: two cheap requests that create nothing."""

from __future__ import annotations

from automl_bench.contract import AccessReport, ProviderContext
from automl_bench.errors import RequestRefused, ResourceMissing
from automl_bench_vertex.account import ONCE, account_of
from automl_bench_vertex.description import node_hour_usd
from automl_bench_vertex.failures import google_errors


def check(context: ProviderContext) -> AccessReport:
    """Ask for one dataset and for the bucket.

    Raises:
        Unauthenticated: If the credentials are missing, wrong or expired.
        PermissionDenied: If they may not do it.
        ResourceMissing: If there is no such bucket.
        RequestRefused: If the bucket is in another region: the service reads its own region's buckets only.
    """
    account = account_of(context)
    with google_errors(account.parent):
        pages = account.datasets.list_datasets({"parent": account.parent, "page_size": 1}, **ONCE).pages
        next(iter(pages), None)
    try:
        with google_errors(account.bucket):
            where = account.storage.get_bucket(account.bucket, **ONCE).location or ""
    except ResourceMissing as error:
        raise ResourceMissing(
            f"There is no bucket {account.bucket!r} that these credentials may see.",
            remedy=(
                f"gcloud storage buckets create gs://{account.bucket} --location={account.region}, "
                "or correct AUTOML_BENCH_VERTEX_BUCKET."
            ),
        ) from error
    if "-" in where and where.lower() != account.region:  # a multi-region has no dash: US, EU, ASIA
        raise RequestRefused(
            f"The bucket {account.bucket} is in {where.lower()} and the region set is {account.region}.",
            remedy=f"export GOOGLE_CLOUD_REGION={where.lower()}, or use a bucket in {account.region}.",
        )
    return AccessReport(
        ok=True,
        account=f"project {account.project}, region {account.region}, bucket {account.bucket}",
        notes=(
            f"a deployed model of images costs ${node_hour_usd():.3f} an hour until it is undeployed",
            "Vertex AI's service agent must be able to read the bucket (Storage Object Viewer)",
        ),
    )
