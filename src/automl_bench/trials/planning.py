"""What a run of an experiment would do and may cost, without doing any of it: no request, no file, no row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

from automl_bench.contract import Capability, Modality, Price, Stage, Variant
from automl_bench.errors import AutomlBenchError
from automl_bench.providers.feasibility import limits_for
from automl_bench.store import Store
from automl_bench.store.records import StageRecord, StageStatus, TrialRecord, TrialStatus
from automl_bench.trials.experiment import Experiment, Learning, learning_of, missing_stages
from automl_bench.trials.extent import SECONDS_PER_HOUR, Extent, extent_of
from automl_bench.trials.likely import Likely, StageSeconds, expect
from automl_bench.trials.material import Material, MaterialSource, obstacle, obstacles_of_test
from automl_bench.trials.pricing import Reservation, prices, reservation
from automl_bench.trials.trial import BoundProvider
from automl_bench.trials.waiting import first_sentence


class Standing(StrEnum):
    """What `run` would do with a trial."""

    NEW = "new"
    CONTINUED = "continued"
    """It was begun, and `run` goes on with it."""
    DONE = "done"
    """It was run before; there is nothing left to do."""
    FAILED = "failed"
    """It failed before; `run` leaves it alone without --retry-failed."""
    REFUSED = "refused"
    """It cannot run: see the reason."""


@dataclass(frozen=True, slots=True)
class Experience:
    """How long earlier trials of the same variant, dataset and shots took.

    Attributes:
        hours: Median of the sums of their stages' wall times.
        trials: How many there were.
    """

    hours: float
    trials: int


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """What is known of one trial before it runs.

    Attributes:
        trial: The trial.
        standing: What `run` would do with it.
        reason: Why it is refused, one sentence with its remedy; else empty.
        extent: What it takes; None if its samples cannot be drawn.
        reserved: What it may cost at most; None if refused.
        experience: How long earlier ones took, if there were any.
        simulated: Whether its prices are those of a simulation: nobody is billed.
        shared: Whether it stands for all shots and folds, as its variant learns from no sample.
        likely: What it will probably take and cost; None if refused.
    """

    trial: TrialRecord
    standing: Standing
    reason: str = ""
    extent: Extent | None = None
    reserved: Reservation | None = None
    experience: Experience | None = None
    simulated: bool = False
    likely: Likely | None = None
    shared: bool = False

    @property
    def feasible(self) -> bool:
        """Whether nothing stands in its way."""
        return self.standing is not Standing.REFUSED

    @property
    def ahead(self) -> bool:
        """Whether a run would do it."""
        return self.standing in (Standing.NEW, Standing.CONTINUED)


@dataclass(frozen=True, slots=True)
class Past:
    """What the results file knows.

    Attributes:
        statuses: How each trial stands, by id.
        stages: The stages of each trial that has any, by id.
        experiences: How long done trials took, by provider, variant, dataset and shots.
        seconds: How long each of their stages took, by the same.
    """

    statuses: Mapping[str, TrialStatus] = field(default_factory=dict)
    stages: Mapping[str, Sequence[StageRecord]] = field(default_factory=dict)
    experiences: Mapping[tuple[str, str, str, int | None], Experience] = field(default_factory=dict)
    seconds: Mapping[tuple[str, str, str, int | None], StageSeconds] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store) -> Past:
        """Read what has been run, in two queries."""
        stages: dict[str, list[StageRecord]] = defaultdict(list)
        for record in store.stages():
            stages[record.trial_id].append(record)
        trials = store.trials()
        hours: dict[tuple[str, str, str, int | None], list[float]] = defaultdict(list)
        seconds: dict[tuple[str, str, str, int | None], dict[Stage, list[float]]] = defaultdict(dict)
        for trial in trials:
            own = stages.get(trial.trial_id, [])
            if trial.status is TrialStatus.DONE and own:
                hours[_kin(trial)].append(_hours(own))
                for record in own:
                    if record.wall_seconds is not None:
                        seconds[_kin(trial)].setdefault(record.stage, []).append(_billed(record))
        experiences = {kin: Experience(median(many), len(many)) for kin, many in hours.items()}
        return cls({trial.trial_id: trial.status for trial in trials}, stages, experiences, seconds)

    def standing(self, experiment: Experiment, trial: TrialRecord, *, retry_failed: bool) -> Standing:
        """Return what `run` would do with a trial that can run."""
        status = self.statuses.get(trial.trial_id, TrialStatus.PLANNED)
        if status is TrialStatus.PLANNED:
            return Standing.NEW
        if status in (TrialStatus.FAILED, TrialStatus.INFEASIBLE):
            return Standing.CONTINUED if retry_failed else Standing.FAILED
        missing = missing_stages(experiment, trial, self.stages.get(trial.trial_id, ()))
        return Standing.DONE if status is TrialStatus.DONE and not missing else Standing.CONTINUED


def _kin(trial: TrialRecord) -> tuple[str, str, str, int | None]:
    return trial.provider, trial.variant, trial.dataset, trial.shots


def _hours(stages: Iterable[StageRecord]) -> float:
    ended = (StageStatus.DONE, StageStatus.UNDONE)
    return sum(one.wall_seconds or 0.0 for one in stages if one.status in ended) / SECONDS_PER_HOUR


def _billed(record: StageRecord) -> float:
    """Return the seconds of a stage as the provider counts them, where it says so."""
    said = (record.billable_seconds, record.work_seconds, record.wall_seconds)
    return next(value for value in said if value is not None)


class Planner:
    """Plans the trials of one experiment.

    Args:
        experiment: What it asks for.
        providers: The providers by name.
        source: Where samples come from; it should be one that writes nothing.
        past: What the results file knows.
        retry_failed: Whether the run that is planned would try failed trials again.
    """

    def __init__(
        self,
        experiment: Experiment,
        providers: Mapping[str, BoundProvider],
        source: MaterialSource,
        past: Past,
        *,
        retry_failed: bool = False,
    ) -> None:
        self._experiment = experiment
        self._providers = providers
        self._source = source
        self._past = past
        self._retry_failed = retry_failed
        self._sizes: dict[tuple[object, ...], tuple[str, int | None, int]] = {}
        self._of_test: dict[tuple[str, str], list[str]] = {}
        self._modalities: dict[str, Modality] = {}
        self.tables: dict[tuple[str, str], Sequence[Price]] = {}
        """Price tables by provider and variant; for texts and tables the variant's name says so."""
        self.without_prices: dict[str, str] = {}
        """Why a provider's prices cannot be read, by provider."""

    def plan(self, trial: TrialRecord) -> TrialPlan:
        """Return what is known of a trial. The check and its words are those of `run`."""
        key = (trial.provider, trial.dataset, trial.shots, trial.fold)
        if key not in self._sizes:
            self._sizes[key] = self._look(trial)
        reason, samples, tests = self._sizes[key]
        bound = self._providers[trial.provider]
        description = bound.provider.description
        extent = None
        if samples is not None:
            extent = extent_of(
                self._experiment,
                trial,
                samples=samples,
                tests=tests,
                limits=limits_for(description, self._modalities[trial.dataset]),
                deletion_seconds=description.deletion_seconds,
            )
        table = self._table(trial)
        if reason or extent is None:
            return TrialPlan(trial, Standing.REFUSED, reason, extent)
        reserved = reservation(table, extent, bound.budget)
        return TrialPlan(
            trial,
            self._past.standing(self._experiment, trial, retry_failed=self._retry_failed),
            extent=extent,
            reserved=reserved,
            likely=expect(
                table,
                extent,
                reserved,
                self._stages(trial),
                here=self._past.seconds.get(_kin(trial), {}),
                reported=[
                    one
                    for one in description.reported_times
                    if one.stands_for(trial.variant, self._modalities[trial.dataset])
                ],
            ),
            experience=self._past.experiences.get(_kin(trial)),
            simulated=description.simulated,
            shared=self._is_shared(trial),
        )

    def _is_shared(self, trial: TrialRecord) -> bool:
        variant = Variant(trial.provider, trial.variant, trial.variant_settings)
        return learning_of(self._providers[trial.provider].provider.description, variant) is Learning.NONE

    def _stages(self, trial: TrialRecord) -> list[Stage]:
        """Return the stages that a trial will go through."""
        can = self._providers[trial.provider].provider.description.capabilities
        built = [stage for stage in (Stage.UPLOAD, Stage.TRAIN, Stage.DEPLOY) if Capability(stage.value) in can]
        return [*built, Stage.INVOKE, *([Stage.PARALLEL] if self._experiment.parallel.wants(trial) else [])]

    def _look(self, trial: TrialRecord) -> tuple[str, int | None, int]:
        """Return why a trial is refused (or ""), its labelled samples (None: not known), its test samples."""
        try:
            material = self._source.material(trial)
        except AutomlBenchError as error:
            return first_sentence(error), None, 0
        self._modalities[trial.dataset] = material.modality
        drawn = material.training_set
        description = self._providers[trial.provider].provider.description
        reason = obstacle(description, material, self._test_obstacles(trial, material))
        return reason, len(drawn.train) + len(drawn.validation), len(material.test)

    def _test_obstacles(self, trial: TrialRecord, material: Material) -> list[str]:
        key = (trial.provider, trial.dataset)
        if key not in self._of_test:
            description = self._providers[trial.provider].provider.description
            self._of_test[key] = obstacles_of_test(description, material)
        return self._of_test[key]

    def _table(self, trial: TrialRecord) -> Sequence[Price]:
        modality = self._modalities.get(trial.dataset)
        plain = modality in (None, Modality.IMAGE)
        key = (trial.provider, trial.variant if plain else f"{trial.variant} ({modality})")
        if key not in self.tables:
            try:
                self.tables[key] = prices(self._providers[trial.provider], trial, modality)
            except AutomlBenchError as error:
                self.tables[key] = ()
                self.without_prices[trial.provider] = first_sentence(error)
        return self.tables[key]
