"""Answers sample by sample, for looking into: confusions, disagreements, label suspects, with thumbnails."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.border.command_lines import command_line
from automl_bench.border.names import is_name
from automl_bench.report.blocks import Widget
from automl_bench.report.labels import Labelled, in_order, shots_label
from automl_bench.report.rows import ANSWER_COLUMNS, final_places
from automl_bench.statistics.means import shots_order
from automl_bench.store.records import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

    from automl_bench.contract import Sample
    from automl_bench.datasets.manifest import Manifest
    from automl_bench.store import Store

MOST_ANSWERS = 150_000
"""Answers that a page holds: about 1 MB. Of more, whole draws and then whole samples are left out, and that is said."""
MOST_PICTURES = 240
"""Thumbnails of a page, or excerpts."""
MOST_CHARACTERS = 240
"""Characters of an excerpt of a text or row."""
SIDE = 64
"""Pixels of the longer side of a thumbnail."""
MOST_OTHER = 50
"""Different answers that are no label of the dataset and are shown as they are; further ones are "another answer"."""
NO_ANSWER, OTHER_ANSWER = -1, -2
"""Codes of answers that are no text."""


def evidence_widget(
    store: Store, named: Sequence[Labelled], data: Path | None, experiment: str | None = None
) -> Widget | None:
    """Return the answers of each variant's models with the most shots, or None where there are none.

    Args:
        store: The results file.
        named: The rows with their labels.
        data: Folder of the datasets, for thumbnails; None for none.
        experiment: The page's experiment, for the command that leaves out suspects.
    """
    scored = [one for one in named if one.counts and one.row["trial_id"]]
    names = in_order(one.dataset for one in scored)
    if not names:
        return None
    share = MOST_ANSWERS // len(names)
    datasets = [_dataset(store, [one for one in scored if one.dataset == name], share) for name in names]
    left = MOST_PICTURES
    for place, one in enumerate(datasets):
        folder = None if data is None else _folder(data, str(one["folder"]))
        one["pictures"], one["excerpts"] = {}, {}
        if folder is not None:
            one["pictures"], one["excerpts"] = _looks(folder, one, left // (len(datasets) - place))
        left -= len(one["pictures"]) + len(one["excerpts"])
    words = (
        "With scripts on, the answers can be looked into here: confusion matrices and their differences, samples that"
        " only one of two variants gets right, samples where all contradict the label. The tables above name the"
        " hardest classes and the most frequent confusions."
    )
    again = command_line("report", *([experiment] if experiment else []), "--without", "suspects.csv")
    shown = {"datasets": datasets, "again": again}
    return Widget("evidence", "evidence", "Answers, sample by sample", shown, words)


def _dataset(store: Store, own: Sequence[Labelled], most: int) -> dict[str, Any]:
    chosen: dict[str, dict[int, Labelled]] = {}
    for series in in_order(one.series for one in own):
        mine = [one for one in own if one.series == series]
        shots = max((one.shots for one in mine), key=shots_order)
        chosen[series] = {one.row["fold"]: one for one in mine if one.shots == shots and one.row["repeat"] == 0}
    folds = sorted({fold for many in chosen.values() for fold in many})
    tests = max(one.row["test_samples"] or 0 for one in own)
    fitting = max(1, most // max(1, tests * len(chosen)))
    shown = folds[:fitting]
    answers = {
        (series, fold): _answers(store, many[fold].row["trial_id"])
        for series, many in chosen.items()
        for fold in shown
        if fold in many
    }
    truth = {sample: label for many in answers.values() for sample, (label, _, _) in many.items()}
    samples = sorted(truth)
    kept = samples[: max(1, most // max(1, len(answers)))]
    labels = sorted(set(truth.values()))
    codes = {label: place for place, label in enumerate(labels)}
    texts = list(labels)
    for given in answers.values():
        for _, told, _ in given.values():
            if told is not None and told not in codes and len(texts) < len(labels) + MOST_OTHER:
                codes[told] = len(texts)
                texts.append(told)
    variants = []
    for series, many in chosen.items():
        draws = []
        for fold in shown:
            if (series, fold) in answers:
                own_answers = [answers[series, fold].get(sample, ("", None, None)) for sample in kept]
                draws.append(
                    {
                        "fold": fold,
                        "told": [_code(told, codes) for _, told, _ in own_answers],
                        "sure": [-1 if sure is None else round(100 * sure) for _, _, sure in own_answers],
                    }
                )
        variants.append({"name": series, "shots": shots_label(next(iter(many.values())).shots), "draws": draws})
    left_out = []
    if len(shown) < len(folds):
        left_out.append(f"{len(shown)} of {len(folds)} draws are shown, so that the page stays small.")
    if len(kept) < len(samples):
        left_out.append(f"{len(kept):,} of {len(samples):,} samples are shown, so that the page stays small.")
    return {
        "name": own[0].dataset,
        "folder": own[0].row["dataset"],
        "labels": len(labels),
        "texts": texts,
        "samples": kept,
        "truth": [codes[truth[sample]] for sample in kept],
        "variants": variants,
        "notes": left_out,
    }


def _code(told: str | None, codes: Mapping[str, int]) -> int:
    return NO_ANSWER if told is None else codes.get(told, OTHER_ANSWER)


def _answers(store: Store, trial_id: str) -> dict[str, tuple[str, str | None, float | None]]:
    """Return sample → (true label, answer or None, confidence or None) by each sample's last measured attempt."""
    calls = store.invocation_columns([trial_id], only=(*ANSWER_COLUMNS, "confidence"))
    found = {}
    for sample, place in final_places(calls).items():
        answered = calls["outcome"][place] == Outcome.OK.value
        sure = float(calls["confidence"][place])
        told = calls["predicted"][place] if answered else None
        found[sample] = (calls["label"][place], told, sure if answered and sure == sure else None)
    return found


