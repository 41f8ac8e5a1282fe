"""The container of a job in the stand-in: it reads the command as a shell would, and the script as Python.

It wants the script fetched from a repository that the job's secret may read, then run with `uv`. It takes the script
that was committed, lets the script itself read its recipe and the image folder, and then learns by nearest neighbour
instead of a transformer.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import tempfile
import tomllib
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hub_learning
from hub_repos import Repositories
from hub_wire import ApiError

KNOWN_MODELS = frozenset({"google/vit-base-patch16-224", "google/vit-base-patch16-224-in21k"})
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
        dataset, path, revision = self._fetched(spec)
        if not self.holds(token):
            raise ScriptFailed("401 Client Error: the token of the job does not hold")
        try:
            _, snapshot = self.repositories.repo("dataset", dataset).at(revision)
        except ApiError as error:
            raise ScriptFailed(f"404 Client Error: {error}") from error
        if path not in snapshot:
            raise ScriptFailed(f"404 Client Error: no file {path} in {dataset}")
        script = loaded(snapshot[path].content)
        try:
            recipe = script.Recipe.from_json(spec["environment"][script.RECIPE])
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
                if each.startswith(("train/", "validation/")):
                    (root / each).parent.mkdir(exist_ok=True)
                    (root / each).write_bytes(blob.content)
            try:
                labels, halves = script.read_folder(root)
                vectors = [hub_learning.pixels(example.path.read_bytes()) for example in halves["train"]]
            except (ValueError, OSError) as error:
                raise ScriptFailed(f"{type(error).__name__}: {error}") from error
        numbers = [example.label for example in halves["train"]]
        self._push(recipe, labels, hub_learning.save(vectors, numbers), halves)

    def _token(self, spec: Mapping[str, Any]) -> str:
        token = str(spec.get("secrets", {}).get("HF_TOKEN", ""))
        clear = json.dumps([spec["command"], spec["arguments"], spec["environment"], spec.get("labels")])
        if not token or token in clear:
            raise ScriptFailed("the token is not given as a secret, or not only as one")
        return token

    def _fetched(self, spec: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return repository, path and commit of the script that the command fetches and runs."""
        if not UV_IMAGES.fullmatch(spec.get("dockerImage", "")):
            raise ScriptFailed("bash: uvx: command not found")
        command = [*spec["command"], *spec["arguments"]]
        if len(command) != 3 or command[:2] != ["bash", "-c"] or "&&" not in command[2]:
            raise ScriptFailed(f"the command is {command}")
        fetch, run = (shlex.split(part) for part in command[2].split("&&", 1))
        tool, requirement = fetch[:3], fetch[2:3]
        if tool[:2] != ["uvx", "--from"] or not requirement or not requirement[0].startswith("huggingface_hub"):
            raise ScriptFailed(f"uvx: {fetch}")
        if fetch[3:5] != ["hf", "download"] or len(fetch) != 14:
            raise ScriptFailed(f"hf: {fetch[3:]}")
        dataset, path, decoder, options = *fetch[5:8], dict(zip(fetch[8::2], fetch[9::2], strict=True))
        if Path(decoder) != Path(path).with_name("decoding.py"):
            raise ScriptFailed("ModuleNotFoundError: No module named 'decoding'")
        if options.keys() != {"--repo-type", "--revision", "--local-dir"} or options["--repo-type"] != "dataset":
            raise ScriptFailed(f"hf download: {options}")
        if run != ["uv", "run", f"{options['--local-dir']}/{path}"]:
            raise ScriptFailed(f"uv: {run}")
        return dataset, path, options["--revision"]

    def _push(self, recipe: Any, labels: list[str], weights: bytes, halves: dict[str, Any]) -> None:
        names = {str(number): label for number, label in enumerate(labels)}
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
            "config.json": json.dumps({"architectures": ["ViTForImageClassification"], "id2label": names}).encode(),
            "preprocessor_config.json": b'{"image_processor_type": "ViTImageProcessor"}',
            "model.safetensors": weights,
            "training.json": json.dumps(report).encode(),
        }
        try:
            self.repositories.put("model", recipe.model, files)
        except ApiError as error:
            raise ScriptFailed(f"404 Client Error: {error}") from error


def loaded(content: bytes) -> types.ModuleType:
    """Return a script as a module, after reading its header as `uv` would.

    Raises:
        ScriptFailed: If it is no script with inline requirements.
    """
    text = content.decode()
    found = HEADER.search(text)
    if not found:
        raise ScriptFailed("uv: the script has no header with its requirements")
    header = tomllib.loads("".join(line[2:] if line[1:2] == " " else line[1:] for line in found[1].splitlines(True)))
    if not {"requires-python", "dependencies"} <= header.keys():
        raise ScriptFailed(f"uv: the header is {header}")
    module = types.ModuleType("committed_script")
    sys.modules[module.__name__] = module  # its dataclasses look themselves up
    exec(compile(text, "committed_script.py", "exec"), module.__dict__)
    return module
