"""The emulated tier, first part: from upload to teardown, and what a provider owes at each step."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter

import pytest

from automl_bench.contract import (
    NAME_PREFIX,
    Capability,
    Deletion,
    ManifestEntry,
    Resource,
    Stage,
)
from automl_bench.errors import ExitCode
from automl_bench.store.records import LedgerState
from automl_bench.testing.bench import Bench
from automl_bench.testing.checks import Tier, check
from automl_bench.testing.crash import CrashAt
from automl_bench.testing.toy_data import TEST_PER_CLASS

DELETION_SECONDS = 60.0


class CycleChecks:
    """Checks E01 to E09."""

    @check("E01", Tier.EMULATED, Capability.UPLOAD)
    def test_e01_upload_keeps_every_sample_and_label_once(self, bench: Bench) -> None:
        """The service holds each sample of both halves once, under its own label; so too after a second upload."""
        with bench.trial() as trial:
            trial.build(Stage.UPLOAD)
            wanted = Counter(
                item.label for item in (*trial.material.training_set.train, *trial.material.training_set.validation)
            )
            for words in ("after the upload", "after the same upload again"):
                held = list(bench.service.training_samples())
                twice = [name for name, count in Counter(name for name, _ in held).items() if count > 1]
                assert not twice, f"{words} the service holds {len(twice)} samples twice, for example {twice[0]!r}"
                assert Counter(label for _, label in held) == wanted, (
                    f"{words} the service holds other samples or labels"
                )
                bench.bound.provider.upload(trial.context(Stage.UPLOAD), trial.material.training_set)

    @check("E02", Tier.EMULATED, Capability.UPLOAD, Capability.INVOKE)
    def test_e02_a_whole_run_measures_every_sample_and_leaves_nothing(self, bench: Bench) -> None:
        """`automl-bench run` ends with 0, every test sample answered, and nothing left at the service."""
        ended = bench.run("--json")
        assert ended.returncode == ExitCode.OK, ended.stderr
        (row,) = bench.results(ended)
        assert row["failed"] == 0, f"{row['failed']} predictions failed"
        assert row["test_samples"] % TEST_PER_CLASS == 0
        assert list(bench.service.resources()) == [], "left after teardown"
        assert bench.open_lines() == []

    @check("E03", Tier.EMULATED, Capability.TRAIN)
    def test_e03_another_process_goes_on_with_nothing_but_the_token(self, bench: Bench) -> None:
        """Killed right after a token was stored, the plugin's own files deleted: the same command finishes the work."""
        struck = 0
        for number in (1, 2):
            root = bench.twin(f"token-{number}")
            before = list(bench.service.creations())
            killed = bench.run(crash=CrashAt(number, "after", only="save_operation"), root=root)
            struck += killed.returncode == -9
            if not bench.description.on_this_machine:
                shutil.rmtree(root / ".automl-bench" / bench.wishes.provider, ignore_errors=True)
            ended = bench.run(root=root)
            assert ended.returncode == ExitCode.OK, f"token {number}: {ended.stderr}"
            assert bench.duplicates(before) == [], f"token {number}: made twice"
        assert list(bench.service.resources()) == []

    @check("E04", Tier.EMULATED, Capability.UPLOAD)
    def test_e04_nothing_exists_without_its_ledger_line(self, bench: Bench) -> None:
        """With everything built, what the service holds and what the ledger says are the same, under our names."""
        with bench.trial() as trial:
            trial.bring_up()
            lines = trial.around.store.ledger(open_only=True)
            assert all(line.state is LedgerState.CREATED for line in lines)
            odd = [line.name for line in lines if not line.name.replace("_", "-").startswith(NAME_PREFIX)]
            assert not odd, f"names without the prefix {NAME_PREFIX!r}: {odd}"
            lacking = [line.name for line in lines if trial.record.trial_id not in line.name]
            assert not lacking, f"names without the trial's id: {lacking}"
            if Capability.LIST_RESOURCES in bench.description.capabilities:
                listed = {(item.kind, item.name) for item in _listed(bench)}
                known = {(line.kind, line.name) for line in lines}
                assert listed <= known, f"exists without a ledger line: {sorted(listed - known)}"
                assert known <= listed, f"list_resources does not show {sorted(known - listed)}"
            assert len(bench.service.resources()) <= len(lines), (
                f"the service holds {sorted(bench.service.resources())} and the ledger only {len(lines)} lines"
            )

    @check("E05", Tier.EMULATED, Capability.LIST_RESOURCES, Capability.UPLOAD)
    def test_e05_deleting_twice_is_already_gone(self, bench: Bench) -> None:
        """`delete_resource` of what is gone answers ALREADY_GONE and raises nothing."""
        with bench.trial() as trial:
            trial.bring_up()
            lines = trial.around.store.ledger(open_only=True)
            assert lines, "nothing was created"
            for line in reversed(lines):
                resource = Resource(line.kind, line.name, line.resource_id, line.hourly_usd, line.details)
                _delete(bench, resource)
                again = bench.bound.provider.delete_resource(bench.provider_context, resource)
                assert again is Deletion.ALREADY_GONE, (
                    f"{line.kind} {line.name}: the second deletion says {again.value}"
                )
            assert list(bench.service.resources()) == []

    @check("E06", Tier.EMULATED, Capability.LIST_RESOURCES, Capability.UPLOAD)
    def test_e06_only_ours_is_listed_and_deleted(self, bench: Bench) -> None:
        """A stranger's resource is neither listed under our prefix nor deleted as an orphan."""
        stranger = bench.service.stranger()
        with bench.trial() as trial:
            trial.build(Stage.UPLOAD)
            names = [item.name for item in _listed(bench)]
            assert names, "list_resources shows nothing right after an upload"
            assert stranger not in names, f"list_resources shows a stranger's {stranger!r}"
            odd = [name for name in names if not name.replace("_", "-").startswith(NAME_PREFIX)]
            assert not odd, f"listed without our prefix: {odd}"
            other = bench.bound.provider.list_resources(bench.provider_context, f"{NAME_PREFIX}-ffffffffffff")
            assert list(other) == [], f"the prefix is not respected: {[item.name for item in other]}"
        if stranger is not None:
            cleared = bench.command("teardown", "--orphans", "--yes", bench.wishes.provider)
            assert cleared.returncode == ExitCode.OK, cleared.stderr
            assert stranger in bench.service.strangers(), f"teardown --orphans deleted a stranger's {stranger!r}"

    @check("E07", Tier.EMULATED, Capability.UPLOAD)
    def test_e07_hooks_begin_work_and_never_sleep(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """The host waits; `time.sleep` in a hook (or in its SDK's retries) would hold everything else up."""
        slept: list[float] = []
        real, here = time.sleep, threading.current_thread()

        def sleep(seconds: float) -> None:
            if threading.current_thread() is here and seconds > 0:
                slept.append(seconds)
            real(seconds)

        with bench.trial() as trial:
            monkeypatch.setattr(time, "sleep", sleep)
            trial.bring_up()
            monkeypatch.setattr(time, "sleep", real)
        assert not slept, f"a hook slept {len(slept)} times, {sum(slept):.2f} s together"

    @check("E08", Tier.EMULATED, Capability.EXPORT_MANIFEST)
    def test_e08_the_manifest_lists_each_sample_without_label_or_request(self, bench: Bench) -> None:
        """`export_manifest` gives one row a sample, leaves the label to the host, and asks the service nothing."""
        with bench.trial() as trial:
            training_set = trial.material.training_set
            entries = [
                *(ManifestEntry(item.sample, "train") for item in training_set.train),
                *(ManifestEntry(item.sample, "validation") for item in training_set.validation),
                *(ManifestEntry(sample, "test") for sample, _ in trial.material.test),
            ]
            before = len(bench.service.requests())
            manifest = bench.bound.provider.export_manifest(bench.provider_context, training_set.dataset, entries)
            assert len(bench.service.requests()) == before, "export_manifest sent a request"
            assert len(manifest.rows) == len(entries), f"{len(manifest.rows)} rows for {len(entries)} samples"
            assert manifest.label_at, "label_at is empty: the host cannot fill the labels in"
            assert manifest.file_format in ("csv", "jsonl")

    @check("E09", Tier.EMULATED, Capability.ADOPT_ENDPOINT, Capability.UPLOAD)
    def test_e09_an_adopted_endpoint_is_used_and_never_deleted(self, bench: Bench) -> None:
        """`invoke --endpoint ID` from a workspace that knows nothing of it measures, and leaves it in place."""
        with bench.trial() as trial:
            trial.bring_up()
            endpoint = trial.endpoint().endpoint_id
            before = sorted(bench.service.resources())
            root = bench.twin("adopting")
            ended = bench.command(
                "invoke",
                f"{bench.wishes.provider}:{bench.variant}",
                trial.record.dataset,
                str(bench.shots),
                "--endpoint",
                endpoint,
                root=root,
            )
            assert ended.returncode == ExitCode.OK, ended.stderr
            cleared = bench.command("teardown", "--all", root=root)
            assert cleared.returncode == ExitCode.OK, cleared.stderr
            assert sorted(bench.service.resources()) == before, "an adopted endpoint was touched"


def _listed(bench: Bench) -> list[Resource]:
    """List what is ours, once the service's own lists have had the time to catch up that the plugin asks for."""
    time.sleep(max(0.0, bench.description.settle_seconds))  # S09 judges the number
    return list(bench.bound.provider.list_resources(bench.provider_context, NAME_PREFIX))


def _delete(bench: Bench, resource: Resource) -> None:
    until = time.monotonic() + DELETION_SECONDS
    while bench.bound.provider.delete_resource(bench.provider_context, resource) is Deletion.PENDING:
        assert time.monotonic() < until, f"{resource.kind} {resource.name} does not go away"
        time.sleep(0.1)
