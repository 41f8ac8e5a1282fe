"""Names of everything that is made at Hugging Face, so that each is found again from its name alone.

<stem>-dataset   private dataset repository: samples, their labels, the training script
<stem>-model     private model repository, to which the job pushes
<stem>-train     label `name` of the job
<stem>           endpoint; its name may have 32 characters, which leaves none for the kind

where the stem is automl-bench-<workspace>-<trial>. Names made before workspaces had ids begin with
automl-bench-<trial>, and their endpoint ends in -live. Jobs and endpoints carry labels or tags that say whose they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from automl_bench.contract import (
    Owner,
    TrialContext,
    owner_from_tags,
    owner_tags,
    parse_name,
    resource_name,
)

DATASET = "dataset-repo"
MODEL = "model-repo"
JOB = "training-job"
ENDPOINT = "endpoint"

SUFFIXES = {DATASET: "dataset", MODEL: "model", JOB: "train", ENDPOINT: "live"}
"""Last part of the name by kind."""

REPO_TYPES = {DATASET: "dataset", MODEL: "model"}
"""The Hub's word by our kind."""

LONGEST_NAMES = {ENDPOINT: 32}
"""Characters that a name may have, where that is few."""


def name_of(context: TrialContext, kind: str) -> str:
    """Return the name of a trial's resource of a kind."""
    return context.name_for(SUFFIXES[kind], max_length=LONGEST_NAMES.get(kind, 63))


def is_ours(name: str, kind: str) -> bool:
    """Whether a name is one that this plugin gives to a resource of the kind."""
    parts = parse_name(name)
    short = kind in LONGEST_NAMES and parts is not None and parts.workspace is not None and not parts.kind
    return parts is not None and (short or parts.kind == SUFFIXES[kind])


def stem(name: str) -> str:
    """Return what the names of all resources of a trial begin with."""
    parts = parse_name(name)
    return name if parts is None else resource_name(parts.workspace, parts.trial_id, "")


def tags_of(owner: Owner | None) -> list[str]:
    """Return the tags that say whose an endpoint is. Its tags are words: key and value are joined by a dash."""
    return [] if owner is None else [f"{key}-{value}" for key, value in owner_tags(owner).items()]


def owner_in(tags: Iterable[str]) -> Owner | None:
    """Return whose something is as its tags say, or None."""
    keys = list(owner_tags(Owner("0" * 6)))
    found = {key: tag.removeprefix(f"{key}-") for tag in tags for key in keys if tag.startswith(f"{key}-")}
    return owner_from_tags(found)
