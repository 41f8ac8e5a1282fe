"""The store: every table of one results file behind one object."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from automl_bench.store.answer_columns import AnswersTable
from automl_bench.store.imported_runs_table import ImportedRunsTable
from automl_bench.store.invocations_table import InvocationsTable
from automl_bench.store.leases import OwnerAlive, owner_alive
from automl_bench.store.leases_table import LeasesTable
from automl_bench.store.ledger_table import LedgerTable
from automl_bench.store.load_table import LoadTable
from automl_bench.store.looks_table import LooksTable
from automl_bench.store.provenance_table import ProvenanceTable
from automl_bench.store.reservations_table import ReservationsTable
from automl_bench.store.stages_table import StagesTable
from automl_bench.store.trials_table import TrialsTable
from automl_bench.store.usage_rows import UsagesTable
from automl_bench.store.writer import BUSY_PATIENCE


class Store(
    TrialsTable,
    LeasesTable,
    StagesTable,
    LedgerTable,
    InvocationsTable,
    AnswersTable,
    UsagesTable,
    LoadTable,
    LooksTable,
    ProvenanceTable,
    ImportedRunsTable,
    ReservationsTable,
):
    """All that is kept of one workspace. Safe to use from any number of threads; open one in each process.

    Every method that writes returns once its rows are on the disk; `submit_…` returns a future instead. Close it, or
    use it as a context manager.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(
    path: Path, *, read_only: bool = False, alive: OwnerAlive = owner_alive, patience: float = BUSY_PATIENCE
) -> Store:
    """Open a results file; create it, and bring an older one forward, if it is to be written.

    Args:
        path: The SQLite file; its folder is created.
        read_only: Only read, for example while another process writes. An older file is still brought forward.
        alive: Tells whether the owner of a lease is known to have ended; replaced in tests.
        patience: Seconds to wait for a lock that another process holds.

    Raises:
        CorruptRecord: The file is damaged, or not a results file.
        RecordsError: It is to be read and does not exist.
        UnknownFormatVersion: A newer automl-bench wrote it.
        WorkspaceError: The folder or disk does not let it be opened.
    """
    return Store(path, read_only=read_only, alive=alive, patience=patience)
