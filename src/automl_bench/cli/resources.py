"""`automl-bench resources`: everything that exists at providers, since when, and what it costs per hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_bench.border.command_lines import command_line
from automl_bench.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from automl_bench.cli.session import Session


def resources(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False) -> None:
    """List what exists at providers, since when, and what it costs per hour.

    The list comes from this workspace's ledger; `teardown --orphans` asks the providers themselves. What a failed trial
    paid for once is kept until the time shown; what is past that time, or should be gone already, is deleted first.

    \b
    Examples:
      automl-bench resources
      automl-bench resources --json
    """
    from automl_bench.cli.session import Session
    from automl_bench.cli.sweeping import sweep_first

    session = Session()
    rows: list[dict[str, Any]] = []
    if session.workspace.store_path.exists():
        if _has_due(session):
            with session.store() as store:
                sweep_first(session, store)
        with session.store_to_read() as store:
            rows = [
                {
                    "provider": entry.provider,
                    "kind": entry.kind,
                    "name": entry.name,
                    "state": entry.state.value,
                    "since": entry.created_at or entry.intended_at,
                    "hourly_usd": entry.hourly_usd,
                    "simulated": _is_simulated(session, entry.provider),
                    "kept": entry.keep,
                    "keep_until": entry.keep_until,
                    "trial_id": entry.trial_id,
                    "delete_by_hand": entry.delete_by_hand,
                }
                for entry in store.ledger(open_only=True)
            ]
    if as_json:
        print_json(rows)
        return
    if not rows:
        console().print("nothing exists at any provider, as far as this workspace's ledger knows")
        return
    columns = ["provider", "kind", "name", "state", "since", "$ / hour", "kept until"]
    print_table(columns, [[*_cells(row)] for row in rows])
    for simulated in (False, True):
        prices = [row["hourly_usd"] for row in rows if row["simulated"] is simulated]
        known = [price for price in prices if price is not None]
        tail = f", and {len(prices) - len(known)} of unknown price" if len(known) < len(prices) else ""
        if prices:
            word = " simulated" if simulated else ""
            console().print(f"together ${sum(known):.2f} an hour{word}{tail}", markup=False)
    console().print(f"Delete with: {command_line('teardown', '--all')}", markup=False)


def _has_due(session: Session) -> bool:
    from automl_bench.trials.sweeping import due

    with session.store_to_read() as store:
        return bool(due(store))


def _is_simulated(session: Session, provider: str) -> bool:
    """Whether nobody bills a provider's prices; one that does not load is taken for a real one."""
    from automl_bench.errors import AutomlBenchError

    try:
        return session.provider(provider).description.simulated
    except AutomlBenchError:
        return False


def _cells(row: dict[str, Any]) -> list[Any]:
    price = "unknown" if row["hourly_usd"] is None else f"{row['hourly_usd']:.2f}{' simulated' * row['simulated']}"
    return [
        row["provider"],
        row["kind"],
        row["name"],
        row["state"],
        row["since"][:19],
        price,
        "teardown" if row["kept"] else row["keep_until"][:16].replace("T", " "),
    ]
