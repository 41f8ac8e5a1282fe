"""Where a resource lies, and whether the present settings lead there: account, project, region, namespace.

Under another region or account a provider says "not found" of what runs and is billed. So the scope is written with
every ledger line, and nothing is looked up, resumed or deleted under another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from automl_bench.errors import OtherScope

if TYPE_CHECKING:
    from automl_bench.contract import ProviderDescription
    from automl_bench.store.records import LedgerEntry
    from automl_bench.trials.trial import BoundProvider


def require_same_scope(bound: BoundProvider, entries: Iterable[LedgerEntry]) -> None:
    """Check that the settings lead to where the resources of ledger lines lie.

    A line without a scope, of an older version or of a provider without scopes, is taken as reachable.

    Raises:
        OtherScope: Naming the settings that differ; nothing was asked of the provider beyond who it is.
    """
    elsewhere = []
    description = bound.provider.description
    difference = ""
    for entry in entries:
        if entry.scope and entry.provider == bound.provider.name:
            found = scope_difference(description, entry.scope, bound.scope)
            if found:
                difference = found
                elsewhere.append(f"{entry.provider} {entry.kind} {entry.name}: {found}")
    if elsewhere:
        count = "one resource lies" if len(elsewhere) == 1 else f"{len(elsewhere)} resources lie"
        raise OtherScope(
            f"{count} where the present settings do not lead ({difference}), so nothing was looked up or deleted.",
            items=elsewhere,
            remedy="Set it back and run the same command again.",
        )


def scope_difference(description: ProviderDescription, then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return how two scopes differ, naming the settings and their variables; "" if they do not.

    A key that only one of them has says nothing: plugins learn to tell more over time.
    """
    variables = {setting.name: setting.env for setting in description.settings}
    parts = []
    for key in sorted(then.keys() & now.keys()):
        if then[key] != now[key]:
            variable = f" ({variables[key]})" if variables.get(key) else ""
            parts.append(f"{key}{variable} was {then[key]!r} and is now {now[key]!r}")
    return ", ".join(parts)
