"""The command line: list, show, fetch, import, check."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_bench.cli.main import run
from automl_bench.errors import ExitCode
from automl_bench.settings.workspace import Workspace

Tree = Callable[..., Path]


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(root))
    monkeypatch.setenv("COLUMNS", "200")
    return root


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command and return exit code, stdout and stderr; a traceback fails the test."""

    def go(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return go


Command = Callable[..., tuple[int, str, str]]


def test_import_show_list_check_of_own_images(command: Command, make_tree: Tree, workspace: Path) -> None:
    tree = make_tree({"cat": 10, "dog": 15})
    code, out, _ = command("data", "import", "pics", tree, "--licence", "CC0-1.0", "--title", "My pictures")
    assert code == 0
    assert "pics: 2 classes, 20 train + 5 test samples (class folders)" in " ".join(out.split())
    code, out, _ = command("data", "show", "pics", "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["counts"] == {"cat": {"train": 8, "test": 2}, "dog": {"train": 12, "test": 3}}
    assert (shown["licence"], shown["title"], shown["source"]) == ("CC0-1.0", "My pictures", str(tree))
    assert len(shown["fingerprint"]) == 64
    code, out, _ = command("data", "show", "pics")
    assert "CC0-1.0" in out
    assert shown["fingerprint"] in out
    code, out, _ = command("data", "list", "--json")
    listed = {row["name"]: row for row in json.loads(out)["datasets"]}
    assert (listed["pics"]["in_workspace"], listed["pics"]["train"]) == (True, 20)
    assert (listed["beans"]["in_workspace"], listed["beans"]["train"]) == (False, 1167)
    code, out, _ = command("data", "list")
    assert code == 0
    assert "pics" in out
    assert "xrays" in out
    code, out, _ = command("data", "check", "pics", "--shots", "5,8")
    assert code == 0


def test_import_as_json_is_one_document(command: Command, make_tree: Tree) -> None:
    code, out, _ = command("data", "import", "p", make_tree({"train/a": 3, "val/a": 1, "test/a": 1}), "--json")
    values = json.loads(out)
    assert code == 0
    assert (values["train"], values["test"], values["layout"]) == (4, 1, "class folders with splits")
    assert any("pooled" in note for note in values["notes"])


def test_leak_ends_with_exit_code_4_after_the_report(command: Command, make_tree: Tree) -> None:
    tree = make_tree({"train/a": 3, "test/a": 2})
    shutil.copy(tree / "train/a/image2.png", tree / "test/a/copy.png")
    code, _, err = command("data", "import", "leaky", tree)
    assert code == 0
    assert "1 image stands in both train and test" in " ".join(err.split())
    code, out, err = command("data", "check", "leaky", "--json")
    assert code == ExitCode.DATASET
    report = json.loads(out)
    assert report["leak"] is True
    assert report["findings"][0]["items"] == [["test/a/copy.png", "train/a/image2.png"]]
    code, out, err = command("data", "check", "leaky")
    assert code == ExitCode.DATASET
    assert "leak" in out
    assert "both train and test" in err


def test_too_few_images_for_the_shots_end_with_exit_code_4(command: Command, make_tree: Tree) -> None:
    command("data", "import", "small", make_tree({"a": 5, "b": 5}))
    code, _, err = command("data", "check", "small", "--shots", "80")
    assert code == ExitCode.DATASET
    assert "fewer than the 80 training images" in " ".join(err.split())


def test_catalogue_name_gives_its_licence_to_an_import_by_hand(command: Command, make_tree: Tree) -> None:
    tree = make_tree({"seg_train/seg_train/sea": 3, "seg_test/seg_test/sea": 2, "seg_pred/seg_pred": 2})
    code, out, _ = command("data", "import", "intel", tree, "--json")
    assert code == 0
    assert (json.loads(out)["train"], json.loads(out)["test"]) == (3, 2)
    _, out, _ = command("data", "show", "intel", "--json")
    assert json.loads(out)["licence"] == "unclear"


def test_show_of_a_dataset_not_here_says_where_to_get_it(command: Command) -> None:
    code, out, _ = command("data", "show", "pets")
    assert code == 0
    assert "CC-BY-SA-4.0" in out
    assert "thor.robots.ox.ac.uk" in out
    assert "automl-bench data fetch pets" in out


def test_fetch_from_a_mirror_given_in_the_environment(
    command: Command,
    make_image: Callable[..., bytes],
    file_server: object,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(10):
            archive.writestr(f"x/a/{number}.png", make_image(number))
    (workspace / "configs" / "datasets").mkdir(parents=True)
    (workspace / "configs" / "datasets" / "own.toml").write_text(
        'title = "Own"\nlicence = "MIT"\nlayout = "folders"\nclasses = 1\ntrain = 9\ntest = 1\n'
        '[[sources]]\nurl = "https://example.invalid/files/own%20pack.zip"\n'
    )
    file_server.files["m/own/own%20pack.zip"] = buffer.getvalue()  # type: ignore[attr-defined]
    monkeypatch.setenv("AUTOML_BENCH_MIRROR", f"{file_server.address}/m")  # type: ignore[attr-defined]
    code, out, err = command("data", "fetch", "own")
    assert code == 0, err
    assert "8 train + 2 test" in " ".join(out.split())
    assert "The catalogue says 9 train, but 8 are here." in " ".join(err.split())
    assert sorted(path.name for path in (workspace / "data").iterdir()) == ["own"]


@pytest.fixture
def catalogue(workspace: Path, make_image: Callable[..., bytes], file_server: object) -> Callable[[str], None]:
    """Add an entry to the user's catalogue whose archive the file server holds."""
    import io
    import zipfile

    def add(name: str) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for number in range(10):
                archive.writestr(f"x/a/{number}.png", make_image(number))
        folder = workspace / "configs" / "datasets"
        folder.mkdir(parents=True, exist_ok=True)
        url = f"{file_server.address}/{name}.zip"  # type: ignore[attr-defined]
        text = f'title = "{name}"\nlicence = "MIT"\nlayout = "folders"\n[[sources]]\nurl = "{url}"\n'
        (folder / f"{name}.toml").write_text(text)
        file_server.files[f"{name}.zip"] = buffer.getvalue()  # type: ignore[attr-defined]

    return add


def test_several_are_fetched_and_one_that_fails_does_not_stop_the_others(
    command: Command, catalogue: Callable[[str], None], file_server: object, workspace: Path
) -> None:
    for name in ("one", "two", "three"):
        catalogue(name)
    del file_server.files["two.zip"]  # type: ignore[attr-defined]
    code, out, err = command("data", "fetch", "one", "two", "three", "one")
    assert code == ExitCode.DATASET
    assert "1 of 3 datasets could not be fetched: two." in " ".join(err.split())
    assert "404" in err
    assert "--mirror" in err
    assert out.count("8 train + 2 test") == 2
    catalogue("two")
    code, out, err = command("data", "fetch", "one", "two", "three", "--json")
    assert code == 0
    shown = json.loads(out)
    assert [one["name"] for one in shown["fetched"]] == ["two"]
    assert shown["here_already"] == ["one", "three"]
    assert sorted(path.name for path in (workspace / "data").iterdir()) == ["one", "three", "two"]


def test_all_fetches_what_can_be_fetched(
    command: Command, catalogue: Callable[[str], None], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        catalogue(name)
    files = {path.stem: path for path in (workspace / "configs" / "datasets").glob("*.toml")}
    files["given"] = workspace / "configs" / "datasets" / "given.toml"
    files["given"].write_text('title = "Given"\nlicence = "MIT"\nimport_only = "It is not public."\n')
    files["elsewhere"] = workspace / "configs" / "datasets" / "elsewhere.toml"
    files["elsewhere"].write_text('title = "E"\nlicence = "MIT"\nprovided_by = "a-plugin-that-is-not-here"\n')
    monkeypatch.setattr(Workspace, "config_files", lambda self, kind: files)
    monkeypatch.setattr("automl_bench.providers.host.dataset_sources", lambda registry=None: ())
    code, out, err = command("data", "fetch", "--all", "--json")
    assert code == 0, err
    assert [one["name"] for one in json.loads(out)["fetched"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("fetch", "bean"), ExitCode.USAGE, "no dataset 'bean' in the catalogue"),
        (("show", "bean"), ExitCode.USAGE, "Did you mean 'beans'?"),
        (("check", "nothere"), ExitCode.DATASET, "no dataset 'nothere'"),
        (("fetch", "clothing"), ExitCode.DATASET, "source could not be identified"),
        (("import", "x", "/nowhere"), ExitCode.DATASET, "/nowhere does not exist"),
        (("import", "a b", "/tmp"), ExitCode.USAGE, "cannot be a dataset's name"),
        (("import", "x", "/nowhere", "--test-share", "2"), ExitCode.USAGE, "not between 0 and 1"),
        (("check", "beans", "--shots", "five"), ExitCode.USAGE, "no list of shots"),
        (("check", "beans", "--shots", "0"), ExitCode.USAGE, "number below 1"),
        (("fetch", "beans", "--from", "/nowhere"), ExitCode.DATASET, "/nowhere does not exist"),
        (("fetch", "beans", "--mirror", "/mnt"), ExitCode.USAGE, "no web address"),
        (("fetch", "beans", "bean"), ExitCode.USAGE, "no dataset 'bean' in the catalogue"),
        (("fetch",), ExitCode.USAGE, "no dataset is named"),
        (("fetch", "beans", "--all"), ExitCode.USAGE, "either which datasets to fetch, or --all"),
        (("fetch", "beans", "pets", "--from", "/tmp"), ExitCode.USAGE, "--from is for one dataset"),
        (("import", "x", "hf://mnist"), ExitCode.USAGE, "no dataset address of the hub"),
    ],
)
def test_wrong_commands_end_with_one_sentence_and_their_code(
    command: Command, arguments: tuple[str, ...], code: ExitCode, message: str
) -> None:
    got, _, err = command("data", *arguments)
    assert (got, message in " ".join(err.split())) == (code, True), err


def test_unknown_key_in_the_users_catalogue_is_named(command: Command, workspace: Path) -> None:
    (workspace / "configs" / "datasets").mkdir(parents=True)
    path = workspace / "configs" / "datasets" / "own.toml"
    path.write_text('title = "Own"\nlicence = "MIT"\nimport_only = "x."\ncolour = 1\n')
    code, _, err = command("data", "list")
    assert code == ExitCode.SETTINGS
    assert f"{path}, line 4: unknown key 'colour'" in err.replace("\n", "")


def test_workspace_that_cannot_be_written_is_named(
    command: Command, make_tree: Tree, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = make_tree({"a": 3})
    workspace.chmod(stat.S_IRUSR | stat.S_IXUSR)
    if os.geteuid() == 0:  # root may write anywhere: refuse as the kernel would

        def refuse(*args: object, **options: object) -> None:
            raise PermissionError(13, "Permission denied", str(workspace / "data"))

        monkeypatch.setattr("automl_bench.datasets.placing.Path.mkdir", refuse)
    code, _, err = command("data", "import", "x", tree)
    workspace.chmod(0o755)
    assert code == ExitCode.SETTINGS
    assert "Permission denied" in err
    assert "Check the permissions" in " ".join(err.split())
