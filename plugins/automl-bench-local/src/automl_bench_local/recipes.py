"""What a variant's keys mean, checked before anything is uploaded. Nothing heavy is imported here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl_bench.contract import Json, Modality, Setting, SettingKind, Variant
from automl_bench.errors import RequestRefused
from automl_bench.toolkit.environments import ENVIRONMENT
from automl_bench.toolkit.setting_values import variant_settings_of
from automl_bench_local.search_spaces import LARGEST_SEARCH, Search, SpaceError, read_search

FEATURE_KINDS = ("pixels", "hog", "embedding")
"""Of images, from the fastest at prediction time to the slowest; a tie in selection goes to the first."""

TEXT_KINDS = ("words", "characters", "embedding")
ROW_KINDS = ("columns",)
RAW = "raw"
"""Texts or rows as they are, for a pipeline whose first step takes them."""

KINDS_OF: Mapping[Modality, tuple[str, ...]] = {
    Modality.IMAGE: FEATURE_KINDS,
    Modality.TEXT: TEXT_KINDS,
    Modality.TABULAR: ROW_KINDS,
}
NOUNS = {Modality.IMAGE: "images", Modality.TEXT: "texts", Modality.TABULAR: "tables"}

SMALLEST_SIDE = 4
LARGEST_SIDE = 1024

VARIANT_SETTINGS = (
    Setting(
        "features",
        "What images, texts or rows become.",
        kind=SettingKind.CHOICE,
        choices=("auto", *FEATURE_KINDS, "words", "characters", *ROW_KINDS, RAW),
    ),
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
    Setting(
        "use_columns",
        "Columns of identifiers, or of texts that differ in nearly every row, to learn from all the same.",
        kind=SettingKind.STRUCTURE,
    ),
    Setting("grid", "Values of parameters to choose from by cross-validation.", kind=SettingKind.STRUCTURE),
    Setting(
        "search",
        "How values are taken from the grid: every combination, or some drawn at random.",
        kind=SettingKind.CHOICE,
        choices=("grid", "random"),
        default="grid",
    ),
    Setting(
        "candidates",
        "Combinations that a random search draws.",
        kind=SettingKind.INTEGER,
        default="20",
        minimum=1,
        maximum=LARGEST_SEARCH,
    ),
    Setting(
        "cv_folds",
        "Folds of that cross-validation.",
        kind=SettingKind.INTEGER,
        default="5",
        minimum=2,
        maximum=50,
    ),
    ENVIRONMENT,
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
    "logistic-words": {"features": "words"},
    "logistic-characters": {"features": "characters"},
    "logistic": {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 1000}},
    "extra-trees": {
        "estimator": "sklearn.ensemble.ExtraTreesClassifier",
        "params": {"n_estimators": 300, "min_samples_leaf": 3},
    },
    "boosting": {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier"},
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
        modality: What it learns from.
        features: Kinds of features to choose from; one of them means no choice.
        side: Images are resized to side × side before the features are taken; None means the kind's own default.
        pixel_scale: Raw pixel values are divided by it.
        steps: The classifier and what stands before it; empty means the built-in linear classifier, whose
            regularisation is chosen by cross-validation.
        search: Parameter values to search; None means no search.
        cv_folds: Most folds of any cross-validation.
        use_columns: Columns of a table to learn from whatever their kind.
    """

    name: str
    features: tuple[str, ...] = FEATURE_KINDS
    side: int | None = None
    pixel_scale: float = 255.0
    steps: tuple[Step, ...] = ()
    search: Search | None = None
    cv_folds: int = 5
    use_columns: tuple[str, ...] = ()
    modality: Modality = Modality.IMAGE


