"""Samples: one request each, with the content as it is. What the function has already is not sent again.

`externalId` is the sample's id, so that an upload that was cut off finds what arrived. The service keeps one sample
per content and answers a repetition with 409 and `existingSampleId`: that is success, once its annotation is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

from automl_bench.contract import HttpRequest, HttpResponse, LabelledSample, TrainingSet, TrialContext
from automl_bench_nyckel.contents import UNITS, Content, content_of
from automl_bench_nyckel.control import Control
from automl_bench_nyckel.description import IN_FLIGHT, UPLOADS_PER_SECOND
from automl_bench_nyckel.failures import read_json, text_at
from automl_bench_nyckel.functions import bare, path_of
from automl_bench_nyckel.named_things import json_request

CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Stored:
    """A sample at the service.

    Attributes:
        sample_id: The service's id, without its prefix.
        label: Its annotation, or None if it has none or it cannot be told.
    """

    sample_id: str
    label: str | None


@dataclass(slots=True)
class Uploaded:
    """What an upload came to.

    Attributes:
        ids: The service's sample by our sample id.
        found: Samples that were there before.
        relabelled: Annotations that had to be put right.
        collapsed: Samples that the service, or we, hold for the same as another one.
        contradicting: Those of them with another label than the one that was kept.
    """

    ids: dict[str, str] = field(default_factory=dict)
    found: int = 0
    relabelled: int = 0
    collapsed: int = 0
    contradicting: int = 0

    @property
    def distinct(self) -> int:
        """Samples that the service must show once it has taken them all in."""
        return len(set(self.ids.values()))


def path_to_samples(function_id: str) -> str:
    """Return the path of a function's samples."""
    return f"{path_of(function_id)}/samples"


def upload_samples(
    context: TrialContext,
    control: Control,
    function_id: str,
    training_set: TrainingSet,
    names: Mapping[str, str],
    fields: Mapping[str, str],
) -> Uploaded:
    """Bring both halves of a training set into a function.

    Args:
        context: The trial.
        control: The control plane.
        function_id: The function.
        training_set: What to send.
        names: The function's labels' names by id.
        fields: Its fields' ids by column, for a table.

    Raises:
        ProviderError: If the service refuses a sample, or wants a plan (402).
        WorkspaceError: If a file cannot be read.
        Interrupted: If the user wants to end.
    """
    result = Uploaded()
    wanted = _distinct([*training_set.train, *training_set.validation], result)
    there = stored_samples(control, function_id, names)
    to_mend: dict[str, str] = {}
    for sample_id in wanted.keys() & there.keys():
        result.ids[sample_id] = there[sample_id].sample_id
        if there[sample_id].label != wanted[sample_id].label:
            to_mend[there[sample_id].sample_id] = wanted[sample_id].label
    result.found = len(result.ids)
    missing = [item for sample_id, item in wanted.items() if sample_id not in there]

    def body(item: LabelledSample) -> dict[str, Any]:
        return sample_body(item, by_id(content_of(item.sample, training_set.columns), fields))

    conflicts = _post(context, control, function_id, missing, body, result)
    to_mend.update(_read_conflicts(context, control, function_id, wanted, conflicts, names, result))
    _annotate(context, control, function_id, to_mend)
    result.relabelled = len(to_mend)
    return result


def stored_samples(control: Control, function_id: str, names: Mapping[str, str]) -> dict[str, Stored]:
    """Return the samples of a function that carry an external id, by that id.

    Args:
        control: The control plane.
        function_id: The function.
        names: Its labels' names by id, for annotations that hold an id only.
    """
    query = "?batchSize=1000&sortBy=creation&sortOrder=descending&includeData=false"
    listed = control.items(path_to_samples(function_id) + query, what="list the samples")
    return {
        str(sample["externalId"]): Stored(bare(str(sample.get("id", ""))), _label_of(sample, names))
        for sample in listed
        if sample.get("externalId")
    }


def _label_of(sample: Mapping[str, Any], names: Mapping[str, str]) -> str | None:
    annotation = sample.get("annotation")
    if not isinstance(annotation, dict):
        return None
    name = annotation.get("labelName") or names.get(bare(str(annotation.get("labelId", ""))))
    return str(name) if name else None


def _distinct(items: Iterable[LabelledSample], result: Uploaded) -> dict[str, LabelledSample]:
    """Return one item for each content, in the given order; the first one's label is kept."""
    wanted: dict[str, LabelledSample] = {}
    for item in items:
        kept = wanted.get(item.sample.sample_id)
        if kept is None:
            wanted[item.sample.sample_id] = item
        else:
            result.collapsed += 1
            result.contradicting += kept.label != item.label
    return wanted