def _folder(data: Path, name: str) -> Path | None:
    folder = data / name
    return folder if is_name(name) and (folder / "manifest.csv").is_file() else None


def _looks(folder: Path, dataset: Mapping[str, Any], most: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return place of a sample → thumbnail, and → excerpt of a text or row.

    Of the samples that variants disagree on or that all get wrong.
    """
    from automl_bench.contract import Modality
    from automl_bench.datasets.manifest import read_manifest
    from automl_bench.errors import AutomlBenchError

    try:
        manifest = read_manifest(folder)
        if manifest.modality is Modality.IMAGE:
            return _pictures(folder, manifest.table, dataset, most), {}
        return {}, _excerpts(manifest, dataset, most)
    except AutomlBenchError:  # the answers stand without pictures
        return {}, {}


def _excerpts(manifest: Manifest, dataset: Mapping[str, Any], most: int) -> dict[str, str]:
    from automl_bench.datasets.columnar.content_file import samples_by_id

    known = set(manifest.table["sample_id"].to_pylist())
    places = [place for place in _telling(dataset) if dataset["samples"][place] in known][:most]
    samples = samples_by_id(manifest, [dataset["samples"][place] for place in places])
    return {str(place): _excerpt(sample) for place, sample in zip(places, samples, strict=True)}


def _excerpt(sample: Sample) -> str:
    """Return the beginning of a text, or the cells of a row, in one line."""
    if sample.row is None:
        words = sample.text or ""
    else:
        words = ", ".join(f"{name}: {'–' if cell is None else cell}" for name, cell in sample.row.items())
    line = " ".join(words.split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"


def _pictures(folder: Path, table: pa.Table, dataset: Mapping[str, Any], most: int) -> dict[str, str]:
    ids, paths = (table.column(name).to_pylist() for name in ("sample_id", "path"))
    files = dict(zip(ids, paths, strict=True))
    found: dict[str, str] = {}
    for place in _telling(dataset):
        if len(found) >= most:
            break
        path = files.get(dataset["samples"][place])
        picture = None if path is None else _thumbnail(folder / path)
        if picture is not None:
            found[str(place)] = picture
    return found


def _telling(dataset: Mapping[str, Any]) -> list[int]:
    """Return places of samples worth a look: all contradict the label first, then where answers differ most."""
    wrong: dict[int, int] = defaultdict(int)
    contradicted: set[int] = set()
    by_fold: dict[int, list[Sequence[int]]] = defaultdict(list)
    for one in dataset["variants"]:
        for draw in one["draws"]:
            by_fold[draw["fold"]].append(draw["told"])
    for many in by_fold.values():
        for place, (truth, *told) in enumerate(zip(dataset["truth"], *many, strict=True)):
            misses = sum(answer != truth for answer in told)
            wrong[place] += misses
            if misses == len(told):
                contradicted.add(place)
    half = sum(map(len, by_fold.values())) / 2
    differing = [place for place, count in wrong.items() if count]
    return sorted(differing, key=lambda place: (place not in contradicted, abs(wrong[place] - half), place))


def _thumbnail(path: Path) -> str | None:
    """Return a small picture as a data URI, or None for what is no picture that can be read."""
    from PIL import Image

    from automl_bench.datasets.decoding import UndecodablePicture, decode

    try:
        picture = decode(path.read_bytes())
    except (OSError, UndecodablePicture):
        return None
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=70)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
