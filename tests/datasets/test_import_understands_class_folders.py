"""Class-per-folder trees in all their forms."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_bench.datasets.importing import ImportOptions, import_dataset
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.manifest import Manifest, read_manifest
from automl_bench.datasets.provenance import read_card
from automl_bench.errors import DatasetError, UsageError

Tree = Callable[..., Path]


def imported(path: Path, data: Path, name: str = "ds", **options: object) -> Manifest:
    return import_dataset(name, path, data, ImportOptions(**options)).manifest  # type: ignore[arg-type]


def sizes(manifest: Manifest) -> dict[str, tuple[int, int]]:
    counts = manifest.counts()
    return {label: (counts["train"][label], counts["test"][label]) for label in manifest.labels}


def test_tree_without_split_gets_a_stratified_test_fifth(make_tree: Tree, tmp_path: Path) -> None:
    manifest = imported(make_tree({"cat": 10, "dog": 25}), tmp_path / "data")
    assert sizes(manifest) == {"cat": (8, 2), "dog": (20, 5)}
    card = read_card(manifest.folder)
    assert card is not None
    assert (card.seed, card.test_share) == (0, 0.2)
    for row in manifest.table.to_pylist():
        content = (manifest.folder / row["path"]).read_bytes()
        assert len(content) == row["bytes"]
        assert row["path"].split("/")[:2] == [row["split"], row["label"]]
        assert (row["width"], row["height"], row["media_type"]) == (12, 10, "image/png")


def test_another_seed_draws_another_test_split(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"cat": 30})
    first, again, other = (imported(tree, tmp_path / "data", f"d{n}", seed=s) for n, s in enumerate((0, 0, 1)))
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != other.fingerprint


def test_given_split_is_kept_and_validation_joins_train(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"Train/a": 3, "Train/b": 3, "Valid/a": 2, "test/a": 1, "test/b": 2})
    manifest = imported(tree, tmp_path / "data")
    assert sizes(manifest) == {"a": (5, 1), "b": (3, 2)}
    assert any("validation split (2 samples) was pooled" in note for note in manifest.card.notes)
    assert manifest.card.seed is None


def test_train_and_validation_without_test_are_pooled_and_split(make_tree: Tree, tmp_path: Path) -> None:
    manifest = imported(make_tree({"train/a": 8, "val/a": 2}), tmp_path / "data")
    assert sizes(manifest) == {"a": (8, 2)}
    assert any("no test split" in note for note in manifest.card.notes)


def test_validation_folder_may_be_named_as_the_test_split(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"train/a": 4, "validation/a": 2})
    assert sizes(imported(tree, tmp_path / "data", hints=LayoutHints(test_split="validation"))) == {"a": (4, 2)}


def test_class_called_train_is_a_class(make_tree: Tree, tmp_path: Path) -> None:
    manifest = imported(make_tree({"train": 5, "bus": 5, "car": 5}), tmp_path / "data")
    assert manifest.labels == ("bus", "car", "train")


def test_folders_called_train_and_test_are_classes_only_if_the_user_says_so(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"train": 5, "test": 5})
    assert "--layout outer-folders" in refused(tree, tmp_path).remedy
    hints = LayoutHints(layout="outer-folders")
    assert imported(tree, tmp_path / "data", hints=hints).labels == ("test", "train")


def test_wrapper_folders_are_skipped_and_images_in_subfolders_belong_to_the_class(
    make_tree: Tree, tmp_path: Path
) -> None:
    manifest = imported(make_tree({"wrap/inner/cat/2024": 5, "wrap/inner/dog": 5}), tmp_path / "data")
    assert sizes(manifest) == {"cat": (4, 1), "dog": (4, 1)}


def test_same_file_names_in_subfolders_do_not_overwrite_each_other(
    tmp_path: Path, make_image: Callable[..., bytes]
) -> None:
    for number, name in enumerate(("a/1/x.png", "a/2/x.png", "a/3/X.PNG", "a/4/x.png", "b/x.png")):
        path = tmp_path / "t" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(make_image(number))
    manifest = imported(tmp_path / "t", tmp_path / "data", hints=LayoutHints(layout="outer-folders"))
    assert sizes(manifest) == {"a": (3, 1), "b": (1, 0)}
    paths = manifest.table["path"].to_pylist()
    assert len({path.rsplit("/", 1)[1].lower() for path in paths if "/a/" in path}) == 4
    assert all((manifest.folder / path).is_file() for path in paths)


def test_other_and_hidden_files_are_left_out_and_said(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"a": 5, "__MACOSX": 2})
    (tree / "a" / "notes.txt").write_text("x")
    (tree / "a" / ".DS_Store").write_text("x")
    manifest = imported(tree, tmp_path / "data")
    assert manifest.labels == ("a",)
    assert any("Left out 1 file that is no image ('a' 1), for example a/notes.txt" in n for n in manifest.card.notes)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_result_does_not_depend_on_the_order_of_directories(
    make_tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    tree = make_tree({"cat": 12, "dog": 9, "Dog": 4})
    expected = imported(tree, tmp_path / "one")
    real = os.scandir

    class Shuffled:
        def __init__(self, path: str) -> None:
            with real(path) as entries:
                shuffled = list(entries)
            random.Random(order).shuffle(shuffled)
            self.entries = iter(shuffled)

        def __enter__(self) -> Shuffled:
            return self

        def __iter__(self) -> Shuffled:
            return self

        def __next__(self) -> os.DirEntry[str]:
            return next(self.entries)

        def close(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            pass

    with monkeypatch.context() as patch:
        patch.setattr("automl_bench.datasets.class_trees.os.scandir", Shuffled)
        shuffled = imported(tree, tmp_path / "two")
    assert shuffled.table.equals(expected.table)
    assert shuffled.fingerprint == expected.fingerprint


def test_fingerprint_does_not_depend_on_file_names_or_wrapping(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"cat": 10, "dog": 10})
    other = tmp_path / "other" / "deep"
    for path in tree.rglob("*.png"):
        target = other / path.parent.name / "z" / f"renamed-{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert imported(other.parent, tmp_path / "b").fingerprint == imported(tree, tmp_path / "a").fingerprint


def test_exported_dataset_folder_comes_back_the_same(make_tree: Tree, tmp_path: Path) -> None:
    first = imported(make_tree({"Cat": 6, "cat": 6, "a%b": 5}), tmp_path / "data")
    again = imported(first.folder, tmp_path / "elsewhere")
    assert again.fingerprint == first.fingerprint
    assert again.labels == ("Cat", "a%b", "cat")


def test_names_with_unicode_spaces_and_case_keep_their_exact_label(make_tree: Tree, tmp_path: Path) -> None:
    manifest = imported(make_tree({"Cat": 5, "cat": 5, "Röntgen Bild": 5, "日本": 5, "v1.0": 5}), tmp_path / "data")
    assert manifest.labels == ("Cat", "Röntgen Bild", "cat", "v1.0", "日本")
    folders = {path.name for path in (manifest.folder / "train").iterdir()}
    assert folders == {"Cat", "cat~2", "Röntgen Bild", "日本", "v1.0"}


def test_one_class_of_one_image_has_no_test_split_and_says_so(make_tree: Tree, tmp_path: Path) -> None:
    result = import_dataset("one", make_tree({"only": 1}), tmp_path / "data")
    assert sizes(result.manifest) == {"only": (1, 0)}
    assert any("no test samples: 'only'" in warning for warning in result.warnings)


def test_leak_in_a_given_split_is_kept_and_said(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"train/a": 3, "test/a": 2})
    shutil.copy(next((tree / "train/a").iterdir()), tree / "test/a/copy.png")
    result = import_dataset("leaky", tree, tmp_path / "data")
    assert result.manifest.table.num_rows == 6
    assert any("1 image stands in both train and test" in warning for warning in result.warnings)


def test_import_copies_unless_told_to_link(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"a": 4})
    original = next((tree / "a").iterdir())
    imported(tree, tmp_path / "data", "linked", link=True)
    assert original.stat().st_nlink == 2
    imported(tree, tmp_path / "data", "copied")
    assert original.stat().st_nlink == 2


def test_images_reached_through_a_link_are_copied(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"a": 4})
    (tree / "b").mkdir()
    for path in list((tree / "a").iterdir()):
        (tree / "b" / f"l-{path.name}").symlink_to(path)
        path.write_bytes(path.read_bytes() + b"tail")
    manifest = imported(tree, tmp_path / "data", link=True)
    assert not any((manifest.folder / path).is_symlink() for path in manifest.table["path"].to_pylist())


def test_large_files_are_hashed_and_copied_whole(
    tmp_path: Path, make_image: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    monkeypatch.setattr("automl_bench.datasets.intake._IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("automl_bench.datasets.intake._STEP_BYTES", 700)
    (tmp_path / "t" / "a").mkdir(parents=True)
    contents = {make_image(number, "BMP", (40, 30)) for number in range(3)}
    for number, content in enumerate(contents):
        (tmp_path / "t" / "a" / f"{number}.bmp").write_bytes(content)
    manifest = imported(tmp_path / "t", tmp_path / "data")
    assert set(manifest.table["sample_id"].to_pylist()) == {hashlib.sha256(content).hexdigest() for content in contents}
    assert {(manifest.folder / path).read_bytes() for path in manifest.table["path"].to_pylist()} == contents


def test_several_processes_give_the_same_dataset_as_one(
    make_tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_bench.datasets.intake._MANY_FILES", 10)
    tree = make_tree({"a": 150, "b": 90})
    alone = imported(tree, tmp_path / "one")
    together = imported(tree, tmp_path / "two", processes=2)
    assert together.table.equals(alone.table)


def test_import_does_not_load_pandas(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"a": 4, "b": 3})
    script = (
        "import sys; from pathlib import Path; from automl_bench.datasets.importing import import_dataset;"
        "import_dataset('ds', Path(sys.argv[1]), Path(sys.argv[2])); print('pandas' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tree), str(tmp_path / "data")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n"


def test_bad_file_in_a_worker_process_is_named(
    make_tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_bench.datasets.intake._MANY_FILES", 10)
    tree = make_tree({"a": 150})
    (tree / "a" / "bad.png").write_text("no image")
    with pytest.raises(DatasetError, match=r"a/bad\.png is no image"):
        imported(tree, tmp_path / "data", processes=2)


# --- what is refused -------------------------------------------------------------------------------------


def refused(path: Path, tmp_path: Path, **options: object) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        imported(path, tmp_path / "data", **options)
    assert caught.value.remedy
    assert list((tmp_path / "data").glob("*")) == [], "something was left behind"
    return caught.value


def test_missing_folder(tmp_path: Path) -> None:
    assert "nowhere does not exist" in refused(tmp_path / "nowhere", tmp_path).message


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no class folders" in refused(tmp_path / "empty", tmp_path).message


def test_empty_class(make_tree: Tree, tmp_path: Path) -> None:
    assert "class 'b'" in refused(make_tree({"a": 3, "b": 0}), tmp_path).message


def test_test_split_alone(make_tree: Tree, tmp_path: Path) -> None:
    tree = make_tree({"test/a": 3})
    assert "nothing to train on" in refused(tree, tmp_path).message


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty (0 bytes)"), (b"not found", "is no image that can be read")]
)
def test_file_that_is_no_image(make_tree: Tree, tmp_path: Path, content: bytes, message: str) -> None:
    tree = make_tree({"a": 3})
    (tree / "a" / "bad.jpg").write_bytes(content)
    error = refused(tree, tmp_path)
    assert f"a/bad.jpg {message}" in error.message
    assert "--skip-bad" in error.remedy
    result = import_dataset("ds", tree, tmp_path / "data", ImportOptions(skip_bad=True))
    assert result.manifest.table.num_rows == 3
    assert any("Left out 1 " in warning for warning in result.warnings)


def test_nothing_but_bad_files(tmp_path: Path) -> None:
    (tmp_path / "t" / "a").mkdir(parents=True)
    (tmp_path / "t" / "a" / "x.png").write_bytes(b"")
    assert "no readable image" in refused(tmp_path / "t", tmp_path, skip_bad=True).message


def test_file_of_unknown_kind(tmp_path: Path) -> None:
    (tmp_path / "x.docx").write_bytes(b"PK")
    assert "no layout that is understood" in refused(tmp_path / "x.docx", tmp_path).message


def test_class_folder_with_a_line_break(make_tree: Tree, tmp_path: Path) -> None:
    assert "control character" in refused(make_tree({"a\nb": 2}), tmp_path).message


def test_class_folder_that_is_not_utf8(tmp_path: Path, make_image: Callable[..., bytes]) -> None:
    folder = os.fsencode(tmp_path / "t") + b"/\xff\xfe"
    os.makedirs(folder)
    with open(folder + b"/x.png", "wb") as file:
        file.write(make_image(1))
    assert "not valid UTF-8" in refused(tmp_path / "t", tmp_path).message


@pytest.mark.parametrize("name", ["", "a b", "../x", "x/y", ".hidden", "ä", "-x", "a" * 90])
def test_names_that_are_no_names(make_tree: Tree, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a dataset's name"):
        imported(make_tree({"a": 2}), tmp_path / "data", name)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_shares_that_are_no_shares(make_tree: Tree, tmp_path: Path, share: float) -> None:
    with pytest.raises(UsageError, match="not between 0 and 1"):
        imported(make_tree({"a": 2}), tmp_path / "data", test_share=share)


def test_manifest_is_read_back(make_tree: Tree, tmp_path: Path) -> None:
    manifest = imported(make_tree({"a": 5}), tmp_path / "data")
    assert read_manifest(tmp_path / "data" / "ds").table.equals(manifest.table)
