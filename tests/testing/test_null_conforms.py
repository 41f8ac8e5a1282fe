"""The null provider keeps the contract as far as it is one: it learns nothing and its service keeps nothing."""

from __future__ import annotations

from automl_bench.contract import Modality
from automl_bench.testing import ProviderConformance


class TestNullConformance(ProviderConformance):
    provider_name = "null"


class TestNullConformanceOfTexts(TestNullConformance):
    modality = Modality.TEXT


class TestNullConformanceOfTables(TestNullConformance):
    modality = Modality.TABULAR
