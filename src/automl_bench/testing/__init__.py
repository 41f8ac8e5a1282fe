"""The kit for plugin authors: conformance checks, fault injection, a crash driver, a trial driven hook by hook.

    from automl_bench.testing import ProviderConformance


    class TestAcmeConformance(ProviderConformance):
        provider_name = "acme"

        @pytest.fixture
        def service(self):
            with AcmeFake() as fake:
                yield fake

Names are imported when first asked for: a test that needs one of them loads no other.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_bench.simulation.loopback_service import Fault, LoopbackService, SeenRequest, Target
    from automl_bench.testing.conformance import ProviderConformance
    from automl_bench.testing.crash import CrashAt, ForkServer
    from automl_bench.testing.fault_proxy import FaultProxy
    from automl_bench.testing.hook_trial import HookTrial, MemoryLedger
    from automl_bench.testing.network_guard import only_loopback
    from automl_bench.testing.stand_in import Refusal, Request, StandIn, route

_HOMES = {
    "ProviderConformance": "automl_bench.testing.conformance",
    "CrashAt": "automl_bench.testing.crash",
    "ForkServer": "automl_bench.testing.crash",
    "FaultProxy": "automl_bench.testing.fault_proxy",
    "Fault": "automl_bench.simulation.loopback_service",
    "HookTrial": "automl_bench.testing.hook_trial",
    "LoopbackService": "automl_bench.simulation.loopback_service",
    "MemoryLedger": "automl_bench.testing.hook_trial",
    "SeenRequest": "automl_bench.simulation.loopback_service",
    "Target": "automl_bench.simulation.loopback_service",
    "Refusal": "automl_bench.testing.stand_in",
    "Request": "automl_bench.testing.stand_in",
    "StandIn": "automl_bench.testing.stand_in",
    "only_loopback": "automl_bench.testing.network_guard",
    "route": "automl_bench.testing.stand_in",
}

__all__ = [
    "CrashAt",
    "Fault",
    "FaultProxy",
    "ForkServer",
    "HookTrial",
    "LoopbackService",
    "MemoryLedger",
    "ProviderConformance",
    "Refusal",
    "Request",
    "SeenRequest",
    "StandIn",
    "Target",
    "only_loopback",
    "route",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
