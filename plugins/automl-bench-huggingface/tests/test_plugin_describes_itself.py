"""What the plugin says of itself holds: without its SDK, for every variant, with the script that it publishes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from automl_bench_huggingface import fine_tuning, plugin, train_image_classifier, train_text_classifier
from automl_bench_huggingface.description import DESCRIPTION
from automl_bench_huggingface.packing import PROGRAMS
from automl_bench_huggingface.prices import job_hour_usd
from automl_bench_huggingface.recipes import VARIANTS, Recipe
from automl_bench_huggingface.training_jobs import Assignment
from hub_container import HEADER, loaded
from hub_fake import ORGANIZATION, USER, HubFake
from huggingface_hub._jobs_api import JobHardware
from huggingface_trial import HuggingfaceTrial, recipe

from automl_bench.contract import Counted, Modality, Variant
from automl_bench.errors import PermissionDenied, RequestRefused, SettingsError

PACKAGE = Path(__file__).resolve().parents[1]


def fresh_python(code: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_importing_the_plugin_loads_no_sdk() -> None:
    code = (
        "import sys, automl_bench_huggingface.plugin as p; p.describe_provider(); "
        "print([m for m in ('huggingface_hub', 'httpx2', 'torch', 'transformers', 'numpy') if m in sys.modules])"
    )
    assert fresh_python(code).strip() == "[]"


def test_loading_the_sdk_leaves_the_environment_as_it_was() -> None:
    code = (
        "import os; before = dict(os.environ); from automl_bench_huggingface.door import sdk; sdk(); "
        "import huggingface_hub.constants as c; "
        "print(dict(os.environ) == before, c.HF_HUB_DISABLE_TELEMETRY, c.HF_HUB_DISABLE_PROGRESS_BARS)"
    )
    assert fresh_python(code).strip() == "True True True"
    # What a user has set himself holds.
    assert fresh_python(code, HF_HUB_DISABLE_PROGRESS_BARS="0").strip() == "True True False"


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_has_known_prices_and_hardware(trial: HuggingfaceTrial, name: str) -> None:
    trial.variant = Variant("huggingface", name, VARIANTS[name])
    recipe = Recipe.of(trial.variant)
    assert recipe.flavor in {each.value for each in JobHardware}
    prices = {price.item: price for price in plugin.price(trial.context)}
    assert prices.keys() == {"train_hour", "endpoint_hour", "call"}
    assert prices["train_hour"].usd == 0.40
    assert prices["train_hour"].per_trial == 2.0, "the time-out bounds a training"
    assert prices["endpoint_hour"].usd is not None
    assert prices["endpoint_hour"].counted is Counted.SERVING_HOURS, "the host's deadlines bound the one replica"
    assert trial.fake.wire.operations() == []


def test_every_hardware_that_the_sdk_knows_has_a_price() -> None:
    assert [each.value for each in JobHardware if job_hour_usd(each.value) is None] == []


def test_hardware_without_a_known_price_has_an_unknown_one(trial: HuggingfaceTrial) -> None:
    trial.variant = Variant("huggingface", "x", {"flavor": "tpu-v9", "instance_type": "inf2"})
    prices = {price.item: price.usd for price in plugin.price(trial.context)}
    assert prices == {"train_hour": None, "endpoint_hour": None, "call": 0.0}


def test_autotrain_has_its_published_defaults() -> None:
    recipe = Recipe.of(Variant("huggingface", "autotrain", VARIANTS["autotrain"]))
    assert recipe.base_model == "google/vit-base-patch16-224"
    assert (recipe.learning_rate, recipe.epochs, recipe.batch_size, recipe.warmup_ratio) == (5e-5, 3, 8, 0.1)
    assert (recipe.seed, recipe.patience, recipe.threshold, recipe.select_by) == (42, 5, 0.01, "loss")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rat": 0.1}, "'learning_rat' is not a setting of a variant"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 2.5}, "epochs is 2.5"),
        ({"epochs": True}, "epochs is True"),
        ({"epochs": "3"}, "epochs is '3'"),
        ({"from_scratch": 1}, "from_scratch is 1"),
        ({"learning_rate": 2}, "learning_rate is 2"),
        ({"warmup_ratio": 1.5}, "warmup_ratio"),
        ({"select_by": "f1"}, "select_by is 'f1'"),
        ({"flavor": ""}, "flavor is ''"),
        ({"timeout_minutes": -1}, "timeout_minutes is -1"),
        ({"scale_to_zero_minutes": -5}, "scale_to_zero_minutes is -5"),
    ],
)
def test_a_variant_that_cannot_be_is_refused_before_any_request(
    trial: HuggingfaceTrial, settings: dict[str, object], words: str
) -> None:
    trial.variant = Variant("huggingface", "odd", settings)
    for hook in (plugin.check_access, plugin.price, plugin.train, plugin.deploy):
        with pytest.raises(SettingsError, match=re.escape(words)):
            hook(trial.context)
    with pytest.raises(SettingsError, match=re.escape(words)):
        trial.upload()
    assert trial.fake.wire.operations() == []


def test_access_is_one_question(trial: HuggingfaceTrial) -> None:
    report = plugin.check_access(trial.context)
    assert (report.ok, report.account) == (True, "bench-user")
    assert trial.fake.wire.operations() == ["whoami"]
    trial.fake.account["canPay"] = False
    assert any("no payment method" in note for note in plugin.check_access(trial.context).notes)


def token_of(role: str, **scopes: list[str]) -> dict[str, object]:
    """Return what the service says of a token; of a fine-grained one with its permissions by name of the owner."""
    scoped = [{"entity": {"type": "user", "name": name}, "permissions": held} for name, held in scopes.items()]
    grained = {"fineGrained": {"global": [], "scoped": scoped}} if role == "fineGrained" else {}
    return {"type": "access_token", "accessToken": {"displayName": "planted", "role": role, **grained}}


ALL = ["repo.write", "job.write", "inference.endpoints.write", "inference.endpoints.infer.write"]


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        (token_of("read"), "may only read"),
        (token_of("fineGrained", **{USER: ["repo.content.read"]}), "write repositories \\(repo.write\\)"),
        (token_of("fineGrained", **{USER: ALL[:2]}), "manage Inference Endpoints"),
        (token_of("fineGrained", **{USER: ALL[:3]}), "make calls to Inference Endpoints"),
        (token_of("fineGrained", **{USER: [ALL[0], *ALL[2:]]}), "start and manage Jobs"),
        (token_of("fineGrained", **{"somebody-else": ALL}), f"for {USER}"),
    ],
)
def test_a_token_that_cannot_do_all_is_refused_before_anything_is_made(
    trial: HuggingfaceTrial, auth: dict[str, object], words: str
) -> None:
    trial.fake.account["auth"] = auth
    with pytest.raises(PermissionDenied, match=words) as caught:
        plugin.check_access(trial.context)
    assert "providers show huggingface --policy" in caught.value.remedy
    assert trial.fake.wire.operations() == ["whoami"]


@pytest.mark.parametrize(
    "auth", [token_of("write"), token_of("admin"), token_of("fineGrained", **{USER: ALL}), {}, {"accessToken": None}]
)
def test_a_token_that_can_do_all_passes_and_an_unknown_one_is_told(
    trial: HuggingfaceTrial, auth: dict[str, object]
) -> None:
    trial.fake.account["auth"] = auth
    notes = plugin.check_access(trial.context).notes
    assert any("does not say what this token may do" in note for note in notes) is not bool(auth.get("accessToken"))


def test_access_tells_whether_the_owner_is_one_of_the_tokens(trial: HuggingfaceTrial) -> None:
    for owner, doubted in ((ORGANIZATION, False), (USER, False), ("somebody-else", True)):
        trial.settings["namespace"] = owner
        notes = plugin.check_access(trial.context).notes
        assert any("does not say that this token may act for" in note for note in notes) is doubted


def test_an_organizations_token_needs_a_namespace(trial: HuggingfaceTrial) -> None:
    trial.fake.account["type"] = "org"
    trial.settings["namespace"] = ""
    with pytest.raises(RequestRefused, match="AUTOML_BENCH_HUGGINGFACE_NAMESPACE"):
        trial.upload()


def test_the_policy_names_every_route_that_is_used(trial: HuggingfaceTrial) -> None:
    trial.up()
    plugin.list_resources(trial.context, "automl-bench")
    trial.tear_down()
    paths = {request.path for request in trial.fake.wire.seen if request.operation not in ("lfs_put", "cdn")}
    told = ("/api/repos/", "/api/datasets", "/api/models", "/api/jobs/", "/v2/endpoint/", "info/lfs/", "/resolve/")
    assert not [path for path in paths if not any(part in path for part in told) and "/serve/" not in path]
    assert all(part in DESCRIPTION.policy for part in told)


# --- the published script ----------------------------------------------------------------------------------------


SCRIPTS = {Modality.IMAGE: train_image_classifier, Modality.TEXT: train_text_classifier}


def published(name: str) -> str:
    return (PACKAGE / "src/automl_bench_huggingface" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("modality", PROGRAMS)
def test_a_script_pins_what_it_is_tested_with(modality: Modality) -> None:
    found = HEADER.search(published(PROGRAMS[modality][0]))
    assert found
    header = tomllib.loads(re.sub(r"(?m)^# ?", "", found[1]))
    lines = (PACKAGE / "training-requirements.txt").read_text(encoding="utf-8").splitlines()
    tested = [line for line in lines if line and not line.startswith("#")]
    needed = [each for each in tested if modality is Modality.IMAGE or not each.startswith("pillow")]
    assert header["dependencies"] == needed
    assert all("==" in requirement for requirement in tested)


@pytest.mark.parametrize("modality", PROGRAMS)
def test_a_script_imports_nothing_but_what_its_header_names_and_lies_beside_it(modality: Modality) -> None:
    beside = {Path(name).stem for name in PROGRAMS[modality]}
    for name in PROGRAMS[modality]:
        if name == "decoding.py":
            continue
        lines = published(name).replace("    from automl_bench_huggingface import fine_tuning\n", "")
        names = set(re.findall(r"(?m)^\s*(?:from|import) ([\w]+)", lines))
        assert names - sys.stdlib_module_names <= {"huggingface_hub", "numpy", "torch", "transformers", *beside}


@pytest.mark.parametrize("modality", SCRIPTS)
def test_a_script_knows_every_key_that_the_job_is_told(modality: Modality) -> None:
    assignment = Assignment("u/d", "c" * 40, "u/m", 3, recipe(), modality)
    told = assignment.environment("https://huggingface.co")[fine_tuning.RECIPE]
    its_own = SCRIPTS[modality].Recipe
    understood = its_own.from_json(told)
    assert (understood.dataset, understood.seed, understood.patience) == ("u/d", 3, None)
    assert set(json.loads(told)) == {each.name for each in fields(its_own)}
    for odd in ({**json.loads(told), "extra": 1}, {"dataset": "u/d"}):
        with pytest.raises(ValueError, match="keys differ"):
            its_own.from_json(json.dumps(odd))


def test_the_script_reads_what_was_uploaded_and_nothing_less(
    trial: HuggingfaceTrial, hub: HubFake, tmp_path: Path
) -> None:
    operation = trial.upload()
    files = hub.repositories.repo("dataset", str(operation.result["dataset"])).head
    for path, blob in files.items():
        (tmp_path / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / path).write_bytes(blob.content)
    module = loaded({name: files[f"training/{name}"].content for name in PROGRAMS[Modality.IMAGE]})
    labels, halves = module.read_folder(tmp_path / "root")
    assert labels == sorted(trial.set.labels)
    assert {half: len(found) for half, found in halves.items()} == {"train": 12, "validation": 3}
    halves["train"][0].path.unlink()
    with pytest.raises(ValueError, match="1 listed images are not in the repository"):
        module.read_folder(tmp_path / "root")
    with pytest.raises(ValueError, match="no train/metadata.csv"):
        module.read_folder(tmp_path / "nothing")


def test_the_better_epoch_is_the_one_that_was_asked_for() -> None:
    score = fine_tuning.Score
    assert score(0.9, 0.5).better_than(score(0.8, 0.1), "accuracy")
    assert score(0.8, 0.1).better_than(score(0.9, 0.5), "loss")
    assert score(0.9, 0.4).better_than(score(0.9, 0.5), "accuracy"), "a tie goes to the lower loss"
    assert score(0.9, 0.5).progress_over(score(0.8, 0.1), "accuracy") == pytest.approx(0.1)
    assert score(0.9, 0.5).progress_over(score(0.8, 0.1), "loss") == pytest.approx(-0.4)
