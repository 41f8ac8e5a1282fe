"""The kit holds the majority class to the contract; without a `service` only the static tier runs."""

from automl_bench.testing import ProviderConformance


class TestMajorityConformance(ProviderConformance):
    provider_name = "majority"
