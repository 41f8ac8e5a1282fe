"""What a fresh Python process sees of a plugin; the static checks run it as `python -m`, and read its JSON."""

from __future__ import annotations

import importlib.abc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

# These imports are what every plugin pays anyway; its own cost is measured beyond them.
import automl_bench.contract
import automl_bench.errors
import automl_bench.hookspecs

if TYPE_CHECKING:
    from automl_bench.contract import ProviderContext
    from automl_bench.providers.dispatch import Provider

ACTS = (
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.posix_spawn",
    "os.fork",
)
PLANTED = "planted-secret-0123456789"


def imported(name: str) -> dict[str, Any]:
    """Import a plugin and let it describe itself, with an eye on what happens meanwhile."""
    (entry,) = metadata.entry_points(group=automl_bench.hookspecs.PROJECT_NAME, name=name)
    before = set(sys.modules)
    begun = time.process_time()
    module = entry.load()
    seconds = time.process_time() - begun
    modules = _top(set(sys.modules) - before)
    acts: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching:
            return
        if event in ACTS:
            acts.append(event)
        elif event == "open" and _writes(arguments):
            acts.append(f"open {arguments[0]} to write")

    sys.addaudithook(watch)
    first = module.describe_provider()
    second = module.describe_provider()
    watching = False
    return {
        "import_cpu_seconds": seconds,
        "modules": modules,
        "modules_after_describe": _top(set(sys.modules) - before),
        "acts": acts,
        "described_alike": first == second,
    }


def _writes(opened: tuple[Any, ...]) -> bool:
    path, mode = str(opened[0]), opened[1]
    return isinstance(mode, str) and bool(set(mode) & set("wax+")) and "__pycache__" not in path


def prices(name: str) -> dict[str, Any]:
    """Return the price table as JSON, or what the host refuses of it; no connection may be made for it."""
    from automl_bench.errors import ContractViolation
    from automl_bench.testing.network_guard import only_loopback

    provider = _provider(name)
    try:
        with only_loopback():
            table = provider.price(_context(provider))
    except ContractViolation as error:
        return {"refused": str(error), "prices": []}
    return {
        "refused": "",
        "prices": [
            {
                "item": line.item,
                "usd": line.usd,
                "unit": line.unit,
                "as_of": line.as_of,
                "source": line.source,
                "per_trial": line.per_trial,
                "counted": line.counted,
                "units_each": line.units_each,
            }
            for line in table
        ],
    }


class _Absent(importlib.abc.MetaPathFinder):
    """Makes modules impossible to import, as if their packages were not installed."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = frozenset(modules)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """Refuse what is absent; leave the rest to others."""
        if fullname.partition(".")[0] in self._modules:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def missing(name: str, modules: Sequence[str]) -> dict[str, Any]:
    """Call hooks with the SDK made absent and say how each ended: "missing", "fine", or "wrong: …"."""
    from automl_bench.errors import AutomlBenchError, MissingDependency, ProviderError, SettingsError
    from automl_bench.testing.network_guard import OutsideConnection, only_loopback

    for module in list(sys.modules):
        if module.partition(".")[0] in modules:
            del sys.modules[module]
    sys.meta_path.insert(0, _Absent(modules))
    _hide_packages(modules)
    try:
        provider = _provider(name)
    except AutomlBenchError as error:
        return {"imported": False, "reason": str(error), "answers": {}}
    context = _context(provider)
    calls: dict[str, Callable[[], object]] = {
        "check_access": lambda: provider.check_access(context),
        "list_resources": lambda: provider.list_resources(context, automl_bench.contract.NAME_PREFIX),
    }
    answers = {}
    for hook, call in calls.items():
        if hook not in provider.description.capabilities:
            continue
        try:
            with only_loopback():
                call()
        except MissingDependency as error:
            answers[hook] = "missing" if "pip install" in error.remedy else f"wrong: no pip line in {error}"
        except (ProviderError, SettingsError, OutsideConnection):
            answers[hook] = "fine"
        except AutomlBenchError as error:
            answers[hook] = "fine" if isinstance(error.__cause__, OutsideConnection) else f"wrong: {error}"
        except Exception as error:  # noqa: BLE001  # whatever comes is the answer
            answers[hook] = f"wrong: {type(error).__name__}: {error}"
        else:
            answers[hook] = "fine"
    return {"imported": True, "reason": "", "answers": answers}


def _hide_packages(modules: Sequence[str]) -> None:
    """Let the packages of absent modules look uninstalled to `importlib.metadata` as well."""
    homes = metadata.packages_distributions()
    hidden = {package.lower() for module in modules for package in homes.get(module, ())}
    real = metadata.distribution

    def distribution(distribution_name: str) -> metadata.Distribution:
        if distribution_name.lower() in hidden:
            raise metadata.PackageNotFoundError(distribution_name)
        return real(distribution_name)

    metadata.distribution = distribution


def _provider(name: str) -> Provider:
    from automl_bench.providers.discovery import PluginRegistry
    from automl_bench.providers.dispatch import Provider

    return Provider(PluginRegistry(), name)


def _context(provider: Provider) -> ProviderContext:
    """Return a context with the defaults of all settings, and a value for what must be set."""
    from automl_bench.contract import ProviderContext, Variant

    description = provider.description
    folder = Path(tempfile.mkdtemp(prefix="automl-bench-probe-"))
    settings = {
        setting.name: setting.default if setting.default is not None else "probe"
        for setting in description.settings
        if not setting.secret and (setting.default is not None or setting.required)
    }
    variant = description.default_variant
    return ProviderContext(
        variant=Variant(provider.name, variant, description.variants[variant]),
        settings=settings,
        secrets=lambda name: PLANTED,
        cache_dir=folder,
        progress=lambda done, total, unit: None,
        log=lambda line: None,
    )


def _top(modules: set[str]) -> list[str]:
    return sorted({module.partition(".")[0] for module in modules})


if __name__ == "__main__":
    _, what, plugin, more = sys.argv
    probes: dict[str, Callable[..., dict[str, Any]]] = {"import": imported, "prices": prices, "missing": missing}
    answer = probes[what](plugin, *json.loads(more))
    print(json.dumps(answer))
