"""Long work at the service as tokens, from which another process finds it again a day later."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Json, Operation, OperationState
from automl_bench.errors import ResourceMissing
from automl_bench.numbers_in_words import number_of
from automl_bench_rekognition import projects
from automl_bench_rekognition.description import STALE_SECONDS
from automl_bench_rekognition.naming import MODEL

if TYPE_CHECKING:
    from automl_bench.contract import TrialContext
    from automl_bench_rekognition.account import Account

IMPORT = "import"
TRAINING = "training"
START = "start"

STILL_STARTING = frozenset({"STARTING", "TRAINING_COMPLETED", "STOPPED"})
"""A version that was just started may still be shown in the state it had before."""


def token(what: str, **details: Json) -> str:
    """Return the token of an operation: identifiers only."""
    return json.dumps({"what": what, **details}, separators=(",", ":"), sort_keys=True)


def begun(what: str, **details: Json) -> Operation:
    """Return an operation that has begun."""
    return Operation(OperationState.RUNNING, token=token(what, **details))


def look(account: Account, context: TrialContext, operation: Operation) -> Operation:
    """Look once.

    Raises:
        ResourceMissing: If the token names nothing that exists.
    """
    try:
        known = dict(json.loads(operation.token))
        looks = {IMPORT: _look_at_import, TRAINING: _look_at_training, START: _look_at_start}[known["what"]]
    except (ValueError, TypeError, KeyError) as error:
        raise ResourceMissing(f"{operation.token!r} names no operation of Rekognition.") from error
    return looks(account, context, known, operation.token)


def _look_at_import(account: Account, _context: TrialContext, known: Mapping[str, Any], its_token: str) -> Operation:
    counts = {}
    for kind, arn in known["datasets"].items():
        description = projects.describe_dataset(account, arn)
        status = description["Status"]
        stats = description.get("DatasetStats", {})
        if status.endswith("_FAILED"):
            return Operation(OperationState.FAILED, token=its_token, message=_reason(description, status))
        if not status.endswith("_COMPLETE"):
            return Operation(OperationState.RUNNING, token=its_token, message=f"{kind}: {status}")
        errors = stats.get("ErrorEntries", 0)
        if errors:
            return Operation(OperationState.FAILED, token=its_token, message=_refusals(account, kind, arn, errors))
        counts[kind] = stats.get("TotalEntries")
    return Operation(OperationState.SUCCEEDED, token=its_token, result={**known["result"], "entries": counts})


def _refusals(account: Account, kind: str, arn: str, errors: int) -> str:
    codes = sorted({code for line in projects.refused_entries(account, arn) for code in _codes(line)})
    named = f" ({', '.join(codes)})" if codes else ""
    return f"the service refused {number_of(errors, 'image')} of the {kind}{named}"


def _codes(line: str) -> list[str]:
    """Return the error codes of a refused manifest line; it carries them under keys named "errors", at any depth."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "errors" and isinstance(inner, list):
                    found.extend(item if isinstance(item, str) else str(item.get("code", "")) for item in inner)
                else:
                    walk(inner)

    try:
        walk(json.loads(line))
    except ValueError:
        return []
    return [code for code in found if code]


def _look_at_training(account: Account, context: TrialContext, known: Mapping[str, Any], its_token: str) -> Operation:
    version = _version(account, known)
    status = version["Status"]
    billable = version.get("BillableTrainingTimeInSeconds")
    billable = None if billable is None else float(billable)
    if status == projects.IN_TRAINING:
        return Operation(OperationState.RUNNING, token=its_token, message=_reason(version, ""))
    # It costs nothing any more: the ledger's line says so from here on.
    ended = projects.version_resource(account, known["name"], known["project_arn"], version, context.owner)
    context.resources.ensure(MODEL, find=lambda _: ended, create=lambda _: ended, name=ended.name, hourly_usd=0.0)
    if status == "DELETING" or not projects.is_usable(version):
        message = _reason(version, status)
        return Operation(OperationState.FAILED, token=its_token, message=message, billable_seconds=billable)
    begin, end = version.get("CreationTimestamp"), version.get("TrainingEndTimestamp")
    return Operation(
        OperationState.SUCCEEDED,
        token=its_token,
        result={
            "model": known["name"],
            "model_arn": version["ProjectVersionArn"],
            "project_arn": known["project_arn"],
            "f1_of_the_service": version.get("EvaluationResult", {}).get("F1Score"),
        },
        work_seconds=(end - begin).total_seconds() if begin and end else None,
        billable_seconds=billable,
    )


def _look_at_start(account: Account, _context: TrialContext, known: Mapping[str, Any], its_token: str) -> Operation:
    version = _version(account, known)
    status = version["Status"]
    if status == "RUNNING":
        result = {**known["result"], "endpoint_id": version["ProjectVersionArn"], "url": account.rekognition_url}
        return Operation(OperationState.SUCCEEDED, token=its_token, result=result)
    if status in STILL_STARTING or (status == known.get("before") and time.time() - known["at"] < STALE_SECONDS):
        return Operation(OperationState.RUNNING, token=its_token, message=status)
    return Operation(OperationState.FAILED, token=its_token, message=_reason(version, status))


def _version(account: Account, known: Mapping[str, Any]) -> Mapping[str, Any]:
    version = projects.describe_version(account, known["project_arn"], known["name"])
    if version is None:
        raise ResourceMissing(f"The model {known['name']} is gone.")
    return version


def _reason(description: Mapping[str, Any], otherwise: str) -> str:
    return str(description.get("StatusMessage") or otherwise).rstrip(".")
