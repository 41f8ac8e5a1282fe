"""The live tier: the smallest dataset through the whole path of the real service. By hand only, for real money."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from automl_bench.contract import NAME_PREFIX, Capability
from automl_bench.errors import ExitCode
from automl_bench.testing.checks import Tier, check


class LiveChecks:
    """Check L01."""

    provider_name: ClassVar[str]

    @check("L01", Tier.LIVE, Capability.UPLOAD, Capability.INVOKE, Capability.LIST_RESOURCES)
    def test_l01_the_smallest_trial_runs_and_the_account_is_empty_afterwards(
        self, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        """`pytest --live --max-cost 5`: one trial on three classes of squares, then nothing may bear our prefix."""
        most = request.config.getoption("--max-cost")
        assert most is not None, "say what it may cost: --live --max-cost USD"
        from automl_bench.testing.bench import Bench, Wishes
        from automl_bench.testing.crash import shared_fork_server
        from automl_bench.testing.real_service import RealService

        bench = Bench(tmp_path, Wishes(self.provider_name), RealService(), shared_fork_server())
        ended = bench.run("--json", "--max-cost", f"{most:g}")
        cleared = bench.command("teardown", "--all")
        assert ended.returncode == ExitCode.OK, ended.stderr
        assert cleared.returncode == ExitCode.OK, cleared.stderr
        left = bench.bound.provider.list_resources(bench.provider_context, NAME_PREFIX)
        assert list(left) == [], f"still in the account: {[item.name for item in left]}"
