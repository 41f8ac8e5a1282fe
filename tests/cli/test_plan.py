"""`plan` says what `run` would do, in the same words, asks nobody anything and writes nothing."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_workspace import command, command_environment, install_toy, make_workspace, write_experiment

from automl_bench.errors import ExitCode
from automl_bench.report.plan_fields import (
    PANEL_FIELDS,
    PLAN_FIELDS,
    PROVIDER_FIELDS,
    STATISTICS_FIELDS,
    TOTAL_FIELDS,
    TRIAL_FIELDS,
)

DOCS = Path(__file__).parents[2] / "docs" / "planning.md"
EXPERIMENT = """
datasets = ["tiny"]
providers = ["toy", "toy:other"]
shots = [5, 10]
folds = 2
[parallel]
enabled = false
"""
UNREACHABLE = """
import sys

asked = []


def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen"):
        asked.append((event, str(arguments)))


import pycurl  # libcurl has sockets of its own, which no audit hook sees


def refuse(*_):
    raise AssertionError("a transfer was begun")


pycurl.Curl = pycurl.CurlMulti = refuse
sys.addaudithook(watch)
from automl_bench.cli.main import run

code = run(sys.argv[1:])
if asked:
    sys.exit(f"asked: {asked}")
sys.exit(code)
"""


class Desk:
    """A workspace with the toy cloud."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = make_workspace(root)
        self.environment = command_environment(root, install_toy(root))
        self.cloud = root / "cloud"
        self.cloud.mkdir()

    def faults(self, **faults: object) -> None:
        (self.cloud / "faults.json").write_text(json.dumps(faults))

    def do(self, verb: str, *options: str, experiment: str = EXPERIMENT) -> subprocess.CompletedProcess[str]:
        path = write_experiment(self.root, experiment)
        return command(verb, str(path), *options, environment=self.environment, cwd=self.root)

    def plan(self, *options: str, experiment: str = EXPERIMENT, code: int = ExitCode.OK) -> Any:
        ended = self.do("plan", "--json", *options, experiment=experiment)
        assert ended.returncode == code, ended.stderr
        return json.loads(ended.stdout)

    def files(self) -> dict[str, tuple[int, int]]:
        """Return every file's time and size; SQLite's own working files come and go with any reader."""
        passing = ("-wal", "-shm", ".pyc", "small.toml")
        paths = [path for path in self.root.rglob("*") if path.is_file() and not path.name.endswith(passing)]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_every_field_is_documented_and_in_order(desk: Desk) -> None:
    text = DOCS.read_text(encoding="utf-8")
    for heading, fields in (
        ("Fields of `plan --json`", PLAN_FIELDS),
        ("`trials`", TRIAL_FIELDS),
        ("`providers`", PROVIDER_FIELDS),
        ("`total`", TOTAL_FIELDS),
        ("`statistics`", STATISTICS_FIELDS),
        ("`over_datasets`", PANEL_FIELDS),
    ):
        part = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
        assert re.findall(r"^\| `(\w+)` \| (.+) \|$", part, flags=re.MULTILINE) == list(fields.items()), heading
    answer = desk.plan(experiment=EXPERIMENT.replace('"toy:other"', '"absent"'))
    assert list(answer) == list(PLAN_FIELDS)
    assert all(list(row) == list(TRIAL_FIELDS) for row in answer["trials"])
    assert all(list(row) == list(PROVIDER_FIELDS) for row in answer["providers"])
    assert list(answer["total"]) == list(TOTAL_FIELDS)
    assert all(list(row) == list(STATISTICS_FIELDS) for row in answer["statistics"])


