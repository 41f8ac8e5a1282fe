"""A job's container for a training that is real: its command, run with an environment of its own that has torch.

`make test-training` makes it. There is no container and no `uv` here: two small programs of these names start what they
were asked for with that environment's Python.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from automl_bench_huggingface.training_jobs import HOME
from hub_fake import HubFake
from hub_jobs import Job
from huggingface_trial import HuggingfaceTrial

from automl_bench.contract import Operation


def training_python() -> Path:
    """Return the Python that has torch; `make test-training` says which one."""
    named = os.environ.get("AUTOML_BENCH_TRAINING_PYTHON")
    assert named, "AUTOML_BENCH_TRAINING_PYTHON is not set: use `make test-training`"
    return Path(named).absolute()


class Container:
    """Runs a job's command with the job's variables and secrets, and little else."""

    def __init__(self, root: Path) -> None:
        self.python = training_python()
        self.tools = root / "tools"
        self.tools.mkdir()
        self.home = root / "home"
        self.home.mkdir()
        self._tool("uvx", f'test "$1" = --from; shift 2; tool=$1; shift; exec "{self.python.parent}/$tool" "$@"')
        self._tool("uv", f'test "$1" = run; shift; exec "{self.python}" "$@"')

    def _tool(self, name: str, script: str) -> None:
        path = self.tools / name
        path.write_text(f"#!/bin/bash\nset -eu\n{script}\n")
        path.chmod(0o755)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "HOME": str(self.home),
            "HF_HOME": str(self.home / "hf"),
            "HF_HUB_DISABLE_XET": "1",  # the stand-in speaks LFS only
            "OMP_NUM_THREADS": "1",  # on a busy machine several wait for each other, for minutes
        }

    def command(self, job: Job) -> list[str]:
        variables = {**self.environment(), **job.spec["environment"], **job.spec["secrets"]}
        shell, option, text = job.spec["command"]
        here = text.replace(HOME, str(self.home / "script"))
        return ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), shell, option, here]


def finished(trial: HuggingfaceTrial, operation: Operation) -> Operation:
    return trial.wait(operation, within=240)


def pushed(hub: HubFake, repo_id: str, folder: Path) -> dict[str, Any]:
    """Write a pushed model into a folder and return its report."""
    folder.mkdir()
    for path, blob in hub.repositories.repo("model", repo_id).head.items():
        (folder / path).write_bytes(blob.content)
    return dict(json.loads((folder / "training.json").read_text()))


def loaded_back(container: Container, loader: str, folder: Path, *arguments: str) -> Any:
    """Run a program that loads a pushed model in a fresh process without any address; return what it prints."""
    ended = subprocess.run(
        [str(container.python), "-c", loader, str(folder), *arguments],
        env={**container.environment(), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])
