"""Whose a thing at a provider is: the owner, the names and the tags that carry it. Part of `automl_bench.contract`.

A name is `automl-bench-<workspace>-<trial id>[-<kind>]`. Names made before workspaces had ids have the old form
`automl-bench-<trial id>[-<kind>]`; they are still read, and their owner is unknown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

NAME_PREFIX = "automl-bench"
"""First part of the name of everything that is created at a provider; orphans are found by it."""

WORKSPACE_DIGITS = 6
"""Hex digits of a workspace's id."""
TRIAL_DIGITS = 12
"""Hex digits of a trial's id."""
FEWEST_TRIAL_DIGITS = 8
"""Hex digits of the trial's id that a short name keeps at least."""

LONGEST_TAG = 63
"""Characters of a tag's value: the strictest limit in use."""

_WORKSPACE = re.compile(rf"[0-9a-f]{{{WORKSPACE_DIGITS}}}")
_TRIAL = re.compile(rf"[0-9a-f]{{{TRIAL_DIGITS}}}")
_SHORT_TRIAL = re.compile(rf"[0-9a-f]{{{FEWEST_TRIAL_DIGITS},{TRIAL_DIGITS}}}")
_TAG_TIME = "%Y%m%dt%H%M%Sz"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who made something at a provider.

    Attributes:
        workspace: The workspace's id, six lower-case hex digits.
        user: Name of the user's account on that machine.
        host: Name of the machine.
        since: ISO 8601, UTC: when the process that made it began.
    """

    workspace: str
    user: str = ""
    host: str = ""
    since: str = ""

    def __str__(self) -> str:
        """The owner in words: `workspace 3fa94c (anna on lab-2)`."""
        who = " on ".join(part for part in (self.user, self.host) if part)
        return f"workspace {self.workspace}{f' ({who})' if who else ''}"


@dataclass(frozen=True, slots=True)
class NameParts:
    """What a resource's name says.

    Attributes:
        workspace: The workspace's id, or None in a name of the old form.
        trial_id: The trial's id; only its first eight or more digits where the service's names are short.
        kind: The kind, or "" where the service's names are too short for it; cut if it did not fit whole.
    """

    workspace: str | None
    trial_id: str
    kind: str

    def is_of(self, trial_id: str) -> bool:
        """Whether the name belongs to a trial, given its whole id."""
        return trial_id.startswith(self.trial_id)


def resource_name(
    workspace: str | None, trial_id: str, kind: str, *, max_length: int = 63, separator: str = "-"
) -> str:
    """Return the deterministic name of a trial's resource of a kind. `parse_name` reads it back.

    Where it is too long, the kind goes first: it is cut at the end, and left out where nothing of it fits. Where not
    even workspace and trial id fit, the trial id loses digits at its end, down to eight.

    Args:
        workspace: The workspace's id, or None for a name of the old form.
        trial_id: The trial's id.
        kind: The plugin's word for the resource.
        max_length: Longest name that the service takes.
        separator: What stands between the parts, where the service takes no dash.

    Raises:
        ValueError: If not even the shortest form fits.
    """
    front = NAME_PREFIX.replace("-", separator) + separator
    if workspace is not None:
        front += workspace + separator
    digits = min(len(trial_id), max_length - len(front))
    fewest = len(trial_id) if workspace is None else min(FEWEST_TRIAL_DIGITS, len(trial_id))
    if digits < fewest:
        raise ValueError(f"a name of at most {max_length} characters cannot carry {front + trial_id!r}")
    stem = front + trial_id[:digits]
    return f"{stem}{separator}{kind}"[:max_length].rstrip(separator)


def parse_name(name: str, separator: str = "-") -> NameParts | None:
    """Return what a resource's name says, or None if it is none of ours.

    Args:
        name: A whole name, or at least its part up to the trial id.
        separator: As in `resource_name`.
    """
    front = NAME_PREFIX.replace("-", separator) + separator
    if not name.startswith(front):
        return None
    first, _, rest = name.removeprefix(front).partition(separator)
    if _TRIAL.fullmatch(first):
        return NameParts(None, first, rest)
    second, _, kind = rest.partition(separator)
    if _WORKSPACE.fullmatch(first) and _SHORT_TRIAL.fullmatch(second):
        return NameParts(first, second, kind)
    return None


def is_old_name(name: str) -> bool:
    """Whether a name was given before workspaces had ids, whatever separator its service needed."""
    parts = [parse_name(name, separator) for separator in "-_"]
    return any(found is not None and found.workspace is None for found in parts)


def is_workspace_id(text: str) -> bool:
    """Whether a text is a workspace's id."""
    return _WORKSPACE.fullmatch(text) is not None


WORKSPACE_TAG = f"{NAME_PREFIX}-workspace"
USER_TAG = f"{NAME_PREFIX}-user"
HOST_TAG = f"{NAME_PREFIX}-host"
SINCE_TAG = f"{NAME_PREFIX}-since"


def owner_tags(owner: Owner) -> dict[str, str]:
    """Return the tags that say whose a resource is, for services that have tags or labels.

    Keys and values have lower-case letters, digits and dashes only and at most 63 characters: what every service takes.
    Nothing is left out, so an empty user stands as "unknown".
    """
    return {
        WORKSPACE_TAG: owner.workspace,
        USER_TAG: tag_value(owner.user),
        HOST_TAG: tag_value(owner.host),
        SINCE_TAG: _tag_time(owner.since),
    }


def owner_from_tags(tags: Mapping[str, str]) -> Owner | None:
    """Return the owner that tags name, or None if they name none. User and host come back as `tag_value` wrote them."""
    workspace = tags.get(WORKSPACE_TAG, "")
    if not is_workspace_id(workspace):
        return None
    known = {key: value for key, value in tags.items() if value != "unknown"}
    return Owner(workspace, known.get(USER_TAG, ""), known.get(HOST_TAG, ""), _time_of(known.get(SINCE_TAG, "")))


def tag_value(text: str) -> str:
    """Return a text in the characters that every service takes in a tag; "unknown" if nothing is left of it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_TAG].rstrip("-") or "unknown"


def _tag_time(iso: str) -> str:
    try:
        return datetime.fromisoformat(iso).astimezone(UTC).strftime(_TAG_TIME)
    except ValueError:
        return "unknown"


def _time_of(tag: str) -> str:
    try:
        return datetime.strptime(tag, _TAG_TIME).replace(tzinfo=UTC).isoformat(timespec="seconds")
    except ValueError:
        return ""
