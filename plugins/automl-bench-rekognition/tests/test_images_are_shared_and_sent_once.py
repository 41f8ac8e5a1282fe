"""What goes to S3: each content once, only what is new, under a claim that outlives no trial."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from automl_bench_rekognition import claims, plugin, shipping
from automl_bench_rekognition.account import account_of
from aws_service import AwsService
from trial_of_squares import COLOURS, SIZE, Trial, sample

from automl_bench.contract import Deletion, LabelledSample, Sample, TrainingSet
from automl_bench.errors import Infeasible, PermissionDenied, ProviderError, RequestRefused, ServiceUnavailable
from automl_bench.testing.hook_trial import coloured_squares

IMAGES = "automl-bench/images/"
TRIALS = "automl-bench/trials/"


def images(aws: AwsService) -> list[str]:
    return [key for key in aws.object_keys() if key.startswith(IMAGES)]


def test_an_image_is_named_by_its_content_and_stored_with_its_checksum(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    wanted = {item.sample.sample_id for item in (*trial.set.train, *trial.set.validation)}
    assert {Path(key).stem for key in images(aws)} == wanted
    for key in images(aws):
        stored = aws.s3.get_object(Bucket=aws.bucket, Key=key)["Body"].read()
        assert hashlib.sha256(stored).hexdigest() == Path(key).stem
    put = next(each for each in aws.s3_server.seen if each.method == "PUT" and "/images/" in each.path)
    digest = hashlib.sha256(put.body)
    assert put.headers["x-amz-content-sha256"] == digest.hexdigest()
    assert put.headers["x-amz-checksum-sha256"] == base64.b64encode(digest.digest()).decode()
    assert put.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
    assert "x-amz-checksum-sha256" in put.headers["authorization"], "the checksum is signed too"
    assert not put.query, "no signature in an address, where logs would keep it"


def test_a_second_upload_sends_nothing(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    before = len(aws.s3_server.puts())
    again = trial.upload()
    assert aws.s3_server.puts()[before:] == []
    assert again.result["images_sent"] == 0
    assert again.result["images"] == 15


def test_a_larger_nested_ablation_sends_only_what_is_new(aws: AwsService, tmp_path: Path) -> None:
    Trial(tmp_path, "aaaaaaaaaaaa", shots=5).upload()
    before = len(aws.s3_server.puts(IMAGES))
    larger = Trial(tmp_path, "bbbbbbbbbbbb", shots=20).upload()
    assert len(aws.s3_server.puts(IMAGES)) - before == 3 * 15
    assert larger.result["images_sent"] == 3 * 15
    assert larger.result["images"] == 3 * 20


def test_a_killed_upload_goes_on_where_it_was(aws: AwsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(tmp_path)
    aws.s3_server.refuse("PUT", "403 Forbidden", "AccessDenied")  # the first PUT is the claim
    with pytest.raises(PermissionDenied):
        trial.upload()
    assert images(aws) == [], "nothing is sent before it is claimed"
    monkeypatch.setattr(shipping, "IN_FLIGHT", 1)
    sent = 0

    def die(*_: object) -> None:
        nonlocal sent
        sent += 1
        if sent == 7:
            raise KeyboardInterrupt

    trial.progress = die
    with pytest.raises(KeyboardInterrupt):
        trial.upload()
    stored = len(images(aws))
    assert 6 <= stored < 15
    again = trial.upload()
    assert again.result["images_sent"] == 15 - stored


def test_teardown_leaves_the_images_that_another_trial_needs(aws: AwsService, tmp_path: Path) -> None:
    small, large = Trial(tmp_path, "aaaaaaaaaaaa", shots=5), Trial(tmp_path, "bbbbbbbbbbbb", shots=10)
    small.upload()
    large.upload()
    large.tear_down()
    assert {Path(key).stem for key in images(aws)} == {
        item.sample.sample_id for item in (*small.set.train, *small.set.validation)
    }
    assert len(aws.policy()) == 3, "the other trial still needs the service let in"
    small.train()  # and it can go on
    small.tear_down()
    assert aws.object_keys() == []
    assert aws.policy() == []


def test_the_smaller_can_leave_first(aws: AwsService, tmp_path: Path) -> None:
    small, large = Trial(tmp_path, "aaaaaaaaaaaa", shots=5), Trial(tmp_path, "bbbbbbbbbbbb", shots=10)
    small.upload()
    large.upload()
    small.tear_down()
    assert len(images(aws)) == 3 * 10
    large.tear_down()
    assert aws.object_keys() == []


def test_two_that_leave_at_the_same_moment_leave_nothing(
    aws: AwsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each finds the other's claim and keeps its images; whoever goes last must look again."""
    first, second = Trial(tmp_path, "aaaaaaaaaaaa"), Trial(tmp_path, "bbbbbbbbbbbb")
    first.upload()
    second.upload()
    closing = claims._close_bucket
    met = []

    def meanwhile(*arguments: Any) -> bool:
        if not met:
            met.append(True)
            second.tear_down()
        return closing(*arguments)

    monkeypatch.setattr(claims, "_close_bucket", meanwhile)
    first.tear_down()
    assert met
    assert images(aws) == []
    assert aws.policy() == []


