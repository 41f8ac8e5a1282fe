"""The emulated tier, third part: whatever fails, nothing goes on costing."""

from __future__ import annotations

import signal

from automl_bench.contract import Capability
from automl_bench.errors import ExitCode
from automl_bench.simulation.loopback_service import Fault, Target
from automl_bench.testing.bench import Bench
from automl_bench.testing.checks import Tier, check
from automl_bench.testing.crash import CrashAt


class MoneyChecks:
    """Checks M01 to M06."""

    @check("M01", Tier.EMULATED, Capability.TRAIN)
    def test_m01_a_training_that_fails_costs_nothing_afterwards(self, bench: Bench) -> None:
        """A failed training is a failed trial with the provider's reason; only what was paid once stays."""
        self._fails(bench, Fault.TRAINING_FAILS, Target.CONTROL)

    @check("M02", Tier.EMULATED, Capability.DEPLOY)
    def test_m02_a_deployment_that_fails_costs_nothing_afterwards(self, bench: Bench) -> None:
        """A failed deployment is a failed trial with the provider's reason; only what was paid once stays."""
        self._fails(bench, Fault.DEPLOYMENT_FAILS, Target.CONTROL)

    @check("M03", Tier.EMULATED, Capability.INVOKE)
    def test_m03_predictions_that_are_refused_cost_nothing_afterwards(self, bench: Bench) -> None:
        """A used-up allowance or an unpaid plan at the first prediction ends the trial; nothing bills on."""
        for fault in (Fault.QUOTA, Fault.BILLING):
            if bench.can(fault, Target.PREDICTION):
                self._fails(bench, fault, Target.PREDICTION)
                return

    @check("M04", Tier.EMULATED, Capability.UPLOAD)
    def test_m04_ctrl_c_costs_nothing_afterwards(self, bench: Bench) -> None:
        """SIGINT after each creation: the command ends with INTERRUPTED, and everything is torn down."""
        whole = bench.run(root=bench.twin("undisturbed"))
        assert whole.returncode == ExitCode.OK, whole.stderr
        for number in range(1, whole.writes.count("ledger_created") + 1):
            crash = CrashAt(number, "after", signal=signal.SIGINT, only="ledger_created")
            ended = bench.run(crash=crash, root=bench.twin(f"ctrl-c-{number}"))
            assert ended.returncode == ExitCode.INTERRUPTED, f"{crash}: {ended.returncode} {ended.stderr}"
            _assert_nothing_costs(bench, str(crash))

    @check("M05", Tier.EMULATED, Capability.UPLOAD)
    def test_m05_a_deletion_that_fails_is_shouted(self, bench: Bench) -> None:
        """Exit code RESOURCES_LEFT, each resource with its price and how to delete it by hand; later it goes."""
        if not bench.can(Fault.DELETION_FAILS):
            return
        bench.service.inject(Fault.DELETION_FAILS, times=None)
        ended = bench.run()
        left = bench.open_lines()
        bench.service.heal()
        assert ended.returncode == ExitCode.RESOURCES_LEFT, f"ended with {ended.returncode}: {ended.stderr}"
        assert left, "the ledger says that nothing is left"
        for line in left:
            said = " | ".join(text for text in ended.stderr.splitlines() if line.name in text)
            assert said, f"{line.kind} {line.name} is left and not named"
            assert "an hour" in said or "price unknown" in said, f"no price: {said}"
            assert line.delete_by_hand, f"{line.kind}: the plugin gives no `delete_by_hand`"
            assert line.delete_by_hand in ended.stderr, f"not how to delete it by hand: {said}"
        cleared = bench.command("teardown", "--all")
        assert cleared.returncode == ExitCode.OK, cleared.stderr
        assert list(bench.service.resources()) == []

    @check("M06", Tier.EMULATED, Capability.UPLOAD)
    def test_m06_an_infeasible_trial_asks_the_service_nothing(self, bench: Bench) -> None:
        """Too few samples for the published limits, of a class or in all: refused before the first request."""
        least = bench.least_shots
        if least < 2:
            return
        requests, creations = len(bench.service.requests()), len(bench.service.creations())
        ended = bench.run(shots=least - 1)
        assert "it needs at least" in ended.stderr, ended.stderr
        assert len(bench.service.requests()) == requests, "a request was sent for a trial that cannot be"
        assert len(bench.service.creations()) == creations

    @staticmethod
    def _fails(bench: Bench, fault: Fault, target: Target) -> None:
        if not bench.can(fault, target):
            return
        bench.service.inject(fault, target=target, times=None)
        ended = bench.run()
        bench.service.heal()
        assert ended.returncode == ExitCode.PROVIDER, f"{fault}: ended with {ended.returncode}: {ended.stderr}"
        assert "Traceback" not in ended.stderr, ended.stderr
        assert list(bench.service.billing()) == [], f"{fault}: goes on costing"
        priced = [line.name for line in bench.open_lines() if line.hourly_usd != 0.0]
        assert priced == [], f"{fault}: kept, though it may cost by the hour"
        cleared = bench.command("teardown", "--all")
        assert cleared.returncode == ExitCode.OK, cleared.stderr
        _assert_nothing_costs(bench, fault.value)


def _assert_nothing_costs(bench: Bench, when: str) -> None:
    assert list(bench.service.billing()) == [], f"{when}: goes on costing"
    assert list(bench.service.resources()) == [], f"{when}: left behind"