def test_refusals_are_those_of_a_run_word_for_word_and_the_rest_goes_on(desk: Desk) -> None:
    desk.environment["TOY_LEAST"] = "10"
    answer = desk.plan()
    refused = {row["trial_id"]: row["reason"] for row in answer["trials"] if not row["feasible"]}
    assert answer["total"]["refused"] == len(refused) == answer["total"]["ahead"] == 4
    assert set(refused.values()) == {
        "it needs at least 10 samples per class and 'blue' has 5: ask for at least 10 shots."
    }
    shown = desk.do("plan")
    assert shown.returncode == ExitCode.OK
    assert "refused: toy:default, tiny at 5 shots (2 trials): it needs at least 10 samples per class" in shown.stdout

    ran = desk.do("run", "--json")
    assert ran.returncode == ExitCode.OK, ran.stderr
    rows = json.loads(ran.stdout)["results"]
    assert {row["trial_id"]: row["reason"] for row in rows if row["status"] == "infeasible"} == refused
    assert {row["trial_id"] for row in rows if row["status"] == "done"} == {
        row["trial_id"] for row in answer["trials"] if row["feasible"]
    }
    created = (desk.cloud / "created.log").read_text().splitlines()
    assert len(created) == 3 * 4, "nothing was asked of the provider for a refused trial"


def test_too_few_samples_and_impossible_images_are_refused_as_by_a_run(desk: Desk) -> None:
    experiment = EXPERIMENT.replace("[5, 10]", "[5, 50]")
    reasons = {row["shots"]: row["reason"] for row in desk.plan(experiment=experiment)["trials"]}
    rows = json.loads(desk.do("run", "--json", experiment=experiment).stdout)["results"]
    assert {row["shots"]: row["reason"] for row in rows} == reasons
    assert reasons[5] == ""
    assert reasons[50]