def test_a_teardown_killed_between_claim_and_images_is_finished_by_the_next(
    aws: AwsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    deleting = claims._delete_unneeded
    with monkeypatch.context() as patch:
        patch.setattr(claims, "_delete_unneeded", lambda *_: None)
        trial.tear_down()
    assert images(aws), "the claim is gone, the images are not"
    assert claims._delete_unneeded is deleting
    account = account_of(trial.context)
    assert claims.release(account, trial.context.name_for("samples")) is Deletion.DELETED
    assert images(aws) == []
    assert claims.release(account, trial.context.name_for("samples")) is Deletion.ALREADY_GONE


def test_an_image_lost_to_another_teardown_is_noticed_and_sent_again(aws: AwsService, tmp_path: Path) -> None:
    Trial(tmp_path, "aaaaaaaaaaaa").upload()
    lost = images(aws)[0]
    trial = Trial(tmp_path, "bbbbbbbbbbbb", shots=10)
    account = account_of(trial.context)
    shipment = shipping.pack(account.bucket, trial.set)

    def deletes_meanwhile(requests: object, **_: object) -> object:
        aws.s3.delete_object(Bucket=aws.bucket, Key=lost)
        from automl_bench.transport.bulk import send_all

        return send_all(requests)  # type: ignore[arg-type]

    send = trial.context.send
    trial.send = deletes_meanwhile
    with pytest.raises(ServiceUnavailable, match="1 of 30 images left the bucket"):
        shipping.send(account, shipment, trial.context)
    trial.send = send
    assert shipping.send(account, shipment, trial.context) == 1


def test_images_without_a_claim_are_listed_and_removed(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    for key in aws.object_keys():
        if key.startswith(TRIALS):
            aws.s3.delete_object(Bucket=aws.bucket, Key=key)
    (found,) = [each for each in plugin.list_resources(trial.context, "automl-bench") if each.kind == "unclaimed"]
    assert found.name.startswith("automl-bench")
    assert trial.delete(found) is Deletion.DELETED
    assert aws.object_keys() == []
    assert aws.policy() == []
    assert trial.delete(found) is Deletion.ALREADY_GONE


def test_below_five_shots_the_training_half_is_the_test_dataset_too(aws: AwsService, tmp_path: Path) -> None:
    done = Trial(tmp_path, shots=2).upload()
    assert done.result["test_dataset"] == "training half"
    assert done.result["entries"] == {"train-dataset": 6, "test-dataset": 6}


def test_the_validation_half_is_the_test_dataset(aws: AwsService, tmp_path: Path) -> None:
    done = Trial(tmp_path, shots=10).upload()
    assert done.result["test_dataset"] == "validation half"
    assert done.result["entries"] == {"train-dataset": 24, "test-dataset": 6}


def test_the_manifest_has_the_documented_form(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    key = next(key for key in aws.object_keys() if key.endswith("/train.manifest"))
    assert key == "automl-bench/trials/automl-bench-0123456789ab-samples/train.manifest"
    lines = aws.s3.get_object(Bucket=aws.bucket, Key=key)["Body"].read().decode().splitlines()
    rows = [json.loads(line) for line in lines]
    assert {row["class-metadata"]["class-name"] for row in rows} == set(COLOURS)
    assert all(row["source-ref"].startswith(f"s3://{aws.bucket}/{IMAGES}squares/") for row in rows)
    assert rows[0]["class-metadata"].keys() == {
        "confidence", "job-name", "class-name", "human-annotated", "creation-date", "type",
    }  # fmt: skip


def test_samples_of_equal_content_are_one_image(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    twin = trial.set.train[0]
    twice = TrainingSet("squares", trial.set.labels, (*trial.set.train, twin), trial.set.validation)
    shipment = shipping.pack("b-b-b", twice)
    assert len(shipment.images) == 15
    assert shipment.manifests["train.manifest"].count(b"\n") == 12


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        ("403 Forbidden", "AccessDenied", PermissionDenied),
        ("400 Bad Request", "BadDigest", RequestRefused),
    ],
)
def test_refused_images_are_one_error_with_their_count(
    aws: AwsService, tmp_path: Path, status: str, code: str, error: type[ProviderError]
) -> None:
    trial = Trial(tmp_path)
    account = account_of(trial.context)
    shipment = shipping.pack(account.bucket, trial.set)
    aws.s3_server.refuse("PUT", status, code, times=99)
    with pytest.raises(error, match=f"15 of 15 images were not stored: AWS answered {code}"):
        shipping.send(account, shipment, trial.context)


def test_an_image_refused_in_passing_is_sent_again(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    account = account_of(trial.context)
    shipment = shipping.pack(account.bucket, trial.set)
    aws.s3_server.refuse("PUT", "503 Slow Down", "SlowDown", times=5)
    assert shipping.send(account, shipment, trial.context) == 15
    assert len(images(aws)) == 15


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    gone = Sample("0" * 64, tmp_path / "gone.png", 1, "image/png", 64, 64)
    with pytest.raises(RequestRefused, match=r"gone\.png: No such file"):
        shipping.pack("b-b-b", TrainingSet("d", ("x",), (LabelledSample(gone, "x"),), ()))


def test_an_image_that_is_too_thin_is_infeasible_before_any_request(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    thin = sample(tmp_path, "brick", 1, (64, 64 * 21))
    trial.set = TrainingSet("squares", trial.set.labels, (*trial.set.train, thin), ())
    with pytest.raises(Infeasible, match=r"20-fold .* 64 × 1344 px"):
        trial.upload()
    assert aws.requests() == []


def test_another_file_type_is_refused_before_any_request(aws: AwsService, tmp_path: Path) -> None:
    base = coloured_squares(tmp_path, 1, size=SIZE)
    item = base.train[0]
    other = Sample(item.sample.sample_id, item.sample.path, item.sample.size_bytes, "image/webp", 64, 64)
    trial = Trial(tmp_path)
    trial.set = TrainingSet("squares", base.labels, (LabelledSample(other, item.label),), ())
    with pytest.raises(RequestRefused, match="takes PNG and JPEG, not image/webp"):
        trial.upload()
    assert aws.requests() == []


def test_a_claim_that_cannot_be_read_keeps_images_alive(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    damaged = f"{TRIALS}automl-bench-ffffffffffff-samples/train.manifest"
    aws.s3.put_object(Bucket=aws.bucket, Key=damaged, Body=b"{broken")
    with pytest.raises(RequestRefused, match="Line 1 of a manifest in the bucket is damaged"):
        trial.tear_down()
    assert len(images(aws)) == 15
