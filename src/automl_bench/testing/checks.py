"""What a check is: a test with an id, a tier, and the capabilities without which it does not apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from automl_bench.contract import Capability

Test = TypeVar("Test", bound=Callable[..., Any])


class Tier(StrEnum):
    """What a check needs: nothing, a stand-in for the service, or the service."""

    STATIC = "static"
    EMULATED = "emulated"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the kit.

    Attributes:
        id: Its name in the table, "S04"; never used again for another.
        since: First contract version that asks for it; a plugin of an older contract is not held to it.
        tier: What it needs.
        needs: Capabilities without which it does not apply.
    """

    id: str
    since: int
    tier: Tier
    needs: frozenset[Capability] = frozenset()


def check(id: str, tier: Tier, *needs: Capability, since: int = 1) -> Callable[[Test], Test]:  # noqa: A002
    """Mark a test method as a check."""

    def mark(test: Test) -> Test:
        test.__conformance_check__ = Check(id, since, tier, frozenset(needs))  # type: ignore[attr-defined]
        return test

    return mark


def check_of(test: object) -> Check | None:
    """Return the check that a test method is, or None."""
    found = getattr(test, "__conformance_check__", None)
    return found if isinstance(found, Check) else None


def checks_of(kind: type) -> dict[str, Check]:
    """Return the checks that a class inherits from the kit, by the name of their method."""
    found = {}
    for base in reversed(kind.__mro__):
        for name, value in vars(base).items():
            if (own := check_of(value)) is not None:
                found[name] = own
    return found


def silent_overrides(kind: type) -> list[str]:
    """Return the checks that a class replaces or deletes without a strict `xfail` with a reason, "id method" each."""
    silent = []
    for name, own in checks_of(kind).items():
        current = getattr(kind, name, None)
        if check_of(current) is None and not expected_failure(current):
            silent.append(f"{own.id} {name}")
    return silent


def expected_failure(test: object) -> str:
    """Return why a check is expected to fail: the reason of its strict `xfail` mark, or "".

    One that is not strict would also hide a check that passes by now, and says nothing then.
    """
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "xfail" and mark.kwargs.get("reason") and mark.kwargs.get("strict") is True:
            return str(mark.kwargs["reason"])
    return ""
