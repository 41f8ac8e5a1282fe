"""Plugins are found and loaded one at a time; a broken one never hurts another."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from automl_bench.contract import Capability, DatasetSource, ProviderDescription
from automl_bench.errors import (
    ContractViolation,
    MissingDependency,
    PluginLoadFailed,
    ProviderError,
    RequestRefused,
    UnsupportedCapability,
    UsageError,
)
from automl_bench.hookspecs import hookimpl
from automl_bench.providers.discovery import Installed, PluginRegistry
from automl_bench.providers.dispatch import Provider
from automl_bench.providers.host import Observers, dataset_sources


def plugin(name: str, **hooks: Any) -> ModuleType:
    """Return a plugin module with a description and the hooks given."""

    def describe_provider() -> ProviderDescription:
        return ProviderDescription(
            name=name,
            title=name.title(),
            capabilities=frozenset({Capability.TRAIN, Capability.CHECK_ACCESS, Capability.LIST_RESOURCES}),
        )

    hooks.setdefault("describe_provider", describe_provider)
    module = ModuleType(name)
    for key, value in hooks.items():
        setattr(module, key, hookimpl(value))
    return module


def registry_of(**plugins: Any) -> PluginRegistry:
    def loader(value: Any) -> Any:
        def load() -> Any:
            if isinstance(value, BaseException):
                raise value
            return value

        return load

    return PluginRegistry(
        [Installed(name, f"automl-bench-{name} 1.0", loader(value)) for name, value in plugins.items()]
    )


def test_only_the_plugin_asked_for_is_loaded() -> None:
    registry = registry_of(good=plugin("good"), broken=RuntimeError("boom"))
    assert Provider(registry, "good").description.title == "Good"
    assert registry.failures == {}
    assert not registry.manager.has_plugin("broken")


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="no provider named 'vertx'.*Did you mean 'vertex'"):
        registry_of(vertex=plugin("vertex")).load("vertx")


def test_a_plugin_that_fails_on_import_is_named_with_its_package() -> None:
    registry = registry_of(bad=RuntimeError("boom"))
    with pytest.raises(PluginLoadFailed, match=r"'bad' \(automl-bench-bad 1.0\) fails on import: RuntimeError: boom"):
        registry.load("bad")
    assert "pip uninstall automl-bench-bad" in registry.failures["bad"].remedy


def test_a_missing_module_on_import_gets_a_pip_line() -> None:
    registry = registry_of(bad=ModuleNotFoundError("No module named 'sdk'", name="sdk"))
    with pytest.raises(PluginLoadFailed, match="pip install"):
        registry.load("bad")


def test_a_plugin_that_only_listens_is_no_provider_and_no_failure() -> None:
    observer = ModuleType("diary")
    observer.experiment_finished = hookimpl(lambda name: None)  # type: ignore[attr-defined]
    registry = registry_of(diary=observer, good=plugin("good"), bad=RuntimeError("boom"))
    assert [name for name in registry.names() if registry.only_listens(name)] == ["diary"]
    with pytest.raises(UsageError, match="'diary' is no provider: it listens"):
        Provider(registry, "diary")
    assert list(registry.failures) == ["bad"]


def test_a_misspelt_hook_is_refused_at_registration() -> None:
    def trian(context: Any) -> None:
        """A misspelt hook."""

    registry = registry_of(bad=plugin("bad", trian=trian), good=plugin("good"))
    with pytest.raises(PluginLoadFailed, match="breaks the hook contract.*trian"):
        registry.load("bad")
    assert Provider(registry, "good").name == "good", "the good one still loads"


def test_a_hook_with_an_unknown_argument_is_refused() -> None:
    def train(contxt: Any) -> None:
        """An argument that no spec has."""

    with pytest.raises(PluginLoadFailed, match="breaks the hook contract.*contxt"):
        registry_of(bad=plugin("bad", train=train)).load("bad")


def test_two_packages_of_one_name_are_told() -> None:
    registry = PluginRegistry(
        [
            Installed("twin", "first 1.0", lambda: plugin("twin")),
            Installed("twin", "second 2.0", lambda: plugin("twin")),
        ]
    )
    with pytest.raises(PluginLoadFailed, match=r"first 1.0 and second 2.0.*pip uninstall second"):
        registry.load("twin")


def test_a_hook_goes_to_exactly_the_provider_asked_for() -> None:
    def answer(name: str) -> Any:
        def check_access(context: Any) -> Any:
            raise RequestRefused(f"this is {name}")

        return check_access

    registry = registry_of(
        first=plugin("first", check_access=answer("first")), second=plugin("second", check_access=answer("second"))
    )
    registry.load_all()
    for name in ("first", "second"):
        with pytest.raises(ProviderError, match=f"this is {name}") as caught:
            Provider(registry, name).check_access(SimpleNamespace())  # type: ignore[arg-type]
        assert (caught.value.provider, caught.value.hook) == (name, "check_access")


def test_what_is_not_declared_is_refused_before_any_call() -> None:
    called = []

    def deploy(context: Any) -> None:
        called.append(context)

    provider = Provider(registry_of(some=plugin("some", deploy=deploy)), "some")
    with pytest.raises(UnsupportedCapability, match="some cannot deploy"):
        provider.deploy(SimpleNamespace())  # type: ignore[arg-type]
    assert called == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "declared but not implemented"),
        ("yes", "returned 'yes', not an Operation"),
        (KeyError("x"), "raised KeyError"),
    ],
)
def test_a_broken_answer_is_the_plugins_fault(answer: Any, words: str) -> None:
    def train(context: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ContractViolation, match=words):
        Provider(registry_of(some=plugin("some", train=train)), "some").train(SimpleNamespace())  # type: ignore[arg-type]


def test_a_missing_sdk_gives_a_pip_line_and_hurts_nobody_else() -> None:
    def train(context: Any) -> Any:
        raise ModuleNotFoundError("No module named 'boto3'", name="boto3")

    with pytest.raises(MissingDependency, match=r"some needs boto3.*pip install 'boto3'"):
        Provider(registry_of(some=plugin("some", train=train)), "some").train(SimpleNamespace())  # type: ignore[arg-type]


def test_a_provider_must_be_called_as_its_entry_point() -> None:
    with pytest.raises(ContractViolation, match="calls itself 'other'"):
        Provider(registry_of(some=plugin("other")), "some")


def test_a_failing_observer_never_hurts() -> None:
    def trial_started(trial: Any) -> None:
        raise RuntimeError("observer")

    registry = registry_of(some=plugin("some", trial_started=trial_started))
    registry.load_all()
    assert Observers(registry).tell("trial_started", trial=None) == []


def test_datasets_of_all_plugins_are_collected(caplog: pytest.LogCaptureFixture) -> None:
    def source(name: str) -> DatasetSource:
        return DatasetSource(name, name, "CC0-1.0", "invented", path=Path(name))

    registry = registry_of(
        a=plugin("a", register_datasets=lambda: [source("one")]),
        b=plugin("b", register_datasets=lambda: [source("two")]),
        c=RuntimeError("boom"),
        d=plugin("d", register_datasets=lambda: ["three"]),
    )
    assert sorted(found.name for found in dataset_sources(registry)) == ["one", "two"]
    assert "the plugin of d: register_datasets returned 'three', not a DatasetSource" in caplog.text


def test_the_scope_is_optional_and_must_be_texts() -> None:
    def there(context: Any) -> dict[str, str]:
        return {"region": "eu-1"}

    def nonsense(context: Any) -> dict[str, Any]:
        return {"region": 1}

    registry = registry_of(
        silent=plugin("silent"), good=plugin("good", resource_scope=there), bad=plugin("bad", resource_scope=nonsense)
    )
    context: Any = SimpleNamespace()
    assert Provider(registry, "silent").resource_scope(context) is None
    assert Provider(registry, "good").resource_scope(context) == {"region": "eu-1"}
    with pytest.raises(ContractViolation, match="resource_scope returned"):
        Provider(registry, "bad").resource_scope(context)
