"""The local provider keeps the contract that clouds keep.

The static tier only: the emulated one looks into a service, and here the service is this plugin's own processes, which
its other tests hold to the same rules (killed, found again, nothing left).
"""

from __future__ import annotations

from automl_bench.testing import ProviderConformance


class TestLocalConformance(ProviderConformance):
    provider_name = "local"
