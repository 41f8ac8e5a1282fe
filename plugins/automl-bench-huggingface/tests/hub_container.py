"""The container of a job in the stand-in: it reads the command as a shell would, and the script as Python.

It wants the script fetched from a repository that the job's secret may read, then run with `uv`. It takes the script
that was committed with what it imports, lets the script itself read its recipe and the samples, and then learns by
nearest neighbours instead of a transformer.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import tempfile
import tomllib
import types
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import hub_learning
from hub_repos import Repositories
from hub_wire import ApiError

KNOWN_MODELS = frozenset(
    {"google/vit-base-patch16-224", "google/vit-base-patch16-224-in21k", "google-bert/bert-base-uncased"}
)
POSITIONS = 512
"""Tokens that a model of texts takes at most."""
UV_IMAGES = re.compile(r"ghcr\.io/astral-sh/uv:[\w.-]+")
HEADER = re.compile(r"(?m)^# /// script\n((?:#.*\n)+?)# ///$")


class ScriptFailed(Exception):
    """The container ended with an error; its message is the last line of the log."""


class Container:
    """Where a job's command runs.

    Args:
        repositories: What it may reach.
        holds: Whether a token holds.
    """

    def __init__(self, repositories: Repositories, holds: Callable[[str], bool]) -> None:
        self.repositories = repositories
        self.holds = holds

    def train(self, spec: Mapping[str, Any]) -> None:
        """Do what the command says, with the published script up to the training itself.

        Raises:
            ScriptFailed: If something is not as the script needs it.
        """
        token = self._token(spec)
        dataset, paths, revision = self._fetched(spec)
        if not self.holds(token):
            raise ScriptFailed("401 Client Error: the token of the job does not hold")
        try:
            _, snapshot = self.repositories.repo("dataset", dataset).at(revision)
        except ApiError as error:
            raise ScriptFailed(f"404 Client Error: {error}") from error
        absent = [path for path in paths if path not in snapshot]
        if absent:
            raise ScriptFailed(f"404 Client Error: no file {absent[0]} in {dataset}")
        script = loaded({Path(path).name: snapshot[path].content for path in paths})
        try:
            recipe = script.Recipe.from_json(spec["environment"]["AUTOML_BENCH_RECIPE"])
        except (KeyError, ValueError, TypeError) as error:
            raise ScriptFailed(f"{type(error).__name__}: {error}") from error
        if (recipe.dataset, recipe.dataset_revision) != (dataset, revision):
            raise ScriptFailed("the recipe names another dataset than the command")
        if recipe.base_model not in KNOWN_MODELS and ("model", recipe.base_model) not in self.repositories.all:
            raise ScriptFailed(f"OSError: {recipe.base_model} is not a model identifier listed on the Hub")
        if recipe.gpu == spec["flavor"].startswith("cpu-"):
            raise ScriptFailed("the recipe and the hardware disagree about a GPU")
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            for each, blob in snapshot.items():
                if any(fnmatch(each, pattern) for pattern in script.TASK.files):
                    (root / each).parent.mkdir(exist_ok=True)
                    (root / each).write_bytes(blob.content)
            try:
                labels, halves = script.read_folder(root)
                model = of_texts if script.TASK.unit == "texts" else of_images
                files = model(recipe, halves["train"])
            except (ValueError, OSError) as error:
                raise ScriptFailed(f"{type(error).__name__}: {error}") from error
        self._push(recipe, labels, files, halves)

    def _token(self, spec: Mapping[str, Any]) -> str:
        token = str(spec.get("secrets", {}).get("HF_TOKEN", ""))
        clear = json.dumps([spec["command"], spec["arguments"], spec["environment"], spec.get("labels")])
        if not token or token in clear:
            raise ScriptFailed("the token is not given as a secret, or not only as one")
        return token

    def _fetched(self, spec: Mapping[str, Any]) -> tuple[str, list[str], str]:
        """Return repository, paths and commit of what the command fetches: the script that it runs, and its imports."""
        if not UV_IMAGES.fullmatch(spec.get("dockerImage", "")):
            raise ScriptFailed("bash: uvx: command not found")
        command = [*spec["command"], *spec["arguments"]]
        if len(command) != 3 or command[:2] != ["bash", "-c"] or "&&" not in command[2]:
            raise ScriptFailed(f"the command is {command}")
        fetch, run = (shlex.split(part) for part in command[2].split("&&", 1))
        tool, requirement = fetch[:3], fetch[2:3]
        if tool[:2] != ["uvx", "--from"] or not requirement or not requirement[0].startswith("huggingface_hub"):
            raise ScriptFailed(f"uvx: {fetch}")
        if fetch[3:5] != ["hf", "download"] or len(fetch) < 13:
            raise ScriptFailed(f"hf: {fetch[3:]}")
        dataset, paths, options = fetch[5], fetch[6:-6], dict(zip(fetch[-6::2], fetch[-5::2], strict=True))
        if len({Path(path).parent for path in paths}) != 1:
            raise ScriptFailed(f"what a script imports lies beside it: {paths}")
        if options.keys() != {"--repo-type", "--revision", "--local-dir"} or options["--repo-type"] != "dataset":
            raise ScriptFailed(f"hf download: {options}")
        if run != ["uv", "run", f"{options['--local-dir']}/{paths[0]}"]:
            raise ScriptFailed(f"uv: {run}")
        return dataset, paths, options["--revision"]

    def _push(self, recipe: Any, labels: list[str], made: Mapping[str, Any], halves: dict[str, Any]) -> None:
        names = {"id2label": {str(number): label for number, label in enumerate(labels)}}
        report = {
            "training_seconds": 1234.5,
            "best_epoch": 1,
            "validation_accuracy": 0.5 if halves["validation"] else None,
            "validation_loss": 1.0 if halves["validation"] else None,
            "device": "stand-in",
            "torch": "0",
            "transformers": "0",
        }
        files = {
            **made,
            "config.json": json.dumps({**made["config.json"], **names}).encode(),
            "training.json": json.dumps(report).encode(),
        }
        try:
            self.repositories.put("model", recipe.model, files)
        except ApiError as error:
            raise ScriptFailed(f"404 Client Error: {error}") from error


def of_images(recipe: Any, examples: Sequence[Any]) -> dict[str, Any]:
    """Return the files of a model of images."""
    vectors = [hub_learning.pixels(example.path.read_bytes()) for example in examples]
    return {
        "config.json": {"architectures": ["ViTForImageClassification"]},
        "preprocessor_config.json": b'{"image_processor_type": "ViTImageProcessor"}',
        "model.safetensors": hub_learning.save(vectors, [example.label for example in examples]),
    }


def of_texts(recipe: Any, examples: Sequence[Any]) -> dict[str, Any]:
    """Return the files of a model of texts."""
    texts = [" ".join(hub_learning.tokens(example.text)[: recipe.max_tokens - 2]) for example in examples]
    about = {"problem_type": "single_label_classification", "max_position_embeddings": POSITIONS}
    return {
        "config.json": {"architectures": ["BertForSequenceClassification"], **about},
        "tokenizer_config.json": json.dumps({"model_max_length": recipe.max_tokens}).encode(),
        "model.safetensors": hub_learning.save_texts(texts, [example.label for example in examples]),
    }


def loaded(contents: Mapping[str, bytes]) -> types.ModuleType:
    """Return a script as a module, after reading its header as `uv` would.

    Args:
        contents: The script, and beside it what it imports, by file name.

    Raises:
        ScriptFailed: If it is no script with inline requirements, or imports what does not lie beside it.
    """
    (name, content), *beside = contents.items()
    text = content.decode()
    found = HEADER.search(text)
    if not found:
        raise ScriptFailed("uv: the script has no header with its requirements")
    header = tomllib.loads("".join(line[2:] if line[1:2] == " " else line[1:] for line in found[1].splitlines(True)))
    if not {"requires-python", "dependencies"} <= header.keys():
        raise ScriptFailed(f"uv: the header is {header}")
    for each, inner in beside:
        if each == "fine_tuning.py":  # the other one is imported only where an image is decoded
            _executed("fine_tuning", inner.decode())
    try:
        return _executed(f"committed_{Path(name).stem}", text)
    except ModuleNotFoundError as error:
        raise ScriptFailed(f"ModuleNotFoundError: {error}") from error
    finally:
        sys.modules.pop("fine_tuning", None)


def _executed(name: str, text: str) -> types.ModuleType:
    module = types.ModuleType(name)
    sys.modules[name] = module  # its dataclasses look themselves up
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module
