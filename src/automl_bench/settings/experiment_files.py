"""An experiment's file: what it may say, and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from automl_bench.ablations.images import ImageSetting
from automl_bench.border.names import is_name
from automl_bench.contract import Stage
from automl_bench.measurement.accuracy_pass import PassSettings
from automl_bench.measurement.load import LoadSettings
from automl_bench.measurement.stopping import StopSettings
from automl_bench.settings.toml_files import parse_model, read_toml
from automl_bench.trials.experiment import KEEP_TRAINED_HOURS, Experiment, ParallelPlan

MOST = 10**9
"""Largest count: far above every use, and a number that every part of the program can hold."""
Shots = Annotated[int, Field(ge=0, le=MOST, strict=True)] | Literal["all"]
Count = Annotated[int, Field(ge=1, le=MOST, strict=True)]
Whole = Annotated[int, Field(ge=0, le=MOST, strict=True)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)]
Positive = Annotated[float, Field(gt=0, le=MOST, allow_inf_nan=False)]
Hours = Annotated[float, Field(ge=0, le=8760, allow_inf_nan=False)]
"""At most a year."""
DatasetName = Annotated[str, AfterValidator(lambda text: _named(text, "a dataset"))]
ProviderName = Annotated[str, AfterValidator(lambda text: _named(text, "a provider", parts=2))]


def _named(text: str, what: str, *, parts: int = 1) -> str:
    """Refuse what could lead elsewhere as part of a path."""
    pieces = text.split(":")
    if len(pieces) > parts or not all(map(is_name, pieces)):
        raise ValueError(f"this cannot be the name of {what}")
    return text


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ImagesSection(_Section):
    """`[images]`: the same re-encoding for every provider."""

    min_side: Count | None = None
    max_side: Count | None = None
    format: Literal["png", "jpeg"] | None = None
    quality: Annotated[int, Field(ge=1, le=100, strict=True)] | None = None
    upright: Annotated[bool, Field(strict=True)] = True


class InvokeSection(_Section):
    """`[invoke]`: the accuracy pass."""

    warm_up: Whole = 3
    cold: bool = True
    idle_cold_seconds: Positive | None = None
    max_attempts: Count = 5
    interleave: bool = False
    ignore_limits: bool = False
    stop: Literal["separated"] | None = None
    stop_against: str | None = None
    stop_rope_points: Annotated[float, Field(ge=0, le=100)] = 1.0
    also: list[Literal["train"]] = Field(default_factory=list)


class ParallelSection(_Section):
    """`[parallel]`: load runs."""

    enabled: bool = True
    loop: Literal["closed", "open", "sweep"] = "closed"
    calls: Count = 1000
    concurrency: Count = 10
    rate: Positive | None = None
    duration_seconds: Positive | None = None
    arrivals: Literal["poisson", "constant"] = "poisson"
    sweep_from: Positive | None = None
    sweep_to: Positive | None = None
    warm_up_calls: Whole | None = None
    ignore_limits: bool = False
    shots: list[Shots] = Field(default_factory=list)
    folds: list[Whole] = Field(default_factory=lambda: [0])


class DeadlinesSection(_Section):
    """`[deadlines]`: longest waits in hours."""

    upload_hours: Positive = 24.0
    train_hours: Positive = 72.0
    deploy_hours: Positive = 2.0
    measure_hours: Positive = 24.0


class BaselineSection(_Section):
    """`[baseline]`: the variant that all others are compared with, instead of all pairs."""

    variant: str


class UseSection(_Section):
    """`[use]`: how the service will be used, for what a month of it costs."""

    calls_per_month: Annotated[float, Field(ge=1, le=10**12, allow_inf_nan=False)] = 100_000
    hours_per_day: Annotated[float, Field(ge=0, le=24, allow_inf_nan=False)] = 24.0
    label_usd: Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)] | None = None


class ExperimentFile(_Section):
    """The whole file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    title: str = ""
    datasets: Annotated[list[DatasetName], Field(min_length=1)]
    providers: Annotated[list[ProviderName], Field(min_length=1)]
    shots: Annotated[list[Shots], Field(min_length=1)]
    folds: Count = 1
    repeats: Count = 1
    seed: Seed = 0
    test_limit: Count | None = None
    keep_trained_hours: Hours = KEEP_TRAINED_HOURS
    images: ImagesSection = Field(default_factory=ImagesSection)
    invoke: InvokeSection = Field(default_factory=InvokeSection)
    parallel: ParallelSection = Field(default_factory=ParallelSection)
    deadlines: DeadlinesSection = Field(default_factory=DeadlinesSection)
    baseline: BaselineSection | None = None
    use: UseSection | None = None

    @model_validator(mode="after")
    def _baseline_takes_part(self) -> ExperimentFile:
        if self.baseline is not None and self.baseline.variant not in self.providers:
            raise ValueError(f"[baseline] variant {self.baseline.variant!r} is not among providers; add it there")
        return self

    @field_validator("datasets", "providers", "shots")
    @classmethod
    def _no_repetition(cls, values: list[Any]) -> list[Any]:
        repeated = sorted({str(value) for value in values if values.count(value) > 1})
        if repeated:
            raise ValueError(f"{repeated[0]} is listed twice")
        return values

    @model_validator(mode="after")
    def _stop_has_something_to_compare(self) -> ExperimentFile:
        invoke = self.invoke
        if invoke.stop is None:
            if invoke.stop_against is not None:
                raise ValueError('invoke.stop_against needs invoke.stop = "separated"')
            return self
        if not invoke.interleave or len(self.providers) < 2:
            raise ValueError("invoke.stop needs invoke.interleave = true and at least two providers or variants")
        if invoke.stop_against is not None and invoke.stop_against not in self.providers:
            raise ValueError(f"invoke.stop_against: {invoke.stop_against} is not among the providers")
        return self


