"""A third party's package, built and installed into a fresh environment, works without a change to the core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from small_workspace import make_workspace, write_experiment

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (ROOT, ROOT / "plugins" / "automl-bench-local", ROOT / "tests" / "third_party" / "automl-bench-majority")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the three wheels and install them into a fresh environment; return its automl-bench.

    The other dependencies come from this environment through a path file, so that nothing is downloaded twice. An
    editable installation there is hidden by the wheels, which come first on the path.
    """
    folder = tmp_path_factory.mktemp("fresh")
    wheels = folder / "wheels"
    for package in PACKAGES:
        _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(package))
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    site = _run(str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    Path(site, "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    _run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", *map(str, wheels.glob("*.whl")))
    return folder / "venv" / "bin" / "automl-bench"


def _run(*command: str, cwd: Path | None = None, workspace: Path | None = None) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if workspace is not None:
        environment["AUTOML_BENCH_WORKSPACE"] = str(workspace)
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout


@pytest.mark.slow  # builds three wheels and makes an environment with pip: about 25 s, once for the module
@pytest.mark.timeout(240)
def test_the_plugin_is_found_run_and_compared_with_local(installed: Path, tmp_path: Path) -> None:
    make_workspace(tmp_path)
    listed = json.loads(_run(str(installed), "providers", "list", "--json", workspace=tmp_path))
    status = {row["name"]: (row["status"], row["package"]) for row in listed}
    assert status["majority"] == ("ok", "automl-bench-majority 1.0")
    assert status["local"][0] == "ok"
    experiment = write_experiment(
        tmp_path,
        """
        datasets = ["tiny"]
        providers = ["majority", "local:logistic-pixels"]
        shots = [5]
        [parallel]
        enabled = false
        """,
    )
    answer = json.loads(_run(str(installed), "run", str(experiment), "--json", workspace=tmp_path))
    accuracy = {row["provider"]: row["accuracy"] for row in answer["results"]}
    assert accuracy["majority"] == pytest.approx(1 / 3)
    assert accuracy["local"] > accuracy["majority"]
    assert answer["tally"]["left"] == []
    shown = _run(str(installed), "results", workspace=tmp_path)
    assert "majority" in shown
    assert "local" in shown


def test_the_wheel_brings_the_configuration_files(installed: Path) -> None:
    python = installed.parent / "python"
    code = (
        "from automl_bench.settings.workspace import Workspace, packaged_configs; from pathlib import Path;"
        "print(packaged_configs()); print(sorted(Workspace(Path('/nowhere')).config_files('experiments')))"
    )
    folder, experiments = _run(str(python), "-c", code).splitlines()
    assert "site-packages" in folder
    assert "demo" in experiments
