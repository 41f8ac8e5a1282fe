"""A project for DVC: the steps of an experiment as stages, its numbers as parameters, metrics and plots.

import-DATASET -> ablate-DATASET -> evaluate@DATASET-SHOTS-FOLD-VARIANT -> aggregate
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_bench.border.command_lines import command_line
from automl_bench.errors import SettingsError, WorkspaceError
from automl_bench.report.labels import shots_label
from automl_bench.report.pipeline_files import Point, confusion_file, curve_file
from automl_bench.toolkit.whole_files import replaced_file

EXPERIMENT, STAGES, PARAMS = "experiment.toml", "dvc.yaml", "params.yaml"
TRIALS = "trials"
ABLATIONS = "ablations"
NOT_KEPT = "/results/\n/reports/\n/.automl-bench/\n/data/\n/trials/\n"
PARAMS_HEAD = """\
# What the stages depend on; `dvc exp run -S NAME=VALUE` changes a value for one experiment. test_limit and shots may be
# "all". test_share and split_seed draw the test split where the data have none; options go to `data import`.
"""
STAGES_HEAD = (
    "# Written by automl-bench. `dvc repro` runs what is missing; each stage is one command of automl-bench.\n"
)


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """How a dataset gets into the project.

    Attributes:
        name: Its name.
        source: File or folder to import, as seen from the project; "" for a dataset of the catalogue.
        options: Options of `data import` that its card does not hold by itself.
        drawn: Whether its test split is drawn on import, so that share and seed matter.
        test_share: Share of the test split.
        seed: Seed of the test split.
        files: What importing writes into its folder.
    """

    name: str
    source: str
    options: str
    drawn: bool
    test_share: float
    seed: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an experiment asks for, as the project's parameters have it.

    Attributes:
        datasets: Names.
        variants: `provider:variant` by the name that files and metrics have.
        shots: Labelled samples per class; None for all.
        folds: Which draws.
        seed: Seed of the draws.
        test_limit: Test samples, or None for all.
    """

    datasets: tuple[str, ...]
    variants: Mapping[str, str]
    shots: tuple[int | None, ...]
    folds: tuple[int, ...]
    seed: int
    test_limit: int | None


def file_name(variant: str) -> str:
    """Return what a variant is called in paths, metrics and stages: DVC reads a colon in its own way."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", variant)


def trial_folder(dataset: str, shots: str, fold: int | str, variant: str) -> str:
    """Return the folder of one trial's files."""
    return f"{TRIALS}/{dataset}/{shots}/{fold}/{variant}"


def points(asked: Asked, root: Path) -> list[Point]:
    """Return what a project averages."""
    return [
        Point(
            dataset,
            shots,
            name,
            tuple(root / trial_folder(dataset, shots_label(shots), fold, name) for fold in asked.folds),
        )
        for dataset in asked.datasets
        for shots in asked.shots
        for name in asked.variants
    ]


def read_params(path: Path) -> Asked:
    """Read a project's parameters.

    Raises:
        SettingsError: If they cannot be read, or hold something else.
    """
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Asked(
            datasets=tuple(str(name) for name in found["datasets"]),
            variants={str(one["name"]): str(one["variant"]) for one in found["variants"]},
            shots=tuple(None if value == "all" else int(value) for value in found["shots"]),
            folds=tuple(int(value) for value in found["folds"]),
            seed=int(found["seed"]),
            test_limit=None if found["test_limit"] == "all" else int(found["test_limit"]),
        )
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", remedy="Run this in the project.") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f"{path} does not hold the parameters of a project: {' '.join(str(error).split())}.",
            remedy="It needs datasets, variants, shots, folds, seed and test_limit, as `export dvc` writes them.",
        ) from error


