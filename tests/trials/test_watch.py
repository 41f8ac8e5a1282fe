"""`watch`: one look a call at a service that may change, told apart from one that cannot be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_workspace import command, command_environment, install_toy, make_workspace, write_experiment

from automl_bench.cli.main import run
from automl_bench.errors import ExitCode
from automl_bench.measurement.accuracy_pass import PassSettings
from automl_bench.trials import looking

Looked = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Looked:
    """Return a function that sets the service's state, looks once, and returns the exit code and the JSON."""
    make_workspace(tmp_path, test=100)
    monkeypatch.syspath_prepend(install_toy(tmp_path, "asked", "watched_service"))
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("WATCHED_SERVICE", str(tmp_path / "state.json"))
    monkeypatch.setattr(looking, "SETTINGS", PassSettings(warm_up=0, cold=False, max_attempts=1))
    file = write_experiment(tmp_path, 'datasets = ["tiny"]\nproviders = ["asked"]\nshots = [0]\n')

    def look(
        *options: str, share_wrong: float = 0.1, model: str = "m-1", fault: str = ""
    ) -> tuple[int, dict[str, Any]]:
        (tmp_path / "state.json").write_text(json.dumps({"share_wrong": share_wrong, "model": model, "fault": fault}))
        (tmp_path / "calls").write_text("")
        capfd.readouterr()
        code = run(["watch", str(file), "--json", "--wait", "0", *options])
        printed, told = capfd.readouterr()
        print(told)
        return code, json.loads(printed) if printed else {}

    return look


def found(looked: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    (row,) = looked[1]["found"]
    return dict(row)


def test_a_change_is_told_from_no_answer_and_from_no_change(watch: Looked, tmp_path: Path) -> None:
    first = watch()
    assert first[0] == ExitCode.OK
    assert found(first)["finding"] == "reference"
    assert found(first)["power"] == pytest.approx(0.88, abs=0.02), "5 points by 300 probes"
    same = watch()
    assert same[0] == ExitCode.OK
    assert (found(same)["finding"], found(same)["compared"], found(same)["worsened"]) == ("no_change_found", 300, 0)
    assert found(same)["usd"] == pytest.approx(0.3)
    for fault in ("login", "network"):
        silent = watch(fault=fault, share_wrong=0.9)
        assert silent[0] == ExitCode.NOT_LOOKED
        assert found(silent)["finding"] == "could_not_look"
        assert len((tmp_path / "calls").read_text().splitlines()) <= looking.IN_VAIN + 1, "it gave up soon"
    worse = watch(share_wrong=0.17)
    assert worse[0] == ExitCode.PROVIDER_CHANGED
    assert (found(worse)["finding"], found(worse)["number"], found(worse)["reference"]) == ("changed", 5, 1)
    assert found(worse)["improved"] == 0
    assert watch("--new-reference", share_wrong=0.17)[0] == ExitCode.OK
    again = found(watch(share_wrong=0.17))
    assert (again["finding"], again["reference"], again["worsened"]) == ("no_change_found", 6, 0)


def test_another_served_model_is_a_change_though_every_answer_is_the_same(watch: Looked) -> None:
    watch()
    code, told = watch(model="m-2")
    assert code == ExitCode.PROVIDER_CHANGED
    assert "m-2 answers now, and m-1 did in the reference" in told["found"][0]["reason"]


def test_the_probes_are_drawn_once_and_asked_alike_from_then_on(watch: Looked, tmp_path: Path) -> None:
    watch("--probes", "40")
    first = (tmp_path / "calls").read_text().splitlines()
    watch("--probes", "200")
    assert sorted((tmp_path / "calls").read_text().splitlines()) == sorted(first)
    assert len(set(first)) == 40


def test_a_trained_model_is_watched_while_it_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    make_workspace(tmp_path)
    site = install_toy(tmp_path)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("TOY_CLOUD", str(tmp_path / "cloud"))
    text = 'datasets = ["tiny"]\nproviders = ["toy"]\nshots = [5]\n[parallel]\nenabled = false\n'
    file = str(write_experiment(tmp_path, text))
    assert run(["watch", file]) == ExitCode.NO_RESULTS
    run(["run", file, "--keep"])
    assert [run(["watch", file]), run(["watch", file])] == [ExitCode.OK, ExitCode.OK]
    assert "no change found: of 12 probes" in capfd.readouterr().out
    assert run(["teardown", "--all"]) == ExitCode.OK
    ended = command("watch", file, environment=command_environment(tmp_path, site), cwd=tmp_path)
    assert ended.returncode == ExitCode.NO_RESULTS
    assert "it has no deploy that is done" in ended.stderr


def test_plan_warns_of_what_the_provider_says_of_a_variant(
    watch: Looked, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", str(tmp_path / "small.toml"), "--json"]) == ExitCode.OK
    told = json.loads(capfd.readouterr().out)["warnings"]
    assert any(line.startswith("asked:default: the model of default ends on 2026-12-24.") for line in told)
    assert not any("\x1b" in line for line in told)
