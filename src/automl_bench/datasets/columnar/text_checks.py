"""What `data check` finds in texts: nothing to read, letters that were decoded wrongly, the same but for its looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.datasets.check_report import Finding, Severity, findings_of
from automl_bench.datasets.columnar.content_file import Contents

if TYPE_CHECKING:
    import pyarrow as pa

    from automl_bench.datasets.manifest import Manifest

NOTHING_TO_READ = r"^[^\pL\pN]*$"
MOJIBAKE = "\ufffd|[ÃÂ][\u0080-\u00bf]|â€[\u0098-\u009d™œ“”\u00a0-\u00bf]|Ð[\u0080-\u00bf][ÐÑ]|ï»¿"
"""The sign for what could not be decoded, and UTF-8 that was read as Latin-1 or Windows-1252."""
UNLIKE = 100.0
"""How many times longer than the median a text is, above which it is odd."""


def text_findings(manifest: Manifest, contents: Contents) -> list[Finding]:
    """Look at every text once.

    Args:
        manifest: The dataset.
        contents: The texts.
    """
    import pyarrow.compute as pc

    ids, texts = contents.ids(), contents.column(contents.names[0])
    blank = pc.match_substring_regex(texts, NOTHING_TO_READ)
    garbled = pc.match_substring_regex(texts, MOJIBAKE)
    lengths = pc.utf8_length(texts)
    usual = pc.approximate_median(lengths).as_py() or 1
    odd = pc.greater(lengths, UNLIKE * usual)
    return [
        *findings_of(
            "nothing_to_read",
            Severity.WARNING,
            "{n} [text has|texts have] neither a letter nor a digit",
            _places(manifest, ids.filter(blank)),
        ),
        *findings_of(
            "wrong_encoding",
            Severity.WARNING,
            '{n} [text looks|texts look] wrongly decoded (as in "cafÃ©"): import again with --encoding',
            _places(manifest, ids.filter(garbled)),
        ),
        *findings_of(
            "odd_length",
            Severity.WARNING,
            f"{{n}} [text is|texts are] more than {UNLIKE:.0f} times as long as the median ({usual:,.0f} characters)",
            _places(manifest, ids.filter(odd)),
        ),
    ]


def _places(manifest: Manifest, ids: pa.ChunkedArray) -> list[str]:
    """Return where contents came from first, sorted."""
    import pyarrow.compute as pc

    if not len(ids):
        return []
    part = manifest.table.select(["sample_id", "path"])
    part = part.filter(pc.is_in(part["sample_id"], value_set=ids))
    first = dict(zip(part["sample_id"].to_pylist(), part["path"].to_pylist(), strict=True))
    return sorted(first.values())
