"""`automl-bench data fetch` of several datasets: which ones, one after the other, and what came of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.border.command_lines import quoted_command
from automl_bench.cli.output import console, print_json
from automl_bench.errors import AutomlBenchError, DatasetError, UsageError
from automl_bench.numbers_in_words import number_of

if TYPE_CHECKING:
    from automl_bench.datasets.catalogue import CatalogueEntry
    from automl_bench.datasets.importing import Imported


def wanted(
    names: Sequence[str],
    entries: Mapping[str, CatalogueEntry],
    data: Path,
    *,
    everything: bool,
    given: Path | None,
) -> list[str]:
    """Return which datasets were asked for, each once.

    Raises:
        UsageError: If none was, or the options do not go together.
        DatasetNotFound: If one is not in the catalogue: then nothing is fetched.
    """
    from automl_bench.datasets.catalogue import find

    if everything == bool(names):
        raise UsageError(
            "say either which datasets to fetch, or --all." if everything else "no dataset is named.",
            remedy=f"For example: {quoted_command('data', 'fetch', 'digits')}; "
            f"{quoted_command('data', 'list')} shows all.",
        )
    if everything:
        fetchable = (entry for entry in entries.values() if not entry.import_only and not _lacks_plugin(entry))
        names = [entry.name for entry in fetchable]
    for name in names:
        find(entries, name)
    chosen = list(dict.fromkeys(names))
    if given is not None and len(chosen) != 1:
        raise UsageError("--from is for one dataset.", remedy="Fetch the others in a command of their own.")
    return chosen


def _lacks_plugin(entry: CatalogueEntry) -> bool:
    return bool(entry.provided_by) and entry.plugin is None


def fetch_several(
    names: Sequence[str],
    data: Path,
    fetch_one: Callable[[str], Imported],
    *,
    show: Callable[[Imported, bool], None],
    replace: bool,
    as_json: bool,
) -> None:
    """Fetch one dataset after the other; what is here already is skipped, and what fails is told at the end.

    Raises:
        AutomlBenchError: The first failure, with the names of all that failed.
    """
    errors = console(stderr=True)
    here: list[str] = []
    fetched: list[Imported] = []
    failed: dict[str, AutomlBenchError] = {}
    for name in names:
        if (data / name / "manifest.csv").is_file() and not replace:
            here.append(name)
            errors.print(f"{name}: is here already", markup=False)
            continue
        try:
            imported = fetch_one(name)
        except AutomlBenchError as error:
            failed[name] = error
            errors.print(f"{name}: {error}", markup=False)
            continue
        fetched.append(imported)
        if not as_json:
            show(imported, False)
    if as_json:
        print_json(
            {
                "fetched": [{"name": one.manifest.name, "folder": str(one.manifest.folder)} for one in fetched],
                "here_already": here,
                "failed": {name: {"reason": error.message, "remedy": error.remedy} for name, error in failed.items()},
            }
        )
    if failed:
        raise DatasetError(
            f"{len(failed)} of {number_of(len(names), 'dataset')} could not be fetched: {', '.join(failed)}.",
            remedy="The reasons stand above; run the same command again for what is missing.",
        )