def read_experiment(path: Path) -> Experiment:
    """Read an experiment's file.

    Raises:
        SettingsError: If it cannot be read, holds an unknown key or a wrong value; the message names file and key.
    """
    return to_experiment(parse_model(ExperimentFile, read_toml(path), path))


def to_experiment(file: ExperimentFile) -> Experiment:
    """Turn a checked file into the experiment it means."""
    invoke = file.invoke
    return Experiment(
        name=file.name,
        title=file.title,
        baseline=file.baseline.variant if file.baseline else "",
        use=file.use.model_dump(exclude_none=True) if file.use else {},
        datasets=tuple(file.datasets),
        providers=tuple(file.providers),
        shots=tuple(_shots(value) for value in file.shots),
        folds=file.folds,
        repeats=file.repeats,
        seed=file.seed,
        test_limit=file.test_limit,
        keep_trained_hours=file.keep_trained_hours,
        images=ImageSetting(**file.images.model_dump(exclude_none=True)),
        invoke=PassSettings(
            order_seed=file.seed,
            warm_up=invoke.warm_up,
            cold=invoke.cold,
            idle_cold_seconds=invoke.idle_cold_seconds,
            max_attempts=invoke.max_attempts,
            respect_limits=not invoke.ignore_limits,
            stop=_stop(file),
            training="train" in invoke.also,
        ),
        interleave=invoke.interleave,
        parallel=_parallel(file.parallel, file.seed),
        deadline_seconds={
            Stage.UPLOAD: file.deadlines.upload_hours * 3600,
            Stage.TRAIN: file.deadlines.train_hours * 3600,
            Stage.DEPLOY: file.deadlines.deploy_hours * 3600,
            Stage.INVOKE: file.deadlines.measure_hours * 3600,
        },
    )


def _stop(file: ExperimentFile) -> StopSettings | None:
    """Return what an accuracy pass is to decide: the variants against one if there is one to compare with."""
    if file.invoke.stop is None:
        return None
    baseline = None if file.baseline is None else file.baseline.variant
    return StopSettings(file.invoke.stop_against or baseline, file.invoke.stop_rope_points / 100)


def _parallel(section: ParallelSection, seed: int) -> ParallelPlan:
    own = {"enabled", "shots", "folds", "ignore_limits"}
    settings = section.model_dump(exclude_none=True, exclude=own)
    return ParallelPlan(
        enabled=section.enabled,
        settings=LoadSettings(**settings, seed=seed, respect_limits=not section.ignore_limits),
        shots=tuple(_shots(value) for value in section.shots),
        folds=tuple(section.folds),
    )


def _shots(value: int | str) -> int | None:
    return None if value == "all" else int(value)
