"""Trying the credentials: two cheap requests that create nothing."""

from __future__ import annotations

from automl_bench.contract import AccessReport, ProviderContext
from automl_bench.errors import RequestRefused, ResourceMissing
from automl_bench_rekognition.account import account_of
from automl_bench_rekognition.description import most_images, unit_hour_usd
from automl_bench_rekognition.failures import aws_errors


def check(context: ProviderContext) -> AccessReport:
    """Ask for one project and for the bucket's place.

    Raises:
        Unauthenticated: If the credentials are missing, wrong or expired.
        PermissionDenied: If they may not do it.
        ResourceMissing: If there is no such bucket.
        RequestRefused: If the bucket is in another region: the service reads its own region's buckets only.
    """
    account = account_of(context)
    with aws_errors():
        account.rekognition.describe_projects(MaxResults=1)
    try:
        with aws_errors(account.bucket):
            answer = account.s3.head_bucket(Bucket=account.bucket)
    except ResourceMissing as error:
        raise ResourceMissing(
            f"There is no bucket {account.bucket!r} in this account.",
            remedy=f"aws s3 mb s3://{account.bucket} --region {account.region}, or correct AWS_STORAGE_BUCKET_NAME.",
        ) from error
    where = answer.get("BucketRegion") or account.region
    if where != account.region:
        raise RequestRefused(
            f"The bucket {account.bucket} is in {where} and the region set is {account.region}.",
            remedy=f"export AWS_DEFAULT_REGION={where}, or use a bucket in {account.region}.",
        )
    notes = (
        f"a running model costs ${unit_hour_usd():.2f} an hour and inference unit until it is stopped",
        "Rekognition may read the bucket while trials need it"
        if account.manages_policy
        else "the bucket's policy is left to you: Rekognition must be able to read it",
        "AWS lets 2 models run and 2 train at once unless you asked for more (Service Quotas, Rekognition); "
        "whether that is used up shows only when one is started",
        f"a dataset may have {most_images(account.region):,} images in {account.region}",
    )
    return AccessReport(ok=True, account=f"region {account.region}, bucket {account.bucket}", notes=notes)