def _post(
    context: TrialContext,
    control: Control,
    function_id: str,
    items: Sequence[LabelledSample],
    body: Callable[[LabelledSample], dict[str, Any]],
    result: Uploaded,
) -> dict[str, str]:
    """Send samples and return the service's existing sample for each that it has already, by our id."""
    conflicts: dict[str, str] = {}
    tokens: dict[str, str] = {}
    path = path_to_samples(function_id)

    def make(item: LabelledSample) -> HttpRequest:
        request = json_request(control, "POST", path, body(item))
        tokens[item.sample.sample_id] = request.headers[0][1].removeprefix("Bearer ")
        return request

    def judge(sample_id: str, response: HttpResponse) -> None:
        what = f"store the sample {sample_id[:12]}"
        control.judge(response, what=what, token=tokens.pop(sample_id, ""), accepted=(CONFLICT,))
        content = read_json(response.body, what=what)
        if response.status == CONFLICT:
            conflicts[sample_id] = bare(text_at(content, "existingSampleId", what=what))
        else:
            result.ids[sample_id] = bare(text_at(content, "id", what=what))

    context.send(
        ((item.sample.sample_id, partial(make, item)) for item in items),
        in_flight=IN_FLIGHT,
        requests_per_second=UPLOADS_PER_SECOND,
        judge=judge,
        progress=lambda done: context.progress(result.found + done, result.found + len(items), UNITS[context.modality]),
    )
    return conflicts


def by_id(content: Content, fields: Mapping[str, str]) -> Content:
    """Return a row's cells by field id instead of column name; any other content as it is."""
    return {fields[name]: cell for name, cell in content.items()} if isinstance(content, dict) else content


def sample_body(item: LabelledSample, content: Content) -> dict[str, Any]:
    """Return the JSON of one sample."""
    return {
        "data": content,
        "externalId": item.sample.sample_id,
        "annotation": {"labelName": item.label},
        "sampleSets": [],
    }


def _read_conflicts(
    context: TrialContext,
    control: Control,
    function_id: str,
    wanted: Mapping[str, LabelledSample],
    conflicts: Mapping[str, str],
    names: Mapping[str, str],
    result: Uploaded,
) -> dict[str, str]:
    """Find out what the samples are that the service has already; return those whose label must be put right.

    Two of our samples that the service holds for the same keep the label of the one that came first.
    """
    labels = {stored: wanted[ours].label for ours, stored in result.ids.items()}
    unknown: dict[str, str] = {}
    for ours in [sample_id for sample_id in wanted if sample_id in conflicts]:
        stored, label = conflicts[ours], wanted[ours].label
        if stored in labels:
            result.collapsed += 1
            result.contradicting += labels[stored] != label
        else:
            unknown[stored] = labels[stored] = label
        result.ids[ours] = stored
    found = _annotations(context, control, function_id, list(unknown), names)
    return {stored: label for stored, label in unknown.items() if found[stored] != label}


def _annotations(
    context: TrialContext, control: Control, function_id: str, stored: Sequence[str], names: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the label of each sample; None where it cannot be told, as for one that does not show yet."""
    found: dict[str, str | None] = {}

    def judge(sample_id: str, response: HttpResponse) -> None:
        what = f"show the sample {sample_id}"
        control.judge(response, what=what, accepted=(404,))
        content = read_json(response.body, what=what) if response.status == 200 else None
        found[sample_id] = _label_of(content, names) if isinstance(content, dict) else None

    def made(sample_id: str) -> Callable[[], HttpRequest]:
        url = control.url(f"{path_to_samples(function_id)}/{quote(sample_id, safe='')}?includeData=false")
        return lambda: HttpRequest(url, method="GET", headers=(control.tokens.header(),))

    context.send(
        ((sample_id, made(sample_id)) for sample_id in stored),
        in_flight=IN_FLIGHT,
        requests_per_second=UPLOADS_PER_SECOND,
        judge=judge,
    )
    return found


def _annotate(context: TrialContext, control: Control, function_id: str, labels: Mapping[str, str]) -> None:
    def made(sample_id: str, label: str) -> Callable[[], HttpRequest]:
        path = f"{path_to_samples(function_id)}/{quote(sample_id, safe='')}/annotation"
        return lambda: json_request(control, "PUT", path, {"labelName": label})

    context.send(
        ((sample_id, made(sample_id, label)) for sample_id, label in labels.items()),
        in_flight=IN_FLIGHT,
        requests_per_second=UPLOADS_PER_SECOND,
        judge=lambda sample_id, response: control.judge(response, what=f"annotate the sample {sample_id}"),
    )
