"""Settings are read in one way: by the host before any request, and by every plugin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from automl_bench.contract import Json, Setting, SettingKind, Variant
from automl_bench.errors import InvalidSetting, UnknownSetting
from automl_bench.providers.discovery import PluginRegistry
from automl_bench.providers.dispatch import Provider
from automl_bench.settings.provider_files import ProviderFile, resolve_settings, resolve_variant
from automl_bench.toolkit.setting_values import settings_of, value_of, variant_settings_of

SIZE = Setting("size", "Size.", kind=SettingKind.INTEGER, minimum=1, maximum=9, default="3")
ADDRESS = Setting("url", "Address.", env="SOME_URL", kind=SettingKind.ADDRESS, default="https://example.com")
GOOD = [
    (SIZE, "7", 7),
    (SIZE, 7, 7),
    (replace(SIZE, kind=SettingKind.NUMBER), "1e0", 1.0),
    (replace(SIZE, kind=SettingKind.NUMBER), 9, 9.0),
    (replace(SIZE, kind=SettingKind.FLAG), "Yes", True),
    (replace(SIZE, kind=SettingKind.FLAG), False, False),
    (Setting("c", "", kind=SettingKind.CHOICE, choices=("a", "")), "", ""),
    (Setting("t", "", default=""), " ", ""),
    (Setting("t", ""), 12, "12"),
    (Setting("t", "", pattern="Standard_.+"), "Standard_A1", "Standard_A1"),
    (Setting("p", "", kind=SettingKind.PATH), "~/x", "~/x"),
    (Setting("s", "", kind=SettingKind.STRUCTURE), [{"a": 1}], [{"a": 1}]),
    (ADDRESS, "https://example.com/api/", "https://example.com/api"),
    (ADDRESS, "us-central1-aiplatform.googleapis.com", "https://us-central1-aiplatform.googleapis.com"),
    (ADDRESS, "http://127.0.0.1:80", "http://127.0.0.1:80"),
    (ADDRESS, "http://[::1]:80/x", "http://[::1]:80/x"),
    (ADDRESS, "http://localhost", "http://localhost"),
]
BAD: list[tuple[Setting, Json]] = [
    *((SIZE, value) for value in ("0", "10", "x", "1.0", 1.0, True, None, "", [1])),
    *((replace(SIZE, kind=SettingKind.NUMBER), value) for value in ("nan", "inf", "1e999", "", True, None, [1])),
    *((replace(SIZE, kind=SettingKind.FLAG), value) for value in ("maybe", "", 2, None)),
    (Setting("c", "", kind=SettingKind.CHOICE, choices=("a", "")), 1),
    (Setting("t", "", default="x"), ""),
    (Setting("t", "", required=True), ""),
    (Setting("t", ""), [3]),
    (Setting("t", "", pattern="Standard_.+"), "t2.micro"),
    *(
        (ADDRESS, value)
        for value in (
            "http://example.com", "http://169.254.169.254", "ftp://example.com", "https://", "https://u:p@example.com",
            "https://example.com?x=1", "https://example.com#x", "file:///etc/passwd", "https://example.com:port", "", 3,
            "http://127.0.0.1.example.com", "https://[::1", "//example.com", "http://localhost.example.com",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "given", "value"), GOOD)
def test_a_value_is_read_from_text_or_toml(setting: Setting, given: Json, value: Json) -> None:
    found = value_of(setting, given)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("setting", "given"), BAD)
def test_any_other_value_is_refused_with_what_is_wanted(setting: Setting, given: Json) -> None:
    with pytest.raises(ValueError, match=r"a whole number|a number|true or false|one of|a text|an https address"):
        value_of(setting, given)


PLUGINS = ("azure", "huggingface", "local", "nyckel", "rekognition", "vertex")


@pytest.fixture(scope="module")
def registry() -> PluginRegistry:
    return PluginRegistry()


def settings_of_all(registry: PluginRegistry) -> list[tuple[Provider, Setting]]:
    return [(provider, each) for name in PLUGINS for provider in [Provider(registry, name)]
            for each in provider.description.settings]  # fmt: skip


def test_no_provider_takes_an_address_in_clear_text(registry: PluginRegistry) -> None:
    """The host refuses it, and so does the plugin itself."""
    every = settings_of_all(registry)
    addresses = [(provider, each) for provider, each in every if each.name.endswith(("url", "point"))]
    assert {provider.name for provider, _ in addresses} == set(PLUGINS) - {"local"}
    for provider, setting in addresses:
        assert setting.kind is SettingKind.ADDRESS, (provider.name, setting.name)
        required = {one.name: "x" for one in provider.description.settings if one.required and not one.secret}
        file = ProviderFile({**required, setting.name: "http://example.com"})
        with pytest.raises(InvalidSetting, match=rf"{setting.name} of the provider {provider.name} is .*https"):
            resolve_settings(provider.description, file, {})
        with pytest.raises(InvalidSetting):
            settings_of(provider.description.settings, {setting.name: "http://example.com"}, provider.name)


def test_every_default_and_every_variant_that_comes_along_is_of_its_kind(registry: PluginRegistry) -> None:
    for name in PLUGINS:
        description = Provider(registry, name).description
        for setting in (*description.settings, *(description.variant_settings or ())):
            if setting.default is not None and not setting.secret:
                value_of(setting, setting.default)
            assert setting.description.endswith("."), (name, setting.name)
        for variant in description.variants:
            resolve_variant(description, ProviderFile(), variant)


@pytest.mark.parametrize("name", PLUGINS)
def test_a_variant_s_unknown_key_is_refused_by_the_host_for_every_provider(registry: PluginRegistry, name: str) -> None:
    description = Provider(registry, name).description
    file = ProviderFile(variants={"mine": {"colour": 3}})
    with pytest.raises(UnknownSetting, match=f"{name}:mine: 'colour' is not a setting of a variant"):
        resolve_variant(description, file, "mine")


def test_a_near_miss_is_named() -> None:
    with pytest.raises(UnknownSetting) as caught:
        variant_settings_of([SIZE], Variant("acme", "mine", {"sise": 3}))
    assert caught.value.remedy == "Did you mean 'size'?"


@pytest.mark.parametrize("value", ["7", 10, 2.5, True, [1]])
def test_a_variant_s_wrong_value_names_variant_key_and_range(value: Any) -> None:
    with pytest.raises(InvalidSetting, match=r"acme:mine: size is") as caught:
        variant_settings_of([SIZE], Variant("acme", "mine", {"size": value}))
    assert caught.value.remedy == "Use a whole number from 1 to 9."


def test_an_empty_variable_is_one_that_is_not_set(registry: PluginRegistry) -> None:
    description = replace(Provider(registry, "local").description, settings=(ADDRESS,))
    file = ProviderFile({"url": "https://example.org"})
    assert resolve_settings(description, file, {"SOME_URL": ""}) == {"url": "https://example.org"}
    assert resolve_settings(description, file, {"SOME_URL": "example.net/"}) == {"url": "https://example.net"}


def test_a_text_of_a_variant_is_a_text_and_a_structure_is_what_it_is() -> None:
    declared = [Setting("name", "Name."), Setting("grid", "Grid.", kind=SettingKind.STRUCTURE)]
    with pytest.raises(InvalidSetting, match="acme:mine: name is 3"):
        variant_settings_of(declared, Variant("acme", "mine", {"name": 3}))
    assert variant_settings_of(declared, Variant("acme", "mine", {"grid": {"C": [1]}})) == {"grid": {"C": [1]}}
