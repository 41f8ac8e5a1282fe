"""The static tier: what can be judged without the service, its SDK's cooperation, or any network."""

from __future__ import annotations

import datetime
import inspect
import json
import math
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from automl_bench import hookspecs
from automl_bench.contract import Capability, Counted, Limits, ProviderDescription, Variant
from automl_bench.hookspecs import PROJECT_NAME
from automl_bench.testing.checks import Tier, check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from automl_bench.providers.dispatch import Provider

IMPORT_SECONDS = 0.2
"""CPU time that importing a plugin may take beyond the contract: `automl-bench --help` stays fast."""
RUNS = 3
BUILDING = {Capability.UPLOAD, Capability.TRAIN, Capability.DEPLOY}
SDK_HOOKS = ("check_access", "list_resources")


class StaticChecks:
    """Checks S01 to S12."""

    provider_name: ClassVar[str]

    @classmethod
    def readme_path(cls) -> Path | None:
        """Return the plugin's README; the whole class overrides it."""
        raise NotImplementedError

    @check("S01", Tier.STATIC)
    def test_s01_the_entry_point_has_the_described_name(self) -> None:
        """The entry point in the group `automl_bench` loads, registers, and has the name the plugin gives itself."""
        entries = [entry for entry in metadata.entry_points(group=PROJECT_NAME) if entry.name == self.provider_name]
        assert entries, (
            f"no entry point {self.provider_name!r} in the group {PROJECT_NAME!r}: is the package installed?"
        )
        assert len(entries) == 1, f"{len(entries)} packages bring an entry point {self.provider_name!r}"
        _provider(self.provider_name)

    @check("S02", Tier.STATIC)
    def test_s02_importing_the_plugin_imports_no_sdk(self) -> None:
        """SDKs are imported inside hooks: neither import nor `describe_provider` may load what the package requires."""
        facts = _probe("import", self.provider_name)
        sdk = _modules_of_requirements(self.provider_name)
        loaded = sorted(set(facts["modules"]) & sdk)
        assert not loaded, f"importing the plugin imports {', '.join(loaded)}: move that import into the hooks"
        described = sorted(set(facts["modules_after_describe"]) & sdk)
        assert not described, f"describe_provider imports {', '.join(described)}"

    @check("S03", Tier.STATIC)
    def test_s03_importing_the_plugin_takes_under_200_ms(self) -> None:
        """CPU time beyond the contract's own imports, best of three, byte code compiled."""
        seconds = min(float(_probe("import", self.provider_name)["import_cpu_seconds"]) for _ in range(RUNS))
        assert seconds < IMPORT_SECONDS, f"importing the plugin takes {seconds * 1000:.0f} ms of CPU time"

    @check("S04", Tier.STATIC)
    def test_s04_hook_signatures_are_those_of_the_specs(self) -> None:
        """Arguments have the specs' names and order; none has a default and none is keyword-only."""
        from automl_bench.providers.discovery import PluginRegistry

        module = next(plugin for plugin in PluginRegistry().plugins if plugin.name == self.provider_name).load()
        faults = []
        for name, spec in _specs().items():
            hook = getattr(module, name, None)
            if hook is None or not hasattr(hook, f"{PROJECT_NAME}_impl"):
                if hook is not None and not name.startswith("_") and callable(hook):
                    faults.append(f"{name} lacks @hookimpl")
                continue
            allowed = [word for word in inspect.signature(spec).parameters if word != "self"]
            given = [word for word in inspect.signature(hook).parameters.values() if word.name != "self"]
            names = [word.name for word in given]
            if [word for word in allowed if word in names] != names:
                faults.append(f"{name}({', '.join(names)}) is not {name}({', '.join(allowed)})")
            faults.extend(f"{name}: {word.name} has a default" for word in given if word.default is not word.empty)
            faults.extend(f"{name}: {word.name} is keyword-only" for word in given if word.kind is word.KEYWORD_ONLY)
        assert not faults, "; ".join(faults)

    @check("S05", Tier.STATIC)
    def test_s05_describe_provider_is_pure_and_repeatable(self) -> None:
        """It opens no file for writing, no socket, no process, and says the same every time."""
        facts = _probe("import", self.provider_name)
        assert not facts["acts"], f"describe_provider does more than describe: {', '.join(facts['acts'])}"
        assert facts["described_alike"], "describe_provider answers differently the second time"

    @check("S06", Tier.STATIC)
    def test_s06_the_readme_documents_every_setting_and_secret(self) -> None:
        """Each declared setting stands in the README by its name, and by its environment variable if it has one."""
        settings = _description(self.provider_name).settings
        path = type(self).readme_path()
        if not settings:
            return
        assert path is not None, "no README.md beside the plugin's pyproject.toml"
        text = path.read_text(encoding="utf-8")
        missing = [word for setting in settings for word in (setting.name, setting.env) if word and word not in text]
        assert not missing, f"{path.name} does not mention {', '.join(missing)}"

    @check("S07", Tier.STATIC)
    def test_s07_a_missing_sdk_ends_in_one_pip_line(self) -> None:
        """With everything that the package requires made impossible to import, hooks end in MissingDependency."""
        sdk = _modules_of_requirements(self.provider_name)
        if not sdk:
            return
        facts = _probe("missing", self.provider_name, sorted(sdk))
        if not facts["imported"]:
            return  # it imports its SDK on import, which is what S02 names
        wrong = [f"{hook}: {answer}" for hook, answer in facts["answers"].items() if answer.startswith("wrong")]
        assert not wrong, "; ".join(wrong)
        missing = [hook for hook, answer in facts["answers"].items() if answer == "missing"]
        if facts["answers"] and _description(self.provider_name).requires:
            assert missing, f"none of {', '.join(facts['answers'])} names the missing package with a pip line"

    @check("S08", Tier.STATIC, Capability.PRICE)
    def test_s08_prices_carry_their_date_and_source(self) -> None:
        """Every price has an item, a unit, and the date and place it was read; unknown is None, never a guess;
        what a trial reserves is 0 or more, and said in one way.
        """
        facts = _probe("prices", self.provider_name)
        assert not facts["refused"], facts["refused"]
        assert facts["prices"], "price is declared and gives nothing"
        faults: list[str] = []
        for price in facts["prices"]:
            where = price["item"] or "a price without item"
            faults.extend(f"{where} has no {name}" for name in ("item", "unit", "source") if not price[name].strip())
            try:
                read = datetime.date.fromisoformat(price["as_of"])
            except ValueError:
                faults.append(f"{where}: as_of is {price['as_of']!r}, not an ISO date")
            else:
                if read > datetime.date.today() + datetime.timedelta(days=1):
                    faults.append(f"{where}: as_of {read} lies in the future")
            usd = price["usd"]
            if usd is not None and not (math.isfinite(usd) and usd >= 0):
                faults.append(f"{where}: {usd} is no price; unknown is None")
            faults.extend(f"{where}: {fault}" for fault in _reservation_faults(price))
        items = [price["item"] for price in facts["prices"]]
        faults.extend(f"{item} stands twice" for item in sorted({item for item in items if items.count(item) > 1}))
        assert not faults, "; ".join(faults)

    @check("S12", Tier.STATIC, Capability.PRICE)
    def test_s12_no_price_is_ignored(self) -> None:
        """Each price is of an item that the host knows, such as train_hour or call, or says per_trial or counted."""
        from automl_bench.trials.pricing import PART_OF_ITEM

        ignored = [
            line["item"]
            for line in _probe("prices", self.provider_name)["prices"]
            if line["usd"] != 0 and line["per_trial"] is None and line["counted"] is None
            if line["item"] not in PART_OF_ITEM
        ]
        assert not ignored, f"neither reserved nor counted: {', '.join(ignored)}"

    @check("S09", Tier.STATIC)
    def test_s09_limits_are_sane(self) -> None:
        """Limits are positive, and the least is not above the most."""
        description = _description(self.provider_name)
        every = (description.limits, *description.modality_limits.values())
        faults = [fault for limits in every for fault in limit_faults(limits)]
        if not (math.isfinite(description.settle_seconds) and description.settle_seconds >= 0):
            faults.append(f"settle_seconds is {description.settle_seconds}")
        assert not faults, "; ".join(faults)

    @check("S10", Tier.STATIC)
    def test_s10_what_is_declared_is_implemented(self) -> None:
        """Every declared capability has its hook, and what creates can also be polled, listed and deleted."""
        from automl_bench.providers.discovery import PluginRegistry

        description = _description(self.provider_name)
        module = next(plugin for plugin in PluginRegistry().plugins if plugin.name == self.provider_name).load()
        owed = {
            capability.value for capability in description.capabilities if capability is not Capability.ADOPT_ENDPOINT
        }
        if description.capabilities & BUILDING:
            owed |= {"delete_resource", "list_resources"}
        if Capability.ADOPT_ENDPOINT in description.capabilities:
            owed |= {"invoke"}
        lacking = sorted(name for name in owed if not hasattr(getattr(module, name, None), f"{PROJECT_NAME}_impl"))
        assert not lacking, f"declared but not implemented: {', '.join(lacking)}"
        if description.capabilities & BUILDING:
            assert Capability.LIST_RESOURCES in description.capabilities, (
                "what it creates could not be found again without the ledger: declare LIST_RESOURCES"
            )

    @check("S11", Tier.STATIC)
    def test_s11_settings_are_well_formed(self) -> None:
        """Names are unique, a secret has a variable and no default, each has a sentence, defaults are of their kind."""
        from automl_bench.errors import SettingsError
        from automl_bench.toolkit.setting_values import value_of, variant_settings_of

        description = _description(self.provider_name)
        settings = description.settings
        declared = (*settings, *(description.variant_settings or ()))
        faults = [f"{setting.name} has no description" for setting in declared if not setting.description.strip()]
        for setting in declared:
            if setting.default is not None and not setting.secret:
                try:
                    value_of(setting, setting.default)
                except ValueError as error:
                    faults.append(f"the default of {setting.name} is not {error}")
        if description.variant_settings is not None:
            for name, values in description.variants.items():
                try:
                    variant_settings_of(description.variant_settings, Variant(description.name, name, values))
                except SettingsError as error:
                    faults.append(str(error))
        for setting in settings:
            if setting.secret and not setting.env:
                faults.append(f"the secret {setting.name} has no environment variable to come from")
            if setting.secret and setting.default:
                faults.append(f"the secret {setting.name} has a default")
            if setting.env and not re.fullmatch(r"[A-Z][A-Z0-9_]*", setting.env):
                faults.append(f"{setting.env!r} is no name for an environment variable")
        for words in ([setting.name for setting in settings], [setting.env for setting in settings if setting.env]):
            faults.extend(f"{word} stands twice" for word in sorted({word for word in words if words.count(word) > 1}))
        assert not faults, "; ".join(faults)


