"""The conformance kit: one class that a plugin's tests inherit, and that holds the plugin to the contract.

A plugin's whole file:

    import pytest
    from automl_bench.testing import ProviderConformance


    class TestAcmeConformance(ProviderConformance):
        provider_name = "acme"                    # found through the entry point, as a user would

        @pytest.fixture
        def service(self):                        # leave it out, and only the static tier runs
            with AcmeFake() as fake:
                yield fake

Which checks apply is read from the plugin's own `describe_provider()`. A check may only be overridden with
`@pytest.mark.xfail(reason=…, strict=True)`; C00 fails otherwise. docs/plugins/testing.md explains every check.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from automl_bench.contract import CONTRACT_VERSION, Capability, Modality, ProviderDescription
from automl_bench.errors import AutomlBenchError
from automl_bench.simulation.loopback_service import Fault, LoopbackService, Target
from automl_bench.testing.answer_checks import AnswerChecks
from automl_bench.testing.bench import Bench, Wishes
from automl_bench.testing.checks import Check, Tier, check, checks_of, silent_overrides
from automl_bench.testing.crash import shared_fork_server
from automl_bench.testing.crash_checks import CrashChecks
from automl_bench.testing.cycle_checks import CycleChecks
from automl_bench.testing.live_checks import LiveChecks
from automl_bench.testing.money_checks import MoneyChecks
from automl_bench.testing.request_checks import RequestChecks
from automl_bench.testing.static_checks import StaticChecks

SEAL = "test_c00_no_check_is_overridden_in_silence"
SHORT_WAITS = "automl_bench.testing.short_waits"


class ProviderConformance(StaticChecks, CycleChecks, CrashChecks, MoneyChecks, RequestChecks, AnswerChecks, LiveChecks):
    """Inherit this in a class whose name begins with `Test`, and name the provider.

    Attributes:
        provider_name: Name of the entry point; empty for a class that only others inherit.
        variant: Variant to run the emulated tier with; empty for the provider's default.
        contract_version: Contract version the plugin was written for; checks added later are left out.
        image_side: Side in pixels of the images that the emulated tier makes; large enough for `limits` anyway.
        modality: What the samples of the emulated tier are. A provider that learns from several has a class for each;
            the static tier runs in one of them.
        shots: Labelled samples per class, raised to what `limits` ask for.
        settings: Content of the table [settings] in the provider's settings file.
        variant_settings: Content of [variants.<variant>] there, for example to make waits short.
        preload: Modules to import once for all commands, such as a slow SDK.
        python_path: Folders that the commands need on PYTHONPATH beside this process's own.
        readme: README of the plugin; by default the nearest one above the test file.
        most_writes: At most so many ledger writes are struck by each crash check, spread evenly; None for all.
    """

    provider_name: ClassVar[str] = ""
    variant: ClassVar[str] = ""
    contract_version: ClassVar[int] = CONTRACT_VERSION
    image_side: ClassVar[int] = 16
    modality: ClassVar[Modality] = Modality.IMAGE
    shots: ClassVar[int] = 5
    settings: ClassVar[Mapping[str, Any]] = {}
    variant_settings: ClassVar[Mapping[str, Any]] = {}
    preload: ClassVar[Sequence[str]] = ()
    python_path: ClassVar[Sequence[str | Path]] = ()
    readme: ClassVar[Path | None] = None
    most_writes: ClassVar[int | None] = None

    _described: ClassVar[ProviderDescription | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if SEAL in vars(cls):
            raise TypeError(f"{cls.__name__} overrides {SEAL}, which is what forbids overriding")

    @pytest.fixture
    def service(self) -> Any:
        """Override it: give or yield a running `LoopbackService`. Without it only the static tier runs."""
        return None

    @pytest.fixture
    def bench(self, service: LoopbackService | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
        """A workspace with a small dataset, the provider's settings, and the stand-in in its environment."""
        assert service is not None, "the fixture `service` gives nothing: leave it out, or yield a LoopbackService"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in service.environment().items():
            monkeypatch.setenv(name, value)
        wishes = Wishes(
            provider=self.provider_name,
            variant=self.variant,
            image_side=self.image_side,
            shots=self.shots,
            modality=self.modality,
            settings=self.settings,
            variant_settings=self.variant_settings,
            python_path=tuple(str(place) for place in self.python_path),
        )
        return Bench(tmp_path, wishes, service, shared_fork_server((SHORT_WAITS, *self.preload)))

    @check("C00", Tier.STATIC)
    def test_c00_no_check_is_overridden_in_silence(self) -> None:
        """Override a check only with `@pytest.mark.xfail(reason="…", strict=True)`, so that the table tells all."""
        silent = silent_overrides(type(self))
        assert not silent, f"overridden without xfail(reason=…, strict=True): {', '.join(silent)}"

    @check("C01", Tier.EMULATED)
    def test_c01_the_stand_in_can_make_the_faults_that_cost_money(self, bench: Bench) -> None:
        """A lost answer, failed work and deletions, a throttle, a server error, wrong credentials: it can make each."""
        lacking = lacking_faults(bench.description.capabilities, bench.service)
        assert not lacking, f"the stand-in cannot make: {', '.join(lacking)}; checks that need them prove nothing"

    @classmethod
    def left_out(cls, found: Check, *, live: bool) -> str | None:
        """Return why a check does not apply, "" for no word about it, or None if it is to run."""
        if found.since > cls.contract_version:
            return f"came with contract version {found.since}"
        if (found.tier is Tier.LIVE) is not live:
            return ""
        if found.tier is Tier.STATIC:
            needs = found.needs
        elif found.tier is Tier.EMULATED and not cls.has_service():
            return "no `service` fixture: static tier only"
        else:
            needs = found.needs
        if "_described" not in vars(cls):
            cls._described = described(cls.provider_name)
        description = cls._described
        if description is None:
            return None
        if cls.modality not in description.modalities:
            return f"does not learn from {cls.modality}"
        first = next(modality for modality in Modality if modality in description.modalities)
        if found.tier is Tier.STATIC and cls.modality is not first and found.id != "C00":
            return f"static tier: in the class for {first}"
        missing = sorted(needs - description.capabilities)
        return f"needs {', '.join(missing)}" if missing else None

    @classmethod
    def has_service(cls) -> bool:
        """Whether the plugin's author gives a stand-in for the service."""
        own = cls.__mro__[: cls.__mro__.index(ProviderConformance)]
        return any("service" in vars(base) for base in own)

    @classmethod
    def readme_path(cls) -> Path | None:
        """Return the plugin's README, or None if there is none to be found."""
        if cls.readme is not None:
            return cls.readme
        for folder in Path(inspect.getfile(cls)).resolve().parents:
            if (folder / "pyproject.toml").is_file():
                return folder / "README.md" if (folder / "README.md").is_file() else None
        return None

    @classmethod
    def all_checks(cls) -> dict[str, Check]:
        """Return all checks by the name of their method."""
        return checks_of(cls)


