"""The model that a command was asked for: found in the workspace, or trained again, with what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench_local.description import NAME

if TYPE_CHECKING:
    from automl_bench.contract import TrainingSet
    from automl_bench.store.records import TrialRecord
    from automl_bench_local.service_app import ServiceSettings


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A trial's model.

    Attributes:
        trial: The trial.
        folder: Where the model is.
        graphs: Folder in which the network's graph is kept.
        threads: Threads of the numeric libraries, as the provider's settings say.
    """

    trial: TrialRecord
    folder: Path
    graphs: Path
    threads: int

    def facts(self) -> dict[str, Any]:
        """Return what `GET /health` says of the trial."""
        return {
            "trial": self.trial.trial_id,
            "variant": self.trial.variant,
            "dataset": self.trial.dataset,
            "shots": "all" if self.trial.shots is None else self.trial.shots,
            "fold": self.trial.fold,
        }

    def settings(self, max_megabytes: float, max_batch: int, *, loopback: bool) -> ServiceSettings:
        """Return what to serve, and how.

        Args:
            max_megabytes: Largest body of a request.
            max_batch: Most samples in one request.
            loopback: Whether only this machine may ask.
        """
        from automl_bench_local.service_app import ServiceSettings

        return ServiceSettings(
            model=self.folder,
            graphs=self.graphs,
            title=self.trial.label,
            facts=self.facts(),
            threads=self.threads,
            largest_body=int(max_megabytes * 1024 * 1024),
            most_samples=max_batch,
            loopback=loopback,
        )


def find_model(
    dataset: str, shots: int | None, fold: int, variant: str | None, say: Callable[[str], None]
) -> FoundModel:
    """Return the model of the workspace's latest trial, trained again if teardown deleted it.

    Args:
        dataset: The dataset's name.
        shots: Labelled samples per class, or None for all.
        fold: Which draw of the subsets.
        variant: The variant's name; None where there is one only.
        say: Told what takes a while, and what is kept.

    Raises:
        UsageError: If no such trial was trained, or several were.
        DatasetError: If it has to be trained again, and the dataset has changed.
        TrainingFailed: If the variant cannot learn from the samples any more.
        ProviderError: If the model cannot be kept.
    """
    from automl_bench.cli.session import Session
    from automl_bench.errors import DatasetError
    from automl_bench.trials.machine import Machine, Use
    from automl_bench.trials.teardown import provider_context
    from automl_bench_local.options import Options
    from automl_bench_local.service_model import model_folder, trained_trial

    session = Session()
    options = Options.of(provider_context(session.bind(NAME)))
    with session.store_to_read() as store:
        trial = trained_trial(store, dataset, shots, fold=fold, variant=variant)

        def samples() -> TrainingSet:
            session.require_dataset(dataset)
            if session.source.manifest(dataset).fingerprint != trial.fingerprint:
                raise DatasetError(
                    f"{dataset} is not what {trial.label} learned from, and its model was deleted by teardown.",
                    remedy="Run the experiment on the dataset as it is now, or serve before teardown.",
                )
            say(f"the model of {trial.label} was deleted by teardown: training it again from the same samples")
            return session.source.material(trial).training_set

        computing = partial(Machine(session.machine_lock(say)).use, Use.COMPUTE)
        folder, is_new = model_folder(
            store, trial, options.home, samples=samples, computing=computing, threads=options.threads
        )
    if is_new:
        say(f"kept in {folder} for the next time; it may be deleted")
    return FoundModel(trial, folder, options.home, options.threads)
