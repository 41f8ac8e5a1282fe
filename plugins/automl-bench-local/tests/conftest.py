"""What the tests of the local provider share: trials, easy images, and a watch over the process table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from local_trial import LocalTrial, our_processes, training_set_of

from automl_bench.contract import TrainingSet


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the plugin's own processes; more threads than free cores make small fits ten times slower."""
    import scipy.linalg  # noqa: F401 - its library must be loaded to be limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for the provider; at the end nothing may run that belongs to it."""
    folder = tmp_path / "local"
    folder.mkdir()
    yield folder
    left = our_processes(folder)
    for pid in left:
        psutil.Process(pid).kill()
    assert not left, "a test left processes behind"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, squares: Callable[[int], TrainingSet]) -> Path:
    """The folder of a model of the easy images, trained once."""
    each = LocalTrial(tmp_path_factory.mktemp("trained"), "logistic-pixels")
    return Path(str(each.until_trained(squares(5)).result["model"]))


@pytest.fixture
def trial(home: Path) -> Iterator[Callable[..., LocalTrial]]:
    """Make trials; they are torn down at the end."""
    made: list[LocalTrial] = []

    def make(*args: Any, **options: Any) -> LocalTrial:
        made.append(LocalTrial(home, *args, **options))
        return made[-1]

    yield make
    for each in made:
        each.tear_down()


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], TrainingSet]:
    """Easy images: class a is dark, class b is bright; 12 × 12 grey with noise, each one different."""
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("squares")
    draw = np.random.default_rng(7)
    files: dict[str, list[Path]] = {"a": [], "b": []}
    for label, level in (("a", 60), ("b", 190)):
        for number in range(20):
            pixels = np.zeros((12, 12)) + draw.integers(0, 30, (12, 12))
            pixels[2:10, 2:10] += level
            path = folder / f"{label}{number}.png"
            Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(path)
            files[label].append(path)

    def of_shots(shots: int) -> TrainingSet:
        return training_set_of([(path, label) for label in files for path in files[label][:shots]])

    return of_shots


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The kit's crash and Ctrl-C checks run a whole experiment for each ledger write that they strike."""
    for item in items:
        if item.path.name == "test_conformance.py" and item.name.startswith(("test_k0", "test_m04")):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(1800))
