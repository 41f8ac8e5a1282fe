"""`data check` for texts and tables: what spoils a comparison, found column by column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from automl_bench.contract import Modality
from automl_bench.datasets.check_report import MOST_ITEMS, CheckReport, Finding, Severity, findings_of
from automl_bench.datasets.class_findings import THINGS, class_findings, group_findings
from automl_bench.datasets.columnar.content_file import Contents, ids_of
from automl_bench.datasets.columnar.near_texts import near_findings
from automl_bench.datasets.columnar.remarks import contents_in_both_splits, contents_under_two_labels
from automl_bench.datasets.columnar.table_checks import table_findings
from automl_bench.datasets.columnar.text_checks import text_findings

if TYPE_CHECKING:
    import pyarrow as pa

    from automl_bench.datasets.manifest import Manifest

MOST_SHOWN = 3
"""How many copies of one content an example names."""


def check_columns(
    manifest: Manifest,
    *,
    shots: Sequence[int],
    most_bytes: Mapping[str, int],
    near: bool,
    progress: Callable[[int, int | None], None],
) -> CheckReport:
    """Check a dataset of texts or rows. See `checks.check_dataset`."""
    contents = Contents(manifest)
    progress(0, manifest.table.num_rows)
    is_text = manifest.modality is Modality.TEXT
    findings = [
        *_content_findings(manifest),
        *_changed(manifest, contents),
        *_long_findings(manifest, most_bytes),
        *(text_findings(manifest, contents) if is_text else table_findings(manifest, contents)),
        *(near_findings(manifest, contents) if is_text and near else ()),
        *class_findings(manifest, shots),
        *group_findings(manifest),
    ]
    progress(manifest.table.num_rows, manifest.table.num_rows)
    order = list(Severity)
    return CheckReport(
        dataset=manifest.name,
        fingerprint=manifest.fingerprint,
        samples=manifest.table.num_rows,
        near_checked=contents.rows if is_text and near else 0,
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.severity))),
    )


def places_of(manifest: Manifest, ids: pa.Array, most: int = MOST_ITEMS) -> list[list[str]]:
    """Return where the samples of each content came from, as in ["mails.csv:17", "mails.csv:40"]; at most so many."""
    import pyarrow.compute as pc

    wanted = ids.slice(0, most)
    part = manifest.table.select(["sample_id", "path"])
    part = part.filter(pc.is_in(part["sample_id"], value_set=wanted))
    found: dict[str, list[str]] = {one: [] for one in wanted.to_pylist()}
    for one, place in zip(part["sample_id"].to_pylist(), part["path"].to_pylist(), strict=True):
        found[one].append(place)
    return [sorted(places) for places in found.values()]


def _equal(places: Sequence[str]) -> str:
    more = len(places) - MOST_SHOWN
    return " = ".join(places[:MOST_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _content_findings(manifest: Manifest) -> list[Finding]:
    """Find equal contents: across the splits, under two labels, within a split."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table, thing = manifest.table, f"[{THINGS[manifest.modality][:-1]} stands|{THINGS[manifest.modality]} stand]"
    leaks = contents_in_both_splits(table)
    two_labels = contents_under_two_labels(table)
    if pc.count_distinct(table["sample_id"]).as_py() == table.num_rows:
        again = pa.array([], pa.string())
    else:
        counts = table.select(["sample_id"]).group_by("sample_id").aggregate([([], "count_all")])
        again = counts.filter(pc.greater(counts["count_all"], 1))["sample_id"].combine_chunks()
        again = again.filter(pc.invert(pc.is_in(again, value_set=leaks)))

    def found(check: str, severity: Severity, what: str, ids: pa.Array) -> list[Finding]:
        if not len(ids):
            return []
        items = places_of(manifest, ids)
        one = findings_of(check, severity, f"{{n}} {thing} {what}", range(len(ids)))[0]
        examples = tuple(_equal(item) for item in items[:3])
        return [Finding(check, severity, len(ids), one.summary, examples, tuple(items))]

    return [
        *found("leak", Severity.LEAK, "in both train and test", leaks),
        *found("two_labels", Severity.ERROR, "under more than one label", two_labels),
        *found("duplicates", Severity.WARNING, "more than once in one split", again),
    ]


def _changed(manifest: Manifest, contents: Contents) -> list[Finding]:
    """Find contents that are not those of their ids, and samples without a content."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = []
    for part in contents.steps():
        stored = part.column(0).combine_chunks()
        found = ids_of(manifest, contents.names, part.columns[1:])
        parts.append(stored.filter(pc.not_equal(found, stored)))
    wrong = pa.concat_arrays(parts)
    ids = contents.ids()
    used = manifest.table["sample_id"]
    lost = pc.unique(used.filter(pc.invert(pc.is_in(used, value_set=ids))))
    return [
        *findings_of(
            "changed",
            Severity.ERROR,
            "{n} [content has|contents have] changed since the import",
            [place for places in places_of(manifest, wrong) for place in places[:1]],
        ),
        *findings_of(
            "unreadable",
            Severity.ERROR,
            "{n} [content is|contents are] missing in samples.parquet",
            [place for places in places_of(manifest, lost) for place in places[:1]],
        ),
    ]


def _long_findings(manifest: Manifest, most_bytes: Mapping[str, int]) -> list[Finding]:
    import pyarrow.compute as pc

    things = THINGS[manifest.modality]
    found = []
    for provider, most in sorted(most_bytes.items()):
        long = manifest.table.filter(pc.greater(manifest.table["bytes"], most))
        if long.num_rows:
            text = f"{{n}} [{things[:-1]} is|{things} are] longer than the {most:,} bytes that {provider} takes"
            found += findings_of("too_long", Severity.WARNING, text, long["path"].to_pylist())
    return found
