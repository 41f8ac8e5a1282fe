"""Settings: environment over file over default; secrets from the environment only; errors name file and key."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from automl_bench.border.texts import HIDDEN, ScrubbingFilter, scrub
from automl_bench.contract import Capability, ProviderDescription, Setting
from automl_bench.errors import InvalidSetting, MissingSecret, SettingsError, UnknownSetting, UsageError
from automl_bench.settings.provider_files import read_provider_file, resolve_settings, resolve_variant
from automl_bench.settings.secrets import Secrets

DESCRIPTION = ProviderDescription(
    name="cloud",
    title="A Cloud",
    capabilities=frozenset({Capability.TRAIN}),
    settings=(
        Setting("region", "Where.", env="CLOUD_REGION", default="eu-1"),
        Setting("bucket", "Bucket for uploads.", env="CLOUD_BUCKET", required=True),
        Setting("key", "API key.", env="CLOUD_KEY", secret=True, required=True),
    ),
    variants={"default": {}, "large": {"budget": 8}},
)


def file_with(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = read_provider_file(file_with(tmp_path, '[settings]\nregion = "us-2"\nbucket = "mine"'))
    assert resolve_settings(DESCRIPTION, file, {}) == {"region": "us-2", "bucket": "mine"}
    assert resolve_settings(DESCRIPTION, file, {"CLOUD_REGION": "asia"})["region"] == "asia"
    assert resolve_settings(DESCRIPTION, read_provider_file(None), {"CLOUD_BUCKET": "b"})["region"] == "eu-1"


def test_a_required_setting_without_a_value_says_how_to_set_it() -> None:
    with pytest.raises(
        SettingsError, match=r"cloud needs the setting 'bucket'.*export CLOUD_BUCKET=… or set bucket in"
    ):
        resolve_settings(DESCRIPTION, read_provider_file(None), {})


def test_an_unknown_setting_gets_a_suggestion(tmp_path: Path) -> None:
    file = read_provider_file(file_with(tmp_path, '[settings]\nregoin = "x"'))
    with pytest.raises(UnknownSetting, match=r"cloud.toml: cloud has no setting 'regoin'.*Did you mean 'region'"):
        resolve_settings(DESCRIPTION, file, {})


def test_a_secret_may_not_stand_in_a_file(tmp_path: Path) -> None:
    file = read_provider_file(file_with(tmp_path, '[settings]\nkey = "hunter2"'))
    with pytest.raises(SettingsError, match="'key' is a secret") as caught:
        resolve_settings(DESCRIPTION, file, {"CLOUD_BUCKET": "b"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[settings\n", r"not valid TOML.*line 1"),
        ("[setings]\n", r"'setings' is not a section"),
        ("settings = 3\n", r"'settings' must be a table"),
        ("[variants]\nlarge = 3\n", r"'variants.large' must be a table"),
    ],
)
def test_a_broken_file_is_named_with_the_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_provider_file(file_with(tmp_path, text))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cloud.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_provider_file(path)


def test_a_variant_of_the_file_overrides_that_of_the_plugin(tmp_path: Path) -> None:
    file = read_provider_file(file_with(tmp_path, "[variants.large]\nbudget = 99\n[variants.mine]\nbudget = 1\n"))
    assert resolve_variant(DESCRIPTION, file, "large").settings == {"budget": 99}
    assert resolve_variant(DESCRIPTION, file, None).name == "default"
    with pytest.raises(UsageError, match="no variant 'lagre'.*cloud:large"):
        resolve_variant(DESCRIPTION, file, "lagre")


def test_a_missing_secret_names_its_variable() -> None:
    secrets = Secrets("cloud", DESCRIPTION.settings, {})
    assert secrets.missing() == ["CLOUD_KEY"]
    with pytest.raises(MissingSecret, match="cloud needs CLOUD_KEY.*export CLOUD_KEY"):
        secrets("key")


def test_an_undeclared_secret_is_not_handed_out() -> None:
    with pytest.raises(UsageError, match="declares no secret named 'other'"):
        Secrets("cloud", DESCRIPTION.settings, {"OTHER": "x"})("other")


def test_a_secret_is_scrubbed_from_text_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    value = "s3cr3t-value-of-the-test"
    secrets = Secrets("cloud", DESCRIPTION.settings, {"CLOUD_KEY": value})
    assert value not in repr(secrets)
    assert scrub(f"token {value} refused") == f"token {HIDDEN} refused"
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "bad key %s", (value,), None)
    assert ScrubbingFilter().filter(record)
    assert value not in record.getMessage()


def test_a_wrong_type_in_a_provider_file_is_an_invalid_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting):
        read_provider_file(file_with(tmp_path, "variants = []"))