def read_recipe(variant: Variant, modality: Modality | None = None) -> Recipe:
    """Understand a variant's settings.

    Args:
        variant: The variant.
        modality: What is to be learned from; None, where that is not known yet, takes one that the variant fits.

    Raises:
        SettingsError: If a key is unknown or a value of the wrong type; the message names variant and key.
    """
    values = variant_settings_of(VARIANT_SETTINGS, variant)
    settings = variant.settings
    steps = _steps(variant, settings)
    search = _search(variant, values, steps)
    modality = modality or _fitting(settings)
    features = _features(variant, settings, steps, modality)
    for key, of in (("side", Modality.IMAGE), ("pixel_scale", Modality.IMAGE), ("use_columns", Modality.TABULAR)):
        if key in settings and modality is not of:
            raise refusal(variant, key, f"is for {NOUNS[of]}, and the dataset holds {NOUNS[modality]}", "Remove it.")
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
    return Recipe(
        variant.name,
        features,
        side,
        scale,
        steps,
        search,
        values["cv_folds"],
        _use_columns(variant, settings),
        modality,
    )


def refusal(variant: Variant | str, key: str, fact: str, remedy: str = "") -> RequestRefused:
    """Return the error for one key of a variant: one sentence that names both."""
    name = variant if isinstance(variant, str) else variant.name
    return RequestRefused(f"local:{name}: {key!r} {fact}.", remedy=remedy)


def _fitting(settings: Mapping[str, Json]) -> Modality:
    """Return a modality that a variant's settings fit; images where nothing says otherwise."""
    if "use_columns" in settings:
        return Modality.TABULAR
    wanted = settings.get("features", "auto")
    return next((modality for modality, kinds in KINDS_OF.items() if wanted in (*kinds, "auto")), Modality.TEXT)


def _features(
    variant: Variant, settings: Mapping[str, Json], steps: tuple[Step, ...], modality: Modality
) -> tuple[str, ...]:
    kinds = KINDS_OF[modality]
    wanted = settings.get("features", _usual(steps, modality) if steps else "auto")
    raw = (RAW,) if steps and modality is not Modality.IMAGE else ()
    allowed = (*kinds, *raw) if steps else ("auto", *kinds)
    if wanted not in allowed:
        raise _wrong(variant, "features", f"one of {', '.join(allowed)} for {NOUNS[modality]}", wanted)
    return kinds if wanted == "auto" else (str(wanted),)


def _usual(steps: tuple[Step, ...], modality: Modality) -> str:
    """Return the kind of features that a classifier gets where a variant names none.

    A pipeline over texts begins with what makes numbers of them; a classifier alone has to be given numbers.
    """
    return RAW if modality is Modality.TEXT and len(steps) > 1 else KINDS_OF[modality][0]


def _use_columns(variant: Variant, settings: Mapping[str, Json]) -> tuple[str, ...]:
    names = settings.get("use_columns", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _wrong(variant, "use_columns", "a list of column names", names)
    return tuple(str(name) for name in names)


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


def _search(variant: Variant, values: Mapping[str, Any], steps: tuple[Step, ...]) -> Search | None:
    grid = variant.settings.get("grid", {})
    if not isinstance(grid, Mapping):
        raise _wrong(variant, "grid", "a table of lists", grid)
    if grid and not steps:
        raise refusal(variant, "grid", "has no 'estimator' to search", "What is built in chooses by itself.")
    for key in ("search", "candidates"):
        if key in variant.settings and not grid:
            raise refusal(variant, key, "has no 'grid' to search", "Give the values to choose from.")
    if "candidates" in variant.settings and values["search"] != "random":
        raise refusal(variant, "candidates", 'needs search = "random"', "A search of the grid takes all of it.")
    try:
        return read_search(grid, values["search"], values["candidates"]) if grid else None
    except SpaceError as error:
        if error.wanted:
            raise _wrong(variant, error.key, error.wanted, error.got) from error
        raise refusal(variant, error.key, error.fact, error.remedy) from error


def _known(variant: Variant, table: Mapping[str, Json], keys: Sequence[str], prefix: str) -> None:
    for key in table:
        if key not in keys:
            close = difflib.get_close_matches(str(key), keys, n=1)
            remedy = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(keys)}."
            raise refusal(variant, f"{prefix}{key}", "is not a key of a variant", remedy)


def _wrong(variant: Variant, key: str, wanted: str, got: Any) -> RequestRefused:
    return refusal(variant, key, f"must be {wanted}, not {got!r}", "Change it in configs/providers/local.toml.")
