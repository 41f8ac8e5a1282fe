"""What the hooks get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from automl_bench.contract.descriptions import Variant
from automl_bench.contract.operations import ResourceRecorder
from automl_bench.contract.samples import Column, TrainingSet
from automl_bench.contract.sending import BulkSender, _send_nothing
from automl_bench.contract.vocabulary import Json, Modality, Stage
from automl_bench.ownership import Owner, resource_name


def _hide_nothing(secret: str) -> None:
    """Stand in for `hide` where a test makes a context by hand."""


@dataclass(frozen=True)
class ProviderContext:
    """What every hook gets: the resolved settings and a folder for the plugin's own files.

    Attributes:
        variant: The configuration asked for.
        settings: Resolved values of the declared settings that are not secrets.
        secrets: Function that returns a declared secret's value; raises MissingSecret. Values are kept out of
            `repr`, logs and the store.
        cache_dir: Folder of this provider in the workspace; survives trials, may be deleted at any time.
        progress: Call with (done, total, unit) as long work goes on; total may be None.
        log: Call with one line for the log; never a secret.
        owner: Who asks: what is created carries it, in its name and as tags (`owner_tags`). None where a trial was
            begun before workspaces had ids: its names keep the old form.
        hide: Call with a secret that the host cannot know of, such as a session token that an SDK obtained: from then
            on it is taken out of whatever is stored, printed, exported or logged.
        modality: What one sample is, where the question is about some: a price table may depend on it. None where
            nothing is known of the samples.
    """

    variant: Variant
    settings: Mapping[str, str]
    secrets: Callable[[str], str] = field(repr=False)
    cache_dir: Path
    progress: Callable[[int, int | None, str], None] = field(repr=False)
    log: Callable[[str], None] = field(repr=False)
    owner: Owner | None = field(default=None, kw_only=True)
    hide: Callable[[str], None] = field(default=_hide_nothing, repr=False, kw_only=True)
    modality: Modality | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class TrialContext(ProviderContext):
    """What the hooks of one trial get.

    Attributes:
        trial_id: Twelve hex digits, derived from the trial's content.
        dataset: Name of the dataset.
        labels: All labels, sorted.
        shots: Labelled samples per class, or None for all.
        fold: Which draw of the subsets.
        seed: The experiment's seed, for providers that take one.
        modality: What one sample is.
        columns: Columns of a table, in the order of each row's cells; empty for other modalities.
        training_set: The trial's labelled samples, for a provider that shows examples with each request; empty at 0
            shots, None where a context was made without one. No test sample is among them.
        results: The `Operation.result` of the stages done so far.
        resources: The ledger.
        send: Sends many small requests, such as the samples of an upload, through the host's transport.
    """

    trial_id: str
    dataset: str
    labels: tuple[str, ...]
    shots: int | None
    fold: int
    seed: int
    modality: Modality = field(kw_only=True)
    results: Mapping[Stage, Mapping[str, Json]]
    resources: ResourceRecorder = field(repr=False)
    send: BulkSender = field(default=_send_nothing, repr=False)
    columns: tuple[Column, ...] = ()
    training_set: TrainingSet | None = field(default=None, repr=False)

    def name_for(self, kind: str, *, max_length: int = 63, separator: str = "-") -> str:
        """Return the deterministic name of this trial's resource of a kind, within a service's length limit.

        It is `automl-bench-<workspace>-<trial id>-<kind>`, and `parse_name` reads it back. See `resource_name` for what
        a short limit leaves out.

        Raises:
            ValueError: If not even the shortest form fits.
        """
        workspace = None if self.owner is None else self.owner.workspace
        return resource_name(workspace, self.trial_id, kind, max_length=max_length, separator=separator)
