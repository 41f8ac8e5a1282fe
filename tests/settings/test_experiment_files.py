"""An experiment file says what it means; what it gets wrong is named with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl_bench.errors import SettingsError
from automl_bench.settings.experiment_files import read_experiment
from automl_bench.settings.workspace import packaged_configs

GOOD = 'name = "x"\ndatasets = ["d"]\nproviders = ["p"]\nshots = [5, "all"]\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_short_file_has_sane_defaults(tmp_path: Path) -> None:
    experiment = read_experiment(write(tmp_path, GOOD))
    assert experiment.shots == (5, None)
    assert (experiment.folds, experiment.repeats, experiment.seed) == (1, 1, 0)
    assert experiment.parallel.enabled
    assert (experiment.parallel.settings.calls, experiment.parallel.settings.concurrency) == (1000, 10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'name' is missing"),
        (GOOD + "fold = 3", "'fold' is not a setting.*Did you mean 'folds'"),
        (GOOD + "[parallel]\ncall = 3", "'parallel.call' is not a setting.*Did you mean 'calls'"),
        (GOOD + "folds = 0", "'folds': input should be greater than or equal to 1, not 0"),
        (GOOD + 'folds = "3"', "'folds': input should be a valid integer, not '3'"),
        (GOOD + "seed = -1", "'seed'.*not -1"),
        (GOOD.replace('"all"', '"many"'), "'shots.1"),
        (GOOD.replace("5,", "-1,"), "'shots.0"),
        (GOOD.replace('["d"]', "[]"), "'datasets'"),
        (GOOD.replace('["d"]', '["d", "d"]'), "'datasets': d is listed twice"),
        (GOOD.replace('"x"', '"../x"'), "'name'"),
        (GOOD + '[images]\nformat = "gif"', "'images.format'"),
        (GOOD + "[images]\nquality = 101", "'images.quality'"),
        (GOOD + '[parallel]\nloop = "round"', "'parallel.loop'"),
        (GOOD + "shots = [1]\nfolds = 2\n", "not valid TOML.*line 5"),
        ("name = \nfolds = 1\n", "not valid TOML.*line 1"),
    ],
)
def test_a_wrong_file_is_named_with_the_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=rf"x\.toml.*{words}") as caught:
        read_experiment(write(tmp_path, text))
    assert caught.value.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no file"):
        read_experiment(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "path", sorted((packaged_configs() / "experiments").glob("*.toml")), ids=lambda path: path.stem
)
def test_every_experiment_that_comes_along_is_valid(path: Path) -> None:
    assert read_experiment(path).name == path.stem
