"""The kit for plugin authors: conformance checks, fault injection, a crash driver, and providers to try things on.

    from automl_bench.testing import ProviderConformance


    class TestAcmeConformance(ProviderConformance):
        provider_name = "acme"

        @pytest.fixture
        def service(self):
            with AcmeFake() as fake:
                yield fake

Names are imported when first asked for: the providers in this room load without pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_bench.testing.conformance import ProviderConformance
    from automl_bench.testing.crash import CrashAt, ForkServer
    from automl_bench.testing.fault_proxy import FaultProxy
    from automl_bench.testing.loopback_service import Fault, LoopbackService, SeenRequest, Target
    from automl_bench.testing.network_guard import only_loopback
    from automl_bench.testing.stand_in import Refusal, Request, StandIn, route

_HOMES = {
    "ProviderConformance": "conformance",
    "CrashAt": "crash",
    "ForkServer": "crash",
    "FaultProxy": "fault_proxy",
    "Fault": "loopback_service",
    "LoopbackService": "loopback_service",
    "SeenRequest": "loopback_service",
    "Target": "loopback_service",
    "Refusal": "stand_in",
    "Request": "stand_in",
    "StandIn": "stand_in",
    "only_loopback": "network_guard",
    "route": "stand_in",
}

__all__ = [
    "CrashAt",
    "Fault",
    "FaultProxy",
    "ForkServer",
    "LoopbackService",
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
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
