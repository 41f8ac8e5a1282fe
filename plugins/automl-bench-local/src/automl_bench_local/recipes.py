"""What a variant's keys mean, checked before anything is uploaded. Nothing heavy is imported here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl_bench.contract import Json, Setting, SettingKind, Variant
from automl_bench.errors import RequestRefused
from automl_bench.toolkit.setting_values import variant_settings_of

FEATURE_KINDS = ("pixels", "hog", "embedding")
"""From the fastest at prediction time to the slowest; a tie in selection goes to the first."""

SMALLEST_SIDE = 4
LARGEST_SIDE = 1024

VARIANT_SETTINGS = (
    Setting("features", "What images become.", kind=SettingKind.CHOICE, choices=("auto", *FEATURE_KINDS)),
    Setting(
        "side",
        "Side in pixels that images are scaled to; without it the features' own.",
        kind=SettingKind.INTEGER,
        minimum=SMALLEST_SIDE,
        maximum=LARGEST_SIDE,
    ),
    Setting("pixel_scale", "Number by which pixel values are divided.", kind=SettingKind.NUMBER, default="255"),
    Setting("estimator", "Import path of a scikit-learn classifier.", example="sklearn.svm.SVC"),
    Setting("params", "Its parameters.", kind=SettingKind.STRUCTURE),
    Setting("pipeline", "List of steps, each with its import path and parameters.", kind=SettingKind.STRUCTURE),
    Setting("grid", "Values of parameters to choose from by cross-validation.", kind=SettingKind.STRUCTURE),
    Setting(
        "cv_folds",
        "Folds of that cross-validation.",
        kind=SettingKind.INTEGER,
        default="5",
        minimum=2,
        maximum=50,
    ),
)
STEP_KEYS = ("step", "params")
HOG_CELL = 8

BUILT_IN: Mapping[str, Mapping[str, Json]] = {
    "auto": {},
    "logistic-pixels": {"features": "pixels"},
    "logistic-hog": {"features": "hog"},
    "logistic-embedding": {"features": "embedding"},
    "svc": {"features": "pixels", "estimator": "sklearn.svm.SVC"},
    "nearest-neighbour": {
        "features": "pixels",
        "estimator": "sklearn.neighbors.KNeighborsClassifier",
        "params": {"n_neighbors": 1},
    },
    "forest": {"features": "pixels", "estimator": "sklearn.ensemble.RandomForestClassifier"},
}
"""The variants that come with the plugin."""


@dataclass(frozen=True, slots=True)
class Step:
    """A scikit-learn class by import path, and its parameters."""

    path: str
    params: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A variant, understood.

    Attributes:
        name: The variant's name, for messages.
        features: Kinds of features to choose from; one of them means no choice.
        side: Images are resized to side × side before the features are taken; None means the kind's own default.
        pixel_scale: Raw pixel values are divided by it.
        steps: The classifier and what stands before it; empty means the built-in linear classifier, whose
            regularisation is chosen by cross-validation.
        grid: Parameter values for an exhaustive search; empty means none.
        cv_folds: Most folds of any cross-validation.
    """

    name: str
    features: tuple[str, ...] = FEATURE_KINDS
    side: int | None = None
    pixel_scale: float = 255.0
    steps: tuple[Step, ...] = ()
    grid: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    cv_folds: int = 5


def read_recipe(variant: Variant) -> Recipe:
    """Understand a variant's settings.

    Raises:
        SettingsError: If a key is unknown or a value of the wrong type; the message names variant and key.
    """
    values = variant_settings_of(VARIANT_SETTINGS, variant)
    settings = variant.settings
    steps = _steps(variant, settings)
    grid = _grid(variant, settings, steps)
    features = _features(variant, settings, steps)
    side = values.get("side")
    if side is not None and len(features) > 1:
        raise refusal(
            variant, "side", "needs one kind of features, for each kind has its own size", "Set features too."
        )
    if side is not None and features == ("hog",) and (side % HOG_CELL or side < 2 * HOG_CELL):
        raise _wrong(variant, "side", f"a multiple of {HOG_CELL} from {2 * HOG_CELL} for hog features", side)
    scale = values["pixel_scale"]
    if scale <= 0:
        raise _wrong(variant, "pixel_scale", "a number above 0, by which pixel values are divided", scale)
    if "pixel_scale" in settings and features != ("pixels",):
        raise refusal(variant, "pixel_scale", 'needs features = "pixels"', "Remove it or set features.")
    return Recipe(variant.name, features, side, scale, steps, grid, values["cv_folds"])