def lacking_faults(capabilities: Collection[Capability], service: LoopbackService) -> list[str]:
    """Return the faults that a stand-in owes and does not offer, as "target fault"."""
    owed = {(Target.CONTROL, fault) for fault in (Fault.THROTTLED, Fault.SERVER_ERROR, Fault.UNAUTHENTICATED)}
    if Capability.UPLOAD in capabilities:
        owed |= {(Target.CONTROL, Fault.LOST_ANSWER), (Target.CONTROL, Fault.DELETION_FAILS)}
    if Capability.DEPLOY in capabilities:
        owed |= {(Target.CONTROL, Fault.TRAINING_FAILS), (Target.CONTROL, Fault.DEPLOYMENT_FAILS)}
    if Capability.INVOKE in capabilities:
        owed |= {(Target.PREDICTION, Fault.THROTTLED), (Target.PREDICTION, Fault.SERVER_ERROR)}
    return sorted(f"{target.value} {fault.value}" for target, fault in owed if fault not in service.faults(target))


def described(name: str) -> ProviderDescription | None:
    """Return what an installed provider says of itself, or None if it does not load: then the checks say why."""
    from automl_bench.providers.discovery import PluginRegistry
    from automl_bench.providers.dispatch import Provider

    try:
        return Provider(PluginRegistry(), name).description
    except AutomlBenchError:
        return None
