"""The exported folder as users take it: podman builds the image, and its service answers the README's lines."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from automl_bench_local.model import load_model
from automl_bench_local.service_folder import write_service
from containers import LIMITS, Podman
from local_trial import wait_until
from small_services import settings_of, trained

from automl_bench.contract import TrainingSet

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.timeout(600),  # pip installs SciPy and scikit-learn into the images
    pytest.mark.skipif(shutil.which("podman") is None, reason="needs podman and runc"),
]
OF_TRAINING = ("pandas", "matplotlib", "pyarrow", "typer", "onnx", "skimage")


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    engine = Podman(tmp_path_factory.mktemp("podman"))
    engine.import_base()
    yield engine
    engine.remove_all()


@pytest.mark.parametrize("modality", ["image", "text", "tabular"])
def test_the_image_builds_and_answers_the_readmes_lines_as_the_model_does(
    modality: str, podman: Podman, tmp_path: Path, squares: Callable[[int], TrainingSet]
) -> None:
    folder = tmp_path / "service"
    write_service(folder, settings_of(trained(tmp_path, modality, squares(5))))
    image = f"localhost/automl-bench-{modality}"
    podman.build(image, folder)
    absent = f"import importlib.util as u; print([m for m in {OF_TRAINING} if u.find_spec(m)])"
    assert podman("run", "--rm", *LIMITS, "--entrypoint", "python", image, "-c", absent).strip() == "[]"

    lines = re.findall(r"^(?:curl|echo) .+$", (folder / "README.md").read_text(), re.MULTILINE)
    assert len(lines) == 4
    words = ["run", "--rm", "--network", "host", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", *LIMITS]
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*podman.words, *words, image, "--host", "0.0.0.0", "--port", "0"], stdout=out, stderr=out
        )
    try:
        wait_until(lambda: "Ctrl-C ends it" in log.read_text() or process.poll() is not None, within=120)
        found = re.search(r"on http://0\.0\.0\.0:(\d+)", log.read_text())
        assert found, log.read_text()
        one, batch, health, counts = (_shell(line.replace(":8000", f":{found[1]}"), folder) for line in lines)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()

    model = load_model(folder / "model", graph_folder=tmp_path, threads=1)
    picture = folder / "example.png"
    content = picture.read_bytes() if picture.exists() else _example(lines[0], modality)
    answer = model.predict(content)
    told = json.loads(one)
    assert (told["label"], told["scores"]) == (answer.label, pytest.approx(answer.scores))
    assert json.loads(batch) == [told] * len(json.loads(batch)) != []
    assert json.loads(health)["modality"] == modality
    assert 'automl_bench_requests_total{path="/predict",status="200"} 2.0' in counts
    assert json.dumps(told["label"]) in (folder / "README.md").read_text()


def _shell(line: str, folder: Path) -> str:
    ended = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, f"{line}\n{ended.stderr}"
    return ended.stdout


def _example(line: str, modality: str) -> bytes:
    sample = re.search(r"-d '(.+)'$", line)
    assert sample
    return sample[1].encode() if modality == "tabular" else json.loads(sample[1])["text"].encode()