def refusal(variant: Variant | str, key: str, fact: str, remedy: str = "") -> RequestRefused:
    """Return the error for one key of a variant: one sentence that names both."""
    name = variant if isinstance(variant, str) else variant.name
    return RequestRefused(f"local:{name}: {key!r} {fact}.", remedy=remedy)


def _features(variant: Variant, settings: Mapping[str, Json], steps: tuple[Step, ...]) -> tuple[str, ...]:
    wanted = settings.get("features", "pixels" if steps else "auto")
    allowed = FEATURE_KINDS if steps else ("auto", *FEATURE_KINDS)
    if wanted not in allowed:
        raise _wrong(variant, "features", f"one of {', '.join(allowed)}", wanted)
    return FEATURE_KINDS if wanted == "auto" else (str(wanted),)


def _steps(variant: Variant, settings: Mapping[str, Json]) -> tuple[Step, ...]:
    if "pipeline" in settings:
        for key in ("estimator", "params"):
            if key in settings:
                raise refusal(variant, key, "cannot stand beside 'pipeline'", "Make it the pipeline's last step.")
        rows = settings["pipeline"]
        if not isinstance(rows, list) or not rows:
            raise _wrong(variant, "pipeline", "a list of at least one step", rows)
        return tuple(_step(variant, row, f"pipeline[{index}]") for index, row in enumerate(rows))
    if "estimator" in settings:
        return (Step(_path(variant, settings["estimator"], "estimator"), _params(variant, settings, "params")),)
    if "params" in settings:
        raise refusal(variant, "params", "has no 'estimator' to go to", "Name the class, as in sklearn.svm.SVC.")
    return ()


def _step(variant: Variant, row: Any, key: str) -> Step:
    if not isinstance(row, Mapping) or "step" not in row:
        raise _wrong(variant, key, 'a table such as {step = "sklearn.preprocessing.StandardScaler"}', row)
    _known(variant, row, STEP_KEYS, f"{key}.")
    return Step(_path(variant, row["step"], f"{key}.step"), _params(variant, row, f"{key}.params"))


def _path(variant: Variant, value: Any, key: str) -> str:
    parts = value.split(".") if isinstance(value, str) else []
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise _wrong(variant, key, "the import path of a class, as in sklearn.svm.SVC", value)
    return str(value)


def _params(variant: Variant, table: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    value = table.get("params", {})
    if not isinstance(value, Mapping):
        raise _wrong(variant, key, "a table of parameters", value)
    return dict(value)


def _grid(variant: Variant, settings: Mapping[str, Json], steps: tuple[Step, ...]) -> Mapping[str, Sequence[Json]]:
    grid = settings.get("grid", {})
    if not isinstance(grid, Mapping):
        raise _wrong(variant, "grid", "a table of lists", grid)
    if grid and not steps:
        raise refusal(variant, "grid", "has no 'estimator' to search", "The built-in linear classifier tunes itself.")
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise _wrong(variant, f"grid.{name}", "a list of at least one value", values)
    return {name: list(values) for name, values in grid.items()}


def _known(variant: Variant, table: Mapping[str, Json], keys: Sequence[str], prefix: str) -> None:
    for key in table:
        if key not in keys:
            close = difflib.get_close_matches(str(key), keys, n=1)
            remedy = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(keys)}."
            raise refusal(variant, f"{prefix}{key}", "is not a key of a variant", remedy)


def _wrong(variant: Variant, key: str, wanted: str, got: Any) -> RequestRefused:
    return refusal(variant, key, f"must be {wanted}, not {got!r}", "Change it in configs/providers/local.toml.")
