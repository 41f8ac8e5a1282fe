"""The least-privilege permissions that the plugin needs, as an IAM policy document."""

from __future__ import annotations

import json

from automl_bench.contract import NAME_PREFIX

BUCKET = "YOUR-BUCKET"
"""What stands in the document where the bucket's name belongs."""

KEY = "YOUR-KEY"
"""What stands where the id of the bucket's KMS key belongs; a bucket without one needs no such statement."""

_PROJECTS = f"arn:aws:rekognition:*:*:project/{NAME_PREFIX}-*"

_STATEMENTS = [
    {
        "Sid": "FindProjects",
        "Effect": "Allow",
        "Action": ["rekognition:DescribeProjects"],
        "Resource": "*",
    },
    {
        "Sid": "OwnProjectsOnly",
        "Effect": "Allow",
        "Action": [
            "rekognition:CreateProject",
            "rekognition:DeleteProject",
            "rekognition:CreateDataset",
            "rekognition:DescribeDataset",
            "rekognition:ListDatasetEntries",
            "rekognition:DeleteDataset",
            "rekognition:CreateProjectVersion",
            "rekognition:DescribeProjectVersions",
            "rekognition:StartProjectVersion",
            "rekognition:StopProjectVersion",
            "rekognition:DeleteProjectVersion",
            "rekognition:DetectCustomLabels",
            "rekognition:TagResource",
            "rekognition:ListTagsForResource",
        ],
        "Resource": _PROJECTS,
    },
    {
        "Sid": "Bucket",
        "Effect": "Allow",
        "Action": [
            "s3:ListBucket",
            "s3:GetBucketAcl",
            "s3:GetBucketLocation",
            "s3:GetBucketPolicy",
            "s3:PutBucketPolicy",
            "s3:DeleteBucketPolicy",
        ],
        "Resource": f"arn:aws:s3:::{BUCKET}",
    },
    {
        "Sid": "OwnObjectsOnly",
        "Effect": "Allow",
        "Action": [
            "s3:GetObject",
            "s3:GetObjectAcl",
            "s3:GetObjectTagging",
            "s3:GetObjectVersion",
            "s3:PutObject",
            "s3:DeleteObject",
        ],
        "Resource": f"arn:aws:s3:::{BUCKET}/{NAME_PREFIX}/*",
    },
    {
        "Sid": "OnlyForBucketsEncryptedWithKms",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": f"arn:aws:kms:*:*:key/{KEY}",
    },
]

POLICY = json.dumps({"Version": "2012-10-17", "Statement": _STATEMENTS}, indent=2)
