"""What lies in one region is not looked for, resumed or deleted under the settings of another."""

from __future__ import annotations

import json

from automl_bench.errors import ExitCode
from automl_bench.settings.workspace import Workspace
from automl_bench.store import open_store
from tests.ownership.conftest import Colleague

EXPERIMENT = (
    'name = "x"\ndatasets = ["tiny"]\nproviders = ["simulated:quick"]\nshots = [5]\n[parallel]\nenabled = false\n'
)


def open_lines(colleague: Colleague) -> int:
    with open_store(Workspace(colleague.root).store_path, read_only=True) as store:
        return len(store.ledger(open_only=True))


def test_teardown_under_another_region_deletes_nothing_and_says_so(anna: Colleague) -> None:
    anna.deploy()
    for words in (("teardown", "--all"), ("teardown", "simulated:quick", "tiny", "5")):
        ended = anna(*words, region="elsewhere")
        assert ended.code == ExitCode.RESOURCES_LEFT, ended.stderr
        assert "region (AUTOML_BENCH_SIMULATED_REGION) was 'home' and is now 'elsewhere'" in ended.stderr
        assert ended.stderr.count("  - ") == 3, "each is named"
        assert "Traceback" not in ended.stderr
        assert len(anna.cloud.things()) == open_lines(anna) == 3
    shown = anna("resources", region="elsewhere")
    assert "nothing exists" not in shown.stdout
    ended = anna("teardown", "--all")
    assert ended.code == ExitCode.OK, ended.stderr
    assert anna.cloud.things() == []
    assert open_lines(anna) == 0


def test_nothing_is_resumed_or_made_again_under_another_region(anna: Colleague) -> None:
    anna.deploy()
    (anna.root / "x.toml").write_text(EXPERIMENT)
    for words in (
        ("run", "x.toml"),
        ("invoke", "simulated:quick", "tiny", "5"),
        ("deploy", "simulated:quick", "tiny", "5"),
    ):
        ended = anna(*words, region="elsewhere")
        assert ended.code == ExitCode.RESOURCES_LEFT, ended.stderr
        assert "AUTOML_BENCH_SIMULATED_REGION" in ended.stderr
        assert len(anna.cloud.things()) == open_lines(anna) == 3
    ended = anna("run", "x.toml", "--json")
    assert ended.code == ExitCode.OK, ended.stderr
    assert json.loads(ended.stdout)["tally"]["done"] == 1
    assert anna.cloud.things() == []
    assert len(anna.cloud.cloud.creations()) == 3, "each was paid once"


def test_a_line_without_a_scope_is_of_an_older_version_and_is_still_deleted(anna: Colleague) -> None:
    anna.deploy()
    with open_store(Workspace(anna.root).store_path) as store:
        store._write(lambda connection: connection.execute("UPDATE ledger SET scope = '{}'").rowcount)
    assert anna("teardown", "--all").code == ExitCode.OK
    assert anna.cloud.things() == []
