"""`automl-bench run` over HTTP: digits, from upload to teardown, with a real accuracy and a bill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from azure_fake import DATASTORE_URI, SCORE, error
from azure_http import Answer
from azure_service import AzureService
from blob_server import azurite
from service_bench import ServiceBench, rows
from small_workspace import write_experiment

from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.store.records import StageStatus

TINY = """
datasets = ["tiny"]
providers = ["azure"]
shots = [5]
test_limit = 6
[parallel]
enabled = false
"""


class Bench(ServiceBench):
    def __init__(self, root: Path, azure: AzureService) -> None:
        super().__init__(root, azure.environment(), TINY, ("azure.identity", "azure.storage.blob", "requests"))
        self.azure = azure


@pytest.fixture
def bench(tmp_path: Path, quick_azure: AzureService) -> Bench:
    return Bench(tmp_path, quick_azure)


def test_digits_end_to_end(bench: Bench) -> None:
    assert bench("data", "fetch", "digits").returncode == ExitCode.OK
    experiment = TINY.replace('"tiny"', '"digits"').replace("[5]", "[10]").replace("= 6", "= 60")
    (row,) = rows(bench.run("--json", experiment=experiment))
    assert (row["test_samples"], row["failed"]) == (60, 0)
    assert row["accuracy"] > 0.6, "ten kinds of digits, ten of each"
    assert bench.azure.resources() == []
    assert bench.azure.blob_names() == []
    assert bench.azure.billing() == []
    assert len(bench.azure.door.puts("/images/")) == 100
    bill = bench.azure.fake.workspace.bill
    assert bill.training_seconds > 0
    assert bill.deployed_seconds > 0


def test_a_run_reports_what_the_service_says(bench: Bench) -> None:
    (row,) = rows(bench.run("--json"))
    assert row["accuracy"] == 1.0
    with open_store(bench.workspace.store_path, read_only=True) as store:
        (trial,) = store.trials()
        stages = {record.stage.value: record for record in store.stages(trial.trial_id)}
    assert stages["train"].work_seconds is not None
    assert stages["train"].work_seconds > 0
    assert stages["upload"].result["validation_data"] == "validation half"


def test_a_deployment_that_cannot_be_deleted_is_shouted_with_its_price(bench: Bench) -> None:
    bench.azure.fake.routes.delete_fails = True
    ended = bench.run()
    assert ended.returncode == ExitCode.RESOURCES_LEFT
    said = next(line for line in ended.stderr.splitlines() if "deployment" in line and "an hour" in line)
    assert "$0.29 an hour" in said
    assert "az ml online-endpoint delete --yes --name amlb-" in said
    assert "together $0.29 an hour" in bench("resources").stdout
    bench.azure.fake.routes.delete_fails = False
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.azure.resources() == []


def test_a_quota_ends_the_trial_with_one_sentence(bench: Bench) -> None:
    bench.azure.fake.fail("PUT computes", error(400, "ClusterCoreQuotaReached", "0 of 4 cores are left"), times=99)
    ended = bench.run()
    assert ended.returncode == ExitCode.PROVIDER
    assert "Azure answered ClusterCoreQuotaReached: 0 of 4 cores are left." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert bench.azure.fake.operations().count("PUT computes") == 1, "a quota is not asked for again"
    kept = bench.azure.resources()
    assert kept, "what was uploaded was paid for and stays for its retention"
    assert not any(line.startswith(("compute", "job", "endpoint")) for line in kept)
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.azure.resources() == []


def test_throttles_are_waited_out(bench: Bench) -> None:
    bench.azure.fake.fail("PUT jobs", error(429, "TooManyRequests", headers={"Retry-After": "0"}), times=2)
    bench.azure.fake.fail(SCORE, Answer(429, b"queue is full", {"Retry-After": "0"}), times=2)
    (row,) = rows(bench.run("--json"))
    assert row["failed"] == 0
    assert bench.azure.predictions() >= 6 + 2


def test_tokens_that_live_for_seconds_cost_no_row(bench: Bench) -> None:
    bench.azure.entra.expires_in = 2
    bench.azure.fake.workspace.pace.training = 4.0
    experiment = TINY.replace("enabled = false", "enabled = true\ncalls = 200\nconcurrency = 4")
    (row,) = rows(bench.run("--json", experiment=experiment))
    assert row["failed"] == 0
    assert bench.azure.entra.granted.count("https://management.azure.com") >= 4
    with open_store(bench.workspace.store_path, read_only=True) as store:
        (trial,) = store.trials()
        stages = {record.stage.value: record.status for record in store.stages(trial.trial_id)}
    assert stages.keys() >= {"upload", "train", "deploy", "invoke", "parallel"}
    assert StageStatus.FAILED not in stages.values()


def test_an_address_made_by_hand_is_measured_with_its_key_and_left_alone(bench: Bench, tmp_path: Path) -> None:
    for verb in ("upload", "train", "deploy"):
        ended = bench(verb, "azure", "tiny", "5")
        assert ended.returncode == ExitCode.OK, ended.stderr
    ((name, key),) = bench.azure.fake.workspace.keys.items()
    before = bench.azure.resources()
    other = Bench(tmp_path / "other", bench.azure)
    address = f"{bench.azure.fake.url}/score/{name}"
    arguments = ("invoke", "azure", "tiny", "5", "--test-limit", "6", "--endpoint", address)
    refused = other(*arguments)
    assert "export AUTOML_BENCH_AZURE_ENDPOINT_KEY" in refused.stderr
    other.environment["AUTOML_BENCH_AZURE_ENDPOINT_KEY"] = key
    measured = other(*arguments)
    assert measured.returncode == ExitCode.OK, measured.stderr
    assert bench.azure.predictions() >= 6
    assert other("teardown", "--all").returncode == ExitCode.OK
    assert bench.azure.resources() == before
    files = [path for path in other.root.rglob("*") if path.is_file()]
    assert not [path for path in files if key.encode() in path.read_bytes()]
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.azure.resources() == []


@pytest.fixture(params=["by token", "by key"])
def service(request: pytest.FixtureRequest) -> AzureService:
    """The servers, once for each way to reach the storage account."""
    found: AzureService = request.getfixturevalue("quick_azure" if request.param == "by token" else "azure_by_key")
    return found


def test_secrets_are_nowhere(service: AzureService, tmp_path: Path) -> None:
    azure, bench = service, Bench(tmp_path, service)
    outputs = []
    shown = [] if azure.by_key else [["report"], ["export"], ["resources", "--json"]]
    for arguments in (
        ["run", str(write_experiment(bench.root, TINY)), "--keep"],
        ["--debug", "providers", "check", "azure"],
        *shown,
    ):
        ended = bench(*arguments)
        outputs += [ended.stdout, ended.stderr]
    (key,) = azure.fake.workspace.keys.values()
    ended = bench("teardown", "--all")
    outputs += [ended.stdout, ended.stderr]
    bench.environment["AZURE_CLIENT_SECRET"] = wrong = "wrong~secret-4711-and-more"
    refused = bench("--debug", "providers", "check", "azure")
    assert "AADSTS7000215" in refused.stderr
    outputs += [refused.stdout, refused.stderr]
    tokens = [seen.request.headers["authorization"].removeprefix("Bearer ") for seen in azure.fake.seen]
    proofs = [seen.headers["authorization"].split(" ", 1)[1] for seen in azure.door.seen]
    hidden = {azure.entra.client_secret, azurite().key, key, wrong, *tokens, *proofs}
    files = [path for path in bench.root.rglob("*") if path.is_file()]
    assert len(files) > 10
    for secret in hidden:
        assert not [text for text in outputs if secret in text]
        assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_manifests_are_written_in_the_ancestor_s_format(bench: Bench) -> None:
    ended = bench("ablate", "tiny", "--shots", "5")
    assert ended.returncode == ExitCode.OK, ended.stderr
    written = sorted(bench.root.rglob("*_azure.csv"))
    assert len(written) == 3, "test, training and validation"
    header, first = written[0].read_text(encoding="utf-8").splitlines()[:2]
    assert header == "image_url,label"
    address, label = first.rsplit(",", 1)
    assert address.startswith(f"{DATASTORE_URI}automl-bench/images/tiny/")
    assert label in ("blue", "green", "red")
    assert bench.azure.requests() == []


def test_show_prints_settings_prices_and_the_role(bench: Bench) -> None:
    shown = bench("providers", "show", "azure")
    assert "AZUREML_WORKSPACE_NAME" in shown.stdout
    assert "0.526" in shown.stdout
    policy = bench("providers", "show", "azure", "--policy")
    assert policy.returncode == ExitCode.OK, policy.stderr
    role = json.loads(policy.stdout)
    assert "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/delete" in role["Actions"]
    assert not [action for action in role["Actions"] + role["DataActions"] if "*" in action], "nothing more than needed"


def test_the_training_is_bounded_by_the_budget(bench: Bench) -> None:
    ended = bench.run("--max-cost", "0.5")
    assert ended.returncode == ExitCode.BUDGET, ended.stderr
    assert bench.azure.creations() == []


def test_a_variant_is_checked_before_anything_is_made(bench: Bench) -> None:
    settings = bench.root / "configs" / "providers" / "azure.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('[variants.mine]\nmodel_name = "alexnet"\n', encoding="utf-8")
    ended = bench.run(experiment=TINY.replace('"azure"', '"azure:mine"'))
    assert "model_name is 'alexnet'. Use one of mobilenetv2" in ended.stderr, ended.stderr
    assert bench.azure.creations() == []
