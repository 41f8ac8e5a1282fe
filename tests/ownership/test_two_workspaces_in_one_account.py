"""Two colleagues with the same experiment in one account: nothing of the one is adopted or deleted by the other."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from automl_bench.errors import ExitCode
from automl_bench.settings.workspace import Workspace
from automl_bench.simulation.cloud import SimulatedCloud
from automl_bench.store import open_store
from tests.ownership.conftest import Colleague


def test_the_same_trial_of_two_workspaces_is_two_of_everything(anna: Colleague, ben: Colleague) -> None:
    anna.deploy()
    ben.deploy()
    cloud = anna.cloud
    assert len(cloud.things()) == 6
    assert len(cloud.of(anna.workspace_id)) == len(cloud.of(ben.workspace_id)) == 3
    ended = ben("teardown", "--all")
    assert ended.code == ExitCode.OK, ended.stderr
    assert len(cloud.of(anna.workspace_id)) == 3
    assert cloud.of(ben.workspace_id) == []


def test_orphans_are_this_workspaces_own_and_the_others_are_only_counted(anna: Colleague, ben: Colleague) -> None:
    anna.deploy()
    ben("upload", "simulated:quick", "tiny", "5")
    (ben.root / "results" / "automl-bench.sqlite").unlink()
    ended = ben("teardown", "--orphans", "--yes", "simulated")
    assert ended.code == ExitCode.OK, ended.stderr
    assert "deleted 1 of 1 resource" in ended.stdout
    assert len(anna.cloud.things()) == 3, "the colleague's are untouched"
    assert f"3 resources of workspace {anna.workspace_id} (" in ended.stderr
    assert "$18000.00 an hour" in ended.stderr
    assert f"add --workspace {anna.workspace_id} to list and delete them" in ended.stderr


def test_a_dead_workspace_is_cleaned_up_by_its_id_and_listed_with_owner_age_and_price(
    anna: Colleague, ben: Colleague
) -> None:
    anna.deploy()
    shutil.rmtree(anna.root / "results")
    dead = anna.cloud.things()[0].name.split("-")[2]
    asked = ben("teardown", "--orphans", "--workspace", dead, "simulated")
    assert asked.code == ExitCode.USAGE, "without a terminal it cannot ask"
    assert "Add --yes" in asked.stderr
    (line,) = [line for line in asked.stderr.splitlines() if "endpoint automl-bench" in line]
    assert f"workspace {dead} (" in line
    assert " on " in line
    assert "min old" in line
    assert "$18000.00 an hour" in line
    assert len(anna.cloud.things()) == 3
    ended = ben("teardown", "--orphans", "--workspace", dead, "--yes", "simulated")
    assert ended.code == ExitCode.OK, ended.stderr
    assert anna.cloud.things() == []


def test_names_of_old_versions_have_an_unknown_owner_and_need_everyone(ben: Colleague) -> None:
    cloud: SimulatedCloud = ben.cloud.cloud
    cloud.create("endpoint", "automl-bench-abcdef012345-endpoint", "quick")
    ended = ben("teardown", "--orphans", "--yes", "simulated")
    assert ended.code == ExitCode.OK, ended.stderr
    assert "one resource of an unknown owner left alone" in ended.stderr
    assert "add --everyone to list and delete them" in ended.stderr
    assert len(ben.cloud.things()) == 1
    cleared = ben("teardown", "--orphans", "--everyone", "--yes", "simulated")
    assert cleared.code == ExitCode.OK, cleared.stderr
    assert "unknown owner" in cleared.stderr
    assert ben.cloud.things() == []


def make_old(colleague: Colleague) -> None:
    """Turn a workspace and what it made into those of a version without workspace ids."""
    prefix = f"automl-bench-{colleague.workspace_id}-"
    path = colleague.root / "results" / "automl-bench.sqlite"
    for file, table in ((path, "ledger"), (colleague.cloud.path, "things")):
        with sqlite3.connect(file) as connection:
            connection.execute(f"UPDATE {table} SET name = replace(name, ?, 'automl-bench-')", (prefix,))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE ledger SET scope = '{}'")
        connection.execute("DELETE FROM workspace")
    with sqlite3.connect(colleague.cloud.path) as connection:
        connection.execute("UPDATE things SET details = json_remove(details, '$.tags')")
    (colleague.root / "results" / "workspace.json").unlink()


def test_a_trial_begun_before_workspaces_had_ids_goes_on_under_its_old_names(anna: Colleague) -> None:
    for verb in ("upload", "train"):
        anna(verb, "simulated:quick", "tiny", "5")
    make_old(anna)
    ended = anna("deploy", "simulated:quick", "tiny", "5")
    assert ended.code == ExitCode.OK, ended.stderr
    names = [thing.name for thing in anna.cloud.things()]
    assert len(names) == 3, "nothing was made twice"
    assert all(len(name.split("-")[2]) == 12 for name in names), names
    assert anna("teardown", "--all").code == ExitCode.OK
    assert anna.cloud.things() == []


def test_old_names_in_this_workspaces_own_ledger_are_ours(anna: Colleague) -> None:
    anna("upload", "simulated:quick", "tiny", "5")
    make_old(anna)
    with sqlite3.connect(anna.root / "results" / "automl-bench.sqlite") as connection:
        connection.execute("UPDATE ledger SET state = 'deleted'")  # an old version took a stale list at its word
    ended = anna("teardown", "--orphans", "--yes", "simulated")
    assert ended.code == ExitCode.OK, ended.stderr
    assert anna.cloud.things() == [], "its line was closed, and it is there"


def test_a_copied_workspace_is_another_one_and_leaves_what_exists_to_the_original(
    anna: Colleague, tmp_path: Path
) -> None:
    anna.deploy()
    original = anna.workspace_id
    copy = tmp_path / "copy"
    shutil.copytree(anna.root, copy)
    there, anna.root = anna.root, copy
    ended = anna("teardown", "--all")
    assert ended.code == ExitCode.OK, ended.stderr
    assert f"this workspace is a copy of workspace {original}" in ended.stderr
    assert "3 resources that existed when it was copied are left to the original" in ended.stderr
    assert len(anna.cloud.things()) == 3
    assert anna.workspace_id != original
    anna.deploy()
    assert len(anna.cloud.things()) == 6, "the copy makes its own and adopts nothing"
    assert anna("teardown", "--all").code == ExitCode.OK
    assert len(anna.cloud.of(original)) == 3
    anna.root = there
    assert anna.workspace_id == original
    assert anna("teardown", "--all").code == ExitCode.OK
    assert anna.cloud.things() == []


def test_a_moved_workspace_stays_the_same(anna: Colleague, tmp_path: Path) -> None:
    anna.deploy()
    before = anna.workspace_id
    anna.root = anna.root.rename(tmp_path / "moved")
    ended = anna("teardown", "--all")
    assert ended.code == ExitCode.OK, ended.stderr
    assert "copy" not in ended.stderr
    assert anna.workspace_id == before
    assert anna.cloud.things() == []


def test_a_results_file_of_another_workspace_is_refused_and_nothing_is_touched(anna: Colleague, ben: Colleague) -> None:
    anna.deploy()
    ben("upload", "simulated:quick", "tiny", "5")
    shutil.copy(anna.root / "results" / "automl-bench.sqlite", ben.root / "results" / "automl-bench.sqlite")
    ended = ben("teardown", "--all")
    assert ended.code == ExitCode.SETTINGS
    assert f"belongs to workspace {anna.workspace_id}" in ended.stderr
    assert f"this is workspace {ben.workspace_id}" in ended.stderr
    assert len(anna.cloud.things()) == 4


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"workspace": "nobody", "root": "/"}', "\x00"])
def test_a_damaged_marker_is_named_with_its_remedy(anna: Colleague, text: str) -> None:
    anna("upload", "simulated:quick", "tiny", "5")
    before = anna.workspace_id
    marker = Workspace(anna.root).marker
    marker.write_text(text)
    ended = anna("teardown", "--all")
    assert ended.code == ExitCode.SETTINGS
    assert str(marker) in ended.stderr
    assert "Delete it" in ended.stderr
    marker.unlink()
    assert anna("teardown", "--all").code == ExitCode.OK
    assert anna.workspace_id == before, "the results file has it, too"


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (("--workspace", "3fa94c"), "go with --orphans"),
        (("--everyone",), "go with --orphans"),
        (("--orphans", "--workspace", "anna"), "is no id of a workspace"),
        (("--orphans", "--workspace", "3fa94c", "--everyone"), "exclude each other"),
    ],
)
def test_options_that_make_no_sense_are_refused(ben: Colleague, words: tuple[str, ...], fact: str) -> None:
    ended = ben("teardown", *words)
    assert ended.code == ExitCode.USAGE
    assert fact in ended.stderr


def test_listing_and_planning_make_no_marker(ben: Colleague) -> None:
    for words in (("resources",), ("status",), ("providers", "check", "simulated"), ("teardown", "--orphans", "-y")):
        ben(*words)
    assert not (ben.root / "results").exists()


@pytest.mark.parametrize("provider", ["", "simulated"])
def test_everyone_deletes_everything_only_when_told(anna: Colleague, ben: Colleague, provider: str) -> None:
    anna.deploy()
    ended = ben("teardown", "--orphans", "--everyone", "--yes", *([provider] if provider else []))
    assert ended.code == ExitCode.OK, ended.stderr
    assert anna.cloud.things() == []
    with open_store(anna.root / "results" / "automl-bench.sqlite", read_only=True) as store:
        assert len(store.ledger(open_only=True)) == 3
    assert anna("teardown", "--all").code == ExitCode.OK, "what is gone already counts as deleted"
