"""What may be said of the numbers of one measurement: VALID, or the findings against it, and notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from automl_bench.contract import Json


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the verdict says.

    Attributes:
        kind: "disturbed", "drifting", "too few", "several sittings", "too short", "errors", "late", "dropped", "busy
            client", "not kept in flight" or "client-bound".
        words: One sentence that says what it did to the numbers.
    """

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be said of the numbers of one measurement.

    Attributes:
        against: Why they may not be compared; empty for VALID.
        notes: What a reader should know although they may.
    """

    against: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the numbers may be compared."""
        return not self.against

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences against it."""
        return tuple(finding.words for finding in self.against)

    def as_json(self) -> dict[str, Json]:
        """Return it for the store."""
        return {
            "valid": self.valid,
            "reasons": [asdict(finding) for finding in self.against],
            "notes": [asdict(finding) for finding in self.notes],
        }


def collect(against: Iterable[Finding | None], notes: Iterable[Finding | None] = ()) -> Verdict:
    """Return the verdict of those findings that there are."""
    return Verdict(tuple(one for one in against if one), tuple(one for one in notes if one))