def test_if_nothing_can_run_the_exit_code_says_so(desk: Desk) -> None:
    desk.environment["TOY_LEAST"] = "100"
    answer = desk.plan(code=ExitCode.PROVIDER)
    assert answer["total"]["ahead"] == 0
    assert answer["total"]["cost"]["usd"] == 0.0
    ended = desk.do("plan")
    assert ended.returncode == ExitCode.PROVIDER
    assert "none of the trials can run." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_asks_nobody_and_writes_nothing(desk: Desk) -> None:
    assert desk.do("run").returncode == ExitCode.OK
    others = EXPERIMENT.replace('"toy:other"', '"nyckel", "rekognition", "simulated", "local"').replace("[5,", "[2, 5,")
    path = write_experiment(desk.root, others + "[images]\nmin_side = 64\n")
    before = desk.files()
    ended = subprocess.run(
        [sys.executable, "-c", UNREACHABLE, "plan", str(path), "--json"],
        env=desk.environment, cwd=desk.root, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert {row["provider"] for row in json.loads(ended.stdout)["trials"]} == {
        "toy", "nyckel", "rekognition", "simulated", "local"
    }  # fmt: skip
    assert desk.files() == before


def test_dollars_are_what_max_cost_reserves(desk: Desk) -> None:
    answer = desk.plan()
    one = answer["trials"][0]["cost"]
    # 3 s of training at $3600 an hour, 0.1 h of an endpoint at $1.50, 12 × 5 × 2 + 13 calls at $0.001.
    assert one["train"] == {"usd": pytest.approx(3.0), "unknown": []}
    assert one["serve"]["usd"] == pytest.approx(0.15)
    assert one["calls"]["usd"] == pytest.approx(0.133)
    assert one["usd"] == pytest.approx(3.283)
    assert answer["total"]["cost"]["usd"] == pytest.approx(8 * 3.283)
    assert "together at most $26.26" in desk.do("plan").stdout
    refused = desk.do("run", "--max-cost", "3.2")
    assert refused.returncode == ExitCode.BUDGET
    assert "may cost $3.2" in refused.stderr
    assert desk.do("run", "--max-cost", "26.3").returncode == ExitCode.OK


def test_an_unknown_price_is_unknown_in_the_trial_the_total_and_the_words(desk: Desk) -> None:
    desk.faults(price="unknown")
    answer = desk.plan()
    assert answer["trials"][0]["cost"]["train"] == {"usd": None, "unknown": ["train_hour"]}
    assert answer["total"]["cost"]["unknown"] == ["train_hour"]
    shown = desk.do("plan").stdout
    assert "together at least $2.26 + unknown (toy: train_hour)" in shown
    folder = desk.root / "configs" / "providers"
    folder.mkdir(parents=True)
    (folder / "toy.toml").write_text("[budget]\ntrain_hour = 2.0\nnonsense = 1.0\n")
    bounded = desk.plan()
    assert bounded["trials"][0]["cost"]["usd"] == pytest.approx(3.283)
    assert any("'nonsense', which is no item of its price table" in warning for warning in bounded["warnings"])
    assert desk.do("run", "--max-cost", "1000").returncode == ExitCode.OK, "the user's own bound makes it usable"


@pytest.mark.parametrize("value", ['"much"', "-1", "true", "inf"])
def test_a_bound_that_is_no_amount_is_refused(desk: Desk, value: str) -> None:
    folder = desk.root / "configs" / "providers"
    folder.mkdir(parents=True)
    (folder / "toy.toml").write_text(f"[budget]\ntrain_hour = {value}\n")
    ended = desk.do("run")
    assert ended.returncode == ExitCode.SETTINGS
    assert "'budget.train_hour'" in ended.stderr


def test_old_prices_are_warned_of(desk: Desk) -> None:
    answer = desk.plan(experiment=EXPERIMENT.replace('"toy:other"', '"nyckel"'))
    (nyckel,) = [row for row in answer["providers"] if row["name"] == "nyckel"]
    assert nyckel["stale"]
    assert any("nyckel: prices are older than 6 months (the oldest of 2023-" in line for line in answer["warnings"])
    assert {price["as_of"] for price in nyckel["prices"]} == {"2023-05-31", "2023-12-07"}


def test_what_keeps_a_provider_from_being_used_is_said_and_the_others_are_planned(desk: Desk) -> None:
    broken = install_broken(desk.root)
    desk.environment["PYTHONPATH"] = f"{broken}:{desk.environment['PYTHONPATH']}"
    for name in ("NYCKEL_CLIENT_ID", "NYCKEL_CLIENT_SECRET", "AWS_STORAGE_BUCKET_NAME"):
        desk.environment.pop(name, None)
    providers = '"nyckel", "rekognition", "broken", "absent"'
    experiment = EXPERIMENT.replace('"toy:other"', providers) + "[images]\nmin_side = 64\n"
    answer = desk.plan(experiment=experiment)
    problems = {row["name"]: " ".join(row["problems"]) for row in answer["providers"]}
    assert "NYCKEL_CLIENT_ID is not set" in problems["nyckel"]
    assert "needs the setting 'bucket'" in problems["rekognition"]
    assert "cannot be imported" in problems["broken"]
    assert "there is no provider named 'absent'" in problems["absent"]
    assert problems["toy"] == "it needs surely-not-installed, which is not installed: pip install 'automl-bench-toy'"
    by_name: dict[str, set[bool]] = {}
    for row in answer["trials"]:
        by_name.setdefault(row["provider"], set()).add(row["feasible"])
    assert by_name == {
        "toy": {True}, "nyckel": {True}, "rekognition": {True}, "broken": {False}, "absent": {False}
    }  # fmt: skip
    assert all(row["cost"]["unknown"] for row in answer["trials"] if row["provider"] == "rekognition"), "S3's price"
    assert answer["total"]["trials"] == 5 * 4


def install_broken(root: Path) -> Path:
    """Install a plugin whose import fails, and give the toy's package a requirement that is not there."""
    (root / "site" / "automl_bench_toy-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: automl-bench-toy\nVersion: 1.0\nRequires-Dist: surely-not-installed>=2\n"
        'Requires-Dist: only-for-others; sys_platform == "amiga"\n'
    )
    site = root / "broken"
    info = site / "automl_bench_broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: automl-bench-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[automl_bench]\nbroken = broken_plugin\n")
    (site / "broken_plugin.py").write_text("import an_sdk_that_is_not_there\n")
    return site


