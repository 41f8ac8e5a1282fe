"""Bad input ends with one sentence and its remedy, the right exit code and no traceback."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from small_workspace import command, command_environment, install_toy, make_workspace, write_experiment

from automl_bench.errors import ExitCode

EXPERIMENT = 'datasets = ["tiny"]\nproviders = ["toy"]\nshots = [2]\n[parallel]\nenabled = false\n'


@dataclass(frozen=True)
class Bad:
    """One kind of bad input: how it comes about, what is typed, how it must end."""

    name: str
    arguments: tuple[str, ...]
    code: ExitCode
    words: str
    arrange: Callable[[Path], object] = lambda root: None


def image(path: Path, colour: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), colour).save(path)


def tree(root: Path, **classes: int) -> Path:
    """Write a class-per-folder tree with so many images a class."""
    for number, (label, count) in enumerate(classes.items()):
        (root / "in" / label).mkdir(parents=True)
        for index in range(count):
            image(root / "in" / label / f"{index}.png", 40 * number + index)
    return root / "in"


def damaged(root: Path, content: bytes) -> None:
    tree(root, a=3, b=3)
    (root / "in" / "a" / "bad.png").write_bytes(content)


def slip(root: Path) -> None:
    with zipfile.ZipFile(root / "in.zip", "w") as archive:
        archive.writestr("../../evil.png", b"x")


def csv(root: Path, text: str) -> None:
    image(root / "one.png")
    (root / "in.csv").write_text(text)


def plugin(root: Path, name: str, source: str, *, times: int = 1) -> None:
    module = f"{name}_module"
    for number in range(times):
        info = root / "site" / f"automl_bench_{name}{number}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: automl-bench-{name}{number}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[automl_bench]\n{name} = {module}\n")
    (root / "site" / f"{module}.py").write_text(source)


def results_file(root: Path, content: bytes | None = None, version: int | None = None) -> None:
    path = root / "results" / "automl-bench.sqlite"
    path.parent.mkdir(exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    else:
        command("run", str(write_experiment(root, EXPERIMENT)), environment=_environment(root), cwd=root)
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version = {version}")


def _environment(root: Path) -> dict[str, str]:
    return command_environment(root, root / "site")


RUN = ("run", "small.toml")
MISSPELT = "from automl_bench.hookspecs import hookimpl\n@hookimpl\ndef trian(context):\n    return None\n"

BAD = [
    Bad("no such command", ("runn",), ExitCode.USAGE, "No such command"),
    Bad("no such option", ("run", "--quick", "x.toml"), ExitCode.USAGE, "No such option"),
    Bad("missing argument", ("train", "toy"), ExitCode.USAGE, "Missing argument"),
    Bad("unknown provider", ("train", "tooy", "tiny", "5"), ExitCode.USAGE, "Did you mean 'toy'"),
    Bad("unknown variant", ("train", "toy:othr", "tiny", "5"), ExitCode.USAGE, "Did you mean 'toy:other'"),
    Bad("unknown dataset", ("train", "toy", "tinny", "5"), ExitCode.DATASET, "Did you mean 'tiny'"),
    Bad("dataset not fetched", ("train", "toy", "beans", "5"), ExitCode.DATASET, "data fetch beans"),
    Bad("shots that are no number", ("train", "toy", "tiny", "five"), ExitCode.USAGE, "SHOTS is 'five'"),
    Bad("zero shots", ("train", "toy", "tiny", "0"), ExitCode.USAGE, "needs training samples"),
    Bad("more shots than there are", ("upload", "toy", "tiny", "500"), ExitCode.DATASET, "500"),
    Bad("too few shots for the provider", ("upload", "toy", "tiny", "1"), ExitCode.PROVIDER, "at least 2"),
    Bad("a stage before its time", ("train", "toy", "tiny", "5"), ExitCode.USAGE, "First: automl-bench upload"),
    Bad(
        "an endpoint that is not there",
        ("invoke", "toy", "tiny", "5", "--endpoint", "x"),
        ExitCode.PROVIDER,
        "no endpoint x",
    ),
    Bad(
        "rate and sweep at once",
        ("parallel", "toy", "tiny", "5", "--rate", "1", "--sweep", "1..2"),
        ExitCode.USAGE,
        "exclude",
    ),
    Bad("a sweep that falls", ("parallel", "toy", "tiny", "5", "--sweep", "9..1"), ExitCode.USAGE, "--sweep is '9..1'"),
    Bad(
        "a duration that is none",
        ("parallel", "toy", "tiny", "5", "--rate", "1", "--duration", "soon"),
        ExitCode.USAGE,
        "--duration is 'soon'",
    ),
    Bad("teardown of nothing", ("teardown",), ExitCode.USAGE, "--all or --orphans"),
    Bad("no results yet", ("status",), ExitCode.NO_RESULTS, "no results"),
    Bad("no such experiment", ("run", "nowhere.toml"), ExitCode.SETTINGS, "no experiment 'nowhere.toml'"),
    Bad(
        "experiment with an unknown key",
        RUN,
        ExitCode.SETTINGS,
        "'fold' is not a setting",
        lambda root: write_experiment(root, "fold = 2\n" + EXPERIMENT),
    ),
    Bad(
        "experiment with a wrong type",
        RUN,
        ExitCode.SETTINGS,
        "'folds'",
        lambda root: write_experiment(root, 'folds = "two"\n' + EXPERIMENT),
    ),
    Bad(
        "experiment that is no TOML",
        RUN,
        ExitCode.SETTINGS,
        "not valid TOML",
        lambda root: write_experiment(root, "datasets = [\n"),
    ),
    Bad(
        "experiment with an unknown dataset",
        RUN,
        ExitCode.DATASET,
        "no dataset 'nope'",
        lambda root: write_experiment(root, EXPERIMENT.replace("tiny", "nope")),
    ),
    Bad(
        "experiment with an unknown provider",
        RUN,
        ExitCode.USAGE,
        "no provider named 'nope'",
        lambda root: write_experiment(root, EXPERIMENT.replace("toy", "nope")),
    ),
    Bad("import of a missing folder", ("data", "import", "x", "nowhere"), ExitCode.DATASET, "nowhere"),
    Bad(
        "import of an empty folder",
        ("data", "import", "x", "in"),
        ExitCode.DATASET,
        "in",
        lambda root: (root / "in").mkdir(),
    ),
    Bad(
        "import with an empty class",
        ("data", "import", "x", "in"),
        ExitCode.DATASET,
        "empty",
        lambda root: tree(root, a=3, empty=0),
    ),
    Bad(
        "import of a corrupt image",
        ("data", "import", "x", "in"),
        ExitCode.DATASET,
        "bad.png",
        lambda root: damaged(root, b"no image"),
    ),
    Bad(
        "import of a 0-byte file",
        ("data", "import", "x", "in"),
        ExitCode.DATASET,
        "bad.png",
        lambda root: damaged(root, b""),
    ),
    Bad(
        "import over another dataset",
        ("data", "import", "tiny", "in"),
        ExitCode.DATASET,
        "--replace",
        lambda root: tree(root, a=3, b=3),
    ),
    Bad(
        "a name that is a path",
        ("data", "import", "../x", "in"),
        ExitCode.USAGE,
        "cannot be a dataset's name",
        lambda root: tree(root, a=3, b=3),
    ),
    Bad("zip slip", ("data", "import", "x", "in.zip"), ExitCode.DATASET, "evil.png", slip),
    Bad(
        "archive that is none",
        ("data", "import", "x", "in.zip"),
        ExitCode.DATASET,
        "in.zip",
        lambda root: (root / "in.zip").write_bytes(b"PK nonsense"),
    ),
    Bad(
        "CSV without header",
        ("data", "import", "x", "in.csv"),
        ExitCode.DATASET,
        "header",
        lambda root: csv(root, "one.png,a\n"),
    ),
    Bad(
        "CSV that names a missing file",
        ("data", "import", "x", "in.csv"),
        ExitCode.DATASET,
        "two.png",
        lambda root: csv(root, "path,label\ntwo.png,a\n"),
    ),
    Bad(
        "CSV with a wrong split",
        ("data", "import", "x", "in.csv"),
        ExitCode.DATASET,
        "exam",
        lambda root: csv(root, "path,label,split\none.png,a,exam\n"),
    ),
    Bad(
        "catalogue entry with an unknown key",
        ("data", "list"),
        ExitCode.SETTINGS,
        "mine.toml",
        lambda root: _config(root, "datasets", "mine", 'titel = "x"\n'),
    ),
    Bad("unknown name in the catalogue", ("data", "fetch", "beens"), ExitCode.USAGE, "beans"),
    Bad(
        "provider file with an unknown setting",
        ("train", "toy", "tiny", "5"),
        ExitCode.SETTINGS,
        "no setting 'colour'",
        lambda root: _config(root, "providers", "toy", '[settings]\ncolour = "red"\n'),
    ),
    Bad(
        "provider file that is no TOML",
        ("train", "toy", "tiny", "5"),
        ExitCode.SETTINGS,
        "not valid TOML",
        lambda root: _config(root, "providers", "toy", "[settings\n"),
    ),
    Bad(
        "plugin that fails to import",
        ("train", "bad", "tiny", "5"),
        ExitCode.PLUGIN,
        "cannot be imported",
        lambda root: plugin(root, "bad", "import no_such_sdk\n"),
    ),
    Bad(
        "plugin that raises on import",
        ("train", "bad", "tiny", "5"),
        ExitCode.PLUGIN,
        "fails on import",
        lambda root: plugin(root, "bad", "1 / 0\n"),
    ),
    Bad(
        "plugin with a misspelt hook",
        ("train", "bad", "tiny", "5"),
        ExitCode.PLUGIN,
        "trian",
        lambda root: plugin(root, "bad", MISSPELT),
    ),
    Bad(
        "two plugins of one name",
        ("train", "bad", "tiny", "5"),
        ExitCode.PLUGIN,
        "two packages",
        lambda root: plugin(root, "bad", MISSPELT, times=2),
    ),
    Bad(
        "results that are no database",
        ("status",),
        ExitCode.SETTINGS,
        "automl-bench.sqlite",
        lambda root: results_file(root, b"not a database, but long enough to look at" * 99),
    ),
    Bad(
        "results of a newer version",
        ("status",),
        ExitCode.SETTINGS,
        "Update automl-bench",
        lambda root: results_file(root, version=999),
    ),
    Bad(
        "a file where the results folder should be",
        RUN,
        ExitCode.SETTINGS,
        "results",
        lambda root: (write_experiment(root, EXPERIMENT), (root / "results").write_text("")),
    ),
    Bad(
        "a dataset whose file is gone",
        RUN,
        ExitCode.PROVIDER,
        "tiny",
        lambda root: (
            write_experiment(root, EXPERIMENT + "[images]\nmin_side = 16\n"),
            shutil.rmtree(root / "data" / "tiny" / "test"),
        ),
    ),
    Bad(
        "imported results without header",
        ("results", "import", "in.csv"),
        ExitCode.USAGE,
        "in.csv",
        lambda root: (root / "in.csv").write_text("a,b\n1,2\n"),
    ),
    Bad("verification without ablations", ("ablate", "tiny", "--verify"), ExitCode.DATASET, "automl-bench ablate tiny"),
]


def _config(root: Path, kind: str, name: str, text: str) -> None:
    folder = root / "configs" / kind
    folder.mkdir(parents=True)
    (folder / f"{name}.toml").write_text(text)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template")
    make_workspace(root)
    install_toy(root)
    return root


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name.replace(" ", "-"))
def test_bad_input_is_one_sentence_with_a_remedy(bad: Bad, template: Path, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(template, root)
    bad.arrange(root)
    ended = command(*bad.arguments, environment=_environment(root), cwd=root)
    assert ended.returncode == bad.code, ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr + ended.stdout
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ended.stderr
    assert bad.words in ended.stderr, ended.stderr
    assert len(re.findall(r"[.:!?…)'\"](?= |$)", errors[0])) >= 1
    assert not (root / "data" / "x").exists(), "nothing is left half-written"


def test_there_are_at_least_thirty_kinds() -> None:
    assert len({bad.name for bad in BAD}) >= 30


def test_a_bug_leaves_its_traceback_in_a_file(template: Path, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(template, root)
    environment = {**_environment(root), "TOY_CLOUD": str(root / "cloud")}
    os.mkfifo(root / "data" / "tiny" / "classes.fifo")
    (root / "data" / "tiny" / "manifest.csv").write_text("sample_id\n")
    ended = command("ablate", "tiny", environment=environment, cwd=root)
    assert ended.returncode != ExitCode.OK
    assert "Traceback" not in ended.stderr
