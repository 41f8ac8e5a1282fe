"""The bucket's policy: our statements come and go by name; those of others never change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from automl_bench_rekognition import bucket_policy
from automl_bench_rekognition.account import account_of
from aws_service import AwsService
from trial_of_squares import Trial

from automl_bench.errors import InvalidSetting, PermissionDenied

FOREIGN: dict[str, Any] = {
    "Sid": "SomebodyElses",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:DeleteBucket",
    "Resource": "arn:aws:s3:::any",
}


def put(aws: AwsService, *statements: dict[str, Any]) -> None:
    document = {"Version": "2012-10-17", "Id": "theirs", "Statement": list(statements)}
    aws.s3.put_bucket_policy(Bucket=aws.bucket, Policy=json.dumps(document))


def test_statements_are_narrowed_to_our_prefix(aws: AwsService, tmp_path: Path) -> None:
    Trial(tmp_path).upload()
    assert aws.policy() == bucket_policy.statements(aws.bucket)
    read, write = aws.policy()[1:]
    assert read["Resource"] == f"arn:aws:s3:::{aws.bucket}/automl-bench/*"
    assert write["Resource"] == f"arn:aws:s3:::{aws.bucket}/automl-bench/trials/*"
    assert {each["Principal"]["Service"] for each in aws.policy()} == {"rekognition.amazonaws.com"}


def test_foreign_statements_stay_before_during_and_after(aws: AwsService, tmp_path: Path) -> None:
    put(aws, FOREIGN)
    trial = Trial(tmp_path)
    trial.upload()
    assert aws.policy()[0] == FOREIGN
    assert len(aws.policy()) == 4
    trial.tear_down()
    assert aws.policy() == [FOREIGN]
    document = json.loads(aws.s3.get_bucket_policy(Bucket=aws.bucket)["Policy"])
    assert document["Id"] == "theirs"


def test_a_policy_that_was_ours_alone_is_deleted(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    trial.tear_down()
    with pytest.raises(aws.s3.exceptions.ClientError, match="NoSuchBucketPolicy"):
        aws.s3.get_bucket_policy(Bucket=aws.bucket)


def test_it_is_written_once(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    trial.upload()
    trial.train()
    writes = [each for each in aws.s3_server.seen if each.method == "PUT" and each.query.startswith("policy")]
    assert len(writes) == 1


def test_an_outdated_statement_of_ours_is_replaced(aws: AwsService, tmp_path: Path) -> None:
    put(aws, FOREIGN, {**bucket_policy.statements(aws.bucket)[1], "Action": "s3:GetObject"})
    bucket_policy.grant(account_of(Trial(tmp_path).context))
    assert aws.policy() == [FOREIGN, *bucket_policy.statements(aws.bucket)]


def test_a_trial_that_begins_while_the_last_one_leaves_keeps_the_statements(
    aws: AwsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    real = bucket_policy.revoke

    def revoke_and_meet(account: Any) -> bool:
        done = real(account)
        key = "automl-bench/trials/automl-bench-ffffffffffff-samples/train.manifest"
        aws.s3.put_object(Bucket=aws.bucket, Key=key, Body=b"")
        return done

    monkeypatch.setattr(bucket_policy, "revoke", revoke_and_meet)
    trial.tear_down()
    assert aws.policy() == bucket_policy.statements(aws.bucket)


def test_left_to_the_user_it_is_never_written(aws: AwsService, tmp_path: Path) -> None:
    put(aws, *bucket_policy.statements(aws.bucket), FOREIGN)
    aws.s3_server.seen.clear()
    trial = Trial(tmp_path, manage_bucket_policy="false")
    trial.upload()
    trial.train()
    trial.tear_down()
    writes = [each for each in aws.s3_server.seen if "policy" in each.query and each.method != "GET"]
    assert writes == []
    assert len(aws.policy()) == 4


def test_without_permission_the_remedy_is_the_policy_command(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    account = account_of(trial.context)
    aws.s3_server.refuse("PUT", "403 Forbidden", "AccessDenied")
    with pytest.raises(PermissionDenied, match="providers show rekognition --policy"):
        bucket_policy.grant(account)


def test_a_setting_that_is_neither_true_nor_false_is_refused(aws: AwsService, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="manage_bucket_policy of .* is 'perhaps', not true or false"):
        Trial(tmp_path, manage_bucket_policy="perhaps").upload()