def test_a_misspelt_variant_is_an_error_as_in_a_run(desk: Desk) -> None:
    ended = desk.do("plan", experiment=EXPERIMENT.replace("toy:other", "toy:otter"))
    assert ended.returncode == ExitCode.USAGE
    assert "Did you mean 'toy:other'?" in ended.stderr


def test_hours_come_from_earlier_trials_only(desk: Desk) -> None:
    answer = desk.plan()
    assert {row["expected_hours"] for row in answer["trials"]} == {None}
    assert answer["total"]["expected_hours"] is None
    assert "hours unknown" in desk.do("plan").stdout
    assert desk.do("run").returncode == ExitCode.OK
    assert {row["standing"] for row in desk.plan()["trials"]} == {"done"}
    third = EXPERIMENT.replace("folds = 2", "folds = 3").replace("[5, 10]", "[5, 7, 10]")
    more = desk.plan(experiment=third)
    assert more["total"]["ahead"] == 2 * 2 + 2 * 3
    fresh = [row for row in more["trials"] if row["fold"] == 2]
    assert all((row["expected_from"], row["expected_hours"] is None) == ((0, True) if row["shots"] == 7 else (2, False))
               for row in fresh)  # fmt: skip
    assert more["total"]["without_experience"] == 6, "7 shots were never run, and nothing is made up for them"
    assert "+ unknown (6 trials like none before)" in desk.do("plan", experiment=third).stdout


def test_failed_trials_stand_apart_until_they_are_to_be_tried_again(desk: Desk) -> None:
    desk.faults(train="fails")
    desk.do("run")
    desk.faults()
    answer = desk.plan()
    assert {row["standing"] for row in answer["trials"]} == {"failed"}
    assert answer["total"]["ahead"] == 0
    assert desk.plan("--retry-failed")["total"]["ahead"] == 8


def test_the_design_says_what_it_can_show(desk: Desk) -> None:
    (row,) = desk.plan()["statistics"]
    assert (row["test_samples"], row["draws"], row["comparisons"]) == (12, 2, 1)
    assert row["variants"] == ["toy:default", "toy:other"]
    assert all(one["difference"] is None for one in row["another_draw"]), "two draws say nothing about another one"
    assert [one["one_draw"] for one in row["detectable"][:3]] == [None] * 3, "12 images show next to nothing"
    assert row["quantiles"]["p99"] == {"needs": 299, "accuracy_pass": False, "load_run": False}
    with_load = desk.plan(experiment=EXPERIMENT.replace("enabled = false", "calls = 300"))
    assert with_load["statistics"][0]["quantiles"]["p99"]["load_run"]
    alone = desk.plan(experiment=EXPERIMENT.replace(', "toy:other"', ""))
    assert alone["statistics"][0]["detectable"] == []


def test_limits_on_working_at_once_are_shown(desk: Desk) -> None:
    answer = desk.plan(experiment=EXPERIMENT.replace('"toy:other"', '"nyckel"'))
    shown = {row["name"]: (row["trials_at_once"], row["requests_per_second"]) for row in answer["providers"]}
    assert shown == {"toy": (16, None), "nyckel": (1, 25.0)}


def test_thousands_of_trials_are_planned_in_seconds(desk: Desk) -> None:
    small = _cpu_seconds(desk, EXPERIMENT)
    # 2 variants × 5 shots × 60 folds × 10 repeats = 6,000 trials.
    large = EXPERIMENT.replace("[5, 10]", "[2, 4, 6, 8, 10]").replace("folds = 2", "folds = 60\nrepeats = 10")
    took = _cpu_seconds(desk, large)
    assert took - small < 6000 * 2e-3, f"{took:.1f} s for 6,000 trials, {small:.1f} s for 8"


def _cpu_seconds(desk: Desk, experiment: str) -> float:
    """Return the processor's time that a plan takes: on a busy machine the clock on the wall says little."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    desk.plan(experiment=experiment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
