"""Names of everything that is made at Hugging Face, so that each is found again from its name alone.

automl-bench-<trial>-dataset   private dataset repository: images, their labels, the training script
automl-bench-<trial>-model     private model repository, to which the job pushes
automl-bench-<trial>-train     label `name` of the job
automl-bench-<trial>-live      endpoint; its name may have about 30 characters
"""

from __future__ import annotations

import re

from automl_bench.contract import NAME_PREFIX, TrialContext

DATASET = "dataset-repo"
MODEL = "model-repo"
JOB = "training-job"
ENDPOINT = "endpoint"

SUFFIXES = {DATASET: "dataset", MODEL: "model", JOB: "train", ENDPOINT: "live"}
"""Last part of the name by kind."""

REPO_TYPES = {DATASET: "dataset", MODEL: "model"}
"""The Hub's word by our kind."""

LONGEST_NAMES = {ENDPOINT: 30}
"""Characters that a name may have, where that is few."""

_TRIAL_NAME = re.compile(rf"({re.escape(NAME_PREFIX)}-[0-9a-f]{{12}})-(\w+)")


def name_of(context: TrialContext, kind: str) -> str:
    """Return the name of a trial's resource of a kind."""
    return context.name_for(SUFFIXES[kind], max_length=LONGEST_NAMES.get(kind, 63))


def is_ours(name: str, kind: str) -> bool:
    """Whether a name is one that this plugin gives to a resource of the kind."""
    found = _TRIAL_NAME.fullmatch(name)
    return found is not None and found.group(2) == SUFFIXES[kind]


def stem(name: str) -> str:
    """Return what the names of all resources of a trial begin with."""
    found = _TRIAL_NAME.fullmatch(name)
    return found.group(1) if found else name
