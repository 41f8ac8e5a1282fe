"""The decision card as the terminal shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl_bench.cli.output import console

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.store import Store


def print_verdict(session: Session, experiment: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print the decision card of an experiment that has just been run."""
    with session.store_to_read() as store:
        print_card(store, rows, experiment)


def print_card(store: Store, rows: Sequence[dict[str, Any]], experiment: str | None = None) -> None:
    """Print the decision card of result rows, if anything was measured."""
    from automl_bench.report.decision import card_text, decision_of

    card = decision_of(store, experiment, rows=rows)
    if not card.candidates:
        return
    out = console()
    out.print()
    for line in card_text(card, out.width):
        out.print(line, markup=False, soft_wrap=True)