def limit_faults(limits: Limits) -> list[str]:
    """Return what is impossible about published limits."""
    faults: list[str] = []
    for name in limits.__slots__:
        value = getattr(limits, name)
        if name == "media_types":
            faults.extend(
                f"{word!r} is no media type" for word in value if not re.fullmatch(r"[\w.+-]+/[\w.+*-]+", word)
            )
        elif value is not None and not (math.isfinite(value) and value > 0):
            faults.append(f"{name} is {value}: no limit is None")
    for low, high in (("min_classes", "max_classes"), ("min_side_px", "max_side_px")):
        least, most = getattr(limits, low), getattr(limits, high)
        if least is not None and most is not None and least > most:
            faults.append(f"{low} {least} is above {high} {most}")
    if limits.min_samples_per_class and limits.max_samples and limits.min_samples_per_class > limits.max_samples:
        faults.append("min_samples_per_class is above max_samples")
    return faults


def _provider(name: str) -> Provider:
    from automl_bench.providers.discovery import PluginRegistry
    from automl_bench.providers.dispatch import Provider

    return Provider(PluginRegistry(), name)


def _description(name: str) -> ProviderDescription:
    return _provider(name).description


def _specs() -> dict[str, Any]:
    groups = (hookspecs.ProviderHooks, hookspecs.ObserverHooks)
    return {
        name: value
        for group in groups
        for name, value in vars(group).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


def _modules_of_requirements(name: str) -> set[str]:
    """Return the top-level modules of what a plugin's package requires, automl-bench and its own requirements aside."""
    entry = next(iter(entry for entry in metadata.entry_points(group=PROJECT_NAME) if entry.name == name), None)
    if entry is None or entry.dist is None:
        return set()
    core = {_canonical("automl-bench")} | _requirements(metadata.distribution("automl-bench"))
    wanted = set() if _canonical(entry.dist.name) in core else _requirements(entry.dist) - core
    return {
        module
        for module, packages in metadata.packages_distributions().items()
        if any(_canonical(package) in wanted for package in packages) and not module.startswith("_")
    }


def _requirements(dist: metadata.Distribution) -> set[str]:
    return {
        _canonical(re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0])
        for text in dist.requires or ()
        if "extra ==" not in text
    }


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _probe(what: str, name: str, *more: Any) -> dict[str, Any]:
    """Ask a fresh Python about a plugin; its byte code is compiled and kept, whatever this process was told."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join(place for place in sys.path if place)
    environment.setdefault("PYTHONPYCACHEPREFIX", str(Path.home() / ".cache" / "automl-bench-kit"))
    ended = subprocess.run(
        [sys.executable, "-m", "automl_bench.testing.plugin_probe", what, name, json.dumps(more)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, f"looking at the plugin failed:\n{ended.stderr}"
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def _reservation_faults(price: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with what a line of a price table reserves for one trial."""
    most, counted, each = price["per_trial"], price["counted"], price["units_each"]
    faults = []
    if most is not None and not (math.isfinite(most) and most >= 0):
        faults.append(f"per_trial is {most}")
    if not (math.isfinite(each) and each > 0):
        faults.append(f"units_each is {each}")
    if counted is not None and counted not in set(Counted):
        faults.append(f"counted is {counted!r}")
    if counted is not None and most is not None:
        faults.append("says both per_trial and counted, and only one can hold")
    return faults
