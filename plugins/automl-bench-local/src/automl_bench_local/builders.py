"""What builds a venv: uv where it is installed, else the venv and pip that come with Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from automl_bench.contract import Environment

SHOWN_CHARACTERS = 400
"""Of the end of a log, in an error."""

LET_THROUGH = ("PIP_", "UV_", "SSL_CERT_", "REQUESTS_CA_", "CURL_CA_", "DOCKER_", "CONTAINER_", "CONTAINERS_")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
"""Variables that a builder gets beside those of every process of ours: where packages come from, and how."""


class BuildFailed(ValueError):
    """An environment cannot be built; the text is a clause that says why."""


def let_through(around: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that only the building of an environment needs."""
    return {name: value for name, value in around.items() if name.startswith(LET_THROUGH) or name.lower() in PROXIES}


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds venvs.

    Attributes:
        name: "uv" or "pip".
        uv: Path of uv, for the builder of that name.
    """

    name: str
    uv: str = ""

    def build(self, venv: Path, environment: Environment, log: Path) -> None:
        """Make a venv with the packages asked for.

        Args:
            venv: Folder that is not there yet.
            environment: What is asked for.
            log: File that gets all output.

        Raises:
            BuildFailed: If a step fails, with the last lines of the log.
        """
        log.write_text("", encoding="utf-8")
        wheels = ["--only-binary", ":all:"] if environment.wheels_only else []
        if self.uv:
            run_step(
                "uv venv",
                [self.uv, "venv", "--quiet", "--python", environment.python or sys.executable, str(venv)],
                log,
            )
            install = [self.uv, "pip", "install", "--python", str(venv / "bin" / "python")]
        else:
            run_step("python -m venv", [_python(environment.python), "-m", "venv", str(venv)], log)
            install = [
                str(venv / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--no-input",
            ]
        wanted = venv / "requirements.txt"
        wanted.write_text("\n".join([*environment.requirements, ""]), encoding="utf-8")
        run_step(f"{self.name} install", [*install, *wheels, "-r", str(wanted)], log)


def choose_builder(setting: str) -> Builder:
    """Return the builder that the setting `environment_builder` means.

    Raises:
        BuildFailed: If it is uv, and uv is not there.
    """
    uv = shutil.which("uv") if setting != "pip" else None
    if setting == "uv" and uv is None:
        raise BuildFailed('uv is not installed here (install it, or set environment_builder = "pip")')
    return Builder("uv", uv) if uv else Builder("pip")


def _python(version: str) -> str:
    """Return an interpreter of a version: this one if it fits, else `pythonX.Y` of the search path."""
    if not version or _fits(sys.executable, version):
        return sys.executable
    name = "python" + ".".join(version.split(".")[:2])
    for folder in os.get_exec_path():
        path = str(Path(folder) / name)
        if os.access(path, os.X_OK) and _fits(path, version):
            return path
    raise BuildFailed(f"there is no Python {version} on the search path (install it, or install uv, which fetches one)")


def _fits(interpreter: str, version: str) -> bool:
    asked = [interpreter, "-c", "import platform; print(platform.python_version())"]
    try:
        ended = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    found = ended.stdout.strip()
    return ended.returncode == 0 and (found == version or found.startswith(f"{version}."))


def run_step(what: str, command: Sequence[str], log: Path) -> None:
    """Run one command of a build, with its output in the log; `what` names it in an error.

    Raises:
        BuildFailed: If it fails, with the last lines of the log.
    """
    with log.open("ab") as file:
        # in our own process group: who ends the training ends this, too
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        raise BuildFailed(f"`{what}` ended with {ended.returncode}: {last_words(log)}")


def last_words(log: Path) -> str:
    """Return the end of a log as one line, the line breaks as slashes."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    joined = " / ".join(line for line in lines if line) or "it wrote nothing"
    return joined if len(joined) <= SHOWN_CHARACTERS else f"… {joined[-SHOWN_CHARACTERS:]}"