def write_project(
    folder: Path, experiment: Path, asked: Asked, sources: Sequence[DatasetSource], settings: Mapping[str, Path]
) -> list[Path]:
    """Write dvc.yaml, params.yaml, the experiment and what git and DVC are to leave alone.

    Args:
        folder: Folder of the project.
        experiment: The experiment's file.
        asked: What it asks for.
        sources: How its datasets get there.
        settings: Files of providers' settings that the workspace has, by provider.

    Raises:
        WorkspaceError: If the folder holds a project already, or cannot be written.
    """
    if (folder / STAGES).exists():
        raise WorkspaceError(f"{folder / STAGES} exists already.", remedy="Remove it, or give another --out.")
    files = {
        STAGES: STAGES_HEAD + _yaml(stages(asked, sources)),
        PARAMS: PARAMS_HEAD + _yaml(params(asked, sources)),
        EXPERIMENT: experiment.read_text(encoding="utf-8"),
        ".gitignore": NOT_KEPT,
        ".dvcignore": "/results/\n/reports/\n/.automl-bench/\n",
    }
    files |= {f"configs/providers/{path.name}": path.read_text(encoding="utf-8") for path in settings.values()}
    for name, text in files.items():
        with replaced_file(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def params(asked: Asked, sources: Sequence[DatasetSource]) -> dict[str, Any]:
    """Return the content of params.yaml."""
    return {
        "seed": asked.seed,
        "test_limit": "all" if asked.test_limit is None else asked.test_limit,
        "shots": ["all" if value is None else value for value in asked.shots],
        "folds": list(asked.folds),
        "variants": [{"name": name, "variant": variant} for name, variant in asked.variants.items()],
        "datasets": list(asked.datasets),
        "import": {
            one.name: {
                "source": one.source,
                "options": one.options,
                **({"test_share": one.test_share, "split_seed": one.seed} if one.drawn else {}),
            }
            for one in sources
        },
    }


def stages(asked: Asked, sources: Sequence[DatasetSource]) -> dict[str, Any]:
    """Return the content of dvc.yaml."""
    found: dict[str, Any] = {}
    for one in sources:
        found[f"import-{one.name}"] = _import(one)
        found[f"ablate-{one.name}"] = {
            "cmd": _command("pipeline", "subsets", one.name),
            "params": ["seed", "shots", "folds"],
            "deps": [f"data/{one.name}/manifest.csv"],
            "outs": [f"data/{one.name}/{ABLATIONS}"],
        }
    found["evaluate"] = {
        "matrix": {
            "dataset": "${datasets}",
            "shots": "${shots}",
            "fold": "${folds}",
            "variant": "${variants}",
        },
        "cmd": _command("pipeline", "trial", EXPERIMENT)
        + " --dataset ${item.dataset} --shots ${item.shots} --fold ${item.fold} --variant ${item.variant.variant}"
        + " --seed ${seed} --test-limit ${test_limit} --out "
        + trial_folder("${item.dataset}", "${item.shots}", "${item.fold}", "${item.variant.name}"),
        "deps": [EXPERIMENT, "data/${item.dataset}/manifest.csv", f"data/${{item.dataset}}/{ABLATIONS}"],
        "outs": [trial_folder("${item.dataset}", "${item.shots}", "${item.fold}", "${item.variant.name}")],
    }
    found["aggregate"] = {
        "cmd": _command("pipeline", "metrics"),
        "deps": [TRIALS],
        "params": ["datasets", "shots", "folds", "variants"],
        "metrics": [{"metrics/test.json": {"cache": False}}, {"metrics/train.json": {"cache": False}}],
        "outs": [{"plots": {"cache": False}}],
    }
    return {"stages": found, "plots": _plots(asked)}


def _import(one: DatasetSource) -> dict[str, Any]:
    key = f"import.{one.name}"
    drawn = f" --test-share ${{{key}.test_share}} --seed ${{{key}.split_seed}}" if one.drawn else ""
    if one.source:
        command = _command("data", "import", one.name) + f" ${{{key}.source}} ${{{key}.options}} --replace{drawn}"
    else:
        command = _command("data", "fetch", one.name, "--replace") + drawn
    return {
        "cmd": " ".join(command.split()),
        **({"deps": [f"${{{key}.source}}"]} if one.source else {}),
        "outs": [f"data/{one.name}/{name}" for name in one.files],
    }


def _plots(asked: Asked) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for dataset in asked.datasets:
        found.append(
            {
                f"accuracy on {dataset}": {
                    "template": "linear",
                    "x": "shots",
                    "y": {curve_file(dataset): list(asked.variants)},
                    "x_label": "labelled samples per class",
                    "y_label": "accuracy",
                }
            }
        )
        for variant in asked.variants:
            path = confusion_file(dataset, variant)
            found.append({path: {"template": "confusion", "x": "actual", "y": "predicted"}})
    return found


def _command(*words: str) -> str:
    """Return a command of a stage: it works in the project, whatever workspace is around it."""
    return command_line(*words, workspace=".")


def source_words(path: Path, project: Path) -> str:
    """Return a source as the project's stages name it: relative if it lies inside, and quoted for a shell."""
    inside = path.is_relative_to(project)
    return shlex.quote(path.relative_to(project).as_posix() if inside else str(path))


def _yaml(content: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10_000)
    return text
