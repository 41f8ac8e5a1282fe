"""What a provider says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from automl_bench.contract.vocabulary import Capability, Json, Modality, Stage


class SettingKind(StrEnum):
    """What a setting's value is."""

    TEXT = "text"
    FLAG = "flag"
    """True or false; in an environment variable also 1, 0, yes, no."""
    INTEGER = "integer"
    NUMBER = "number"
    CHOICE = "choice"
    """One of `Setting.choices`."""
    ADDRESS = "address"
    """Address that credentials are sent to: https, or plain http to a server on this machine."""
    PATH = "path"
    """File or folder on this machine; `~` is the user's home."""
    STRUCTURE = "structure"
    """A list or a table, which the plugin checks itself."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting or secret that a plugin reads, or a key of its variants; the host checks it before any request.

    Attributes:
        name: Key in `configs/providers/<provider>.toml` and in `context.settings`, or in a variant's table.
        description: One sentence.
        env: Environment variable that overrides the file, or empty.
        default: Value where neither is set, as text; None means that the setting is left out.
        secret: Whether it is a secret: then it may only come from its environment variable.
        required: Whether the provider cannot be used without it.
        kind: What its value is.
        minimum: Smallest number.
        maximum: Largest number.
        choices: Allowed values of a choice.
        pattern: Regular expression that the whole text must match, or empty.
        example: Value that an error message shows, or empty.
    """

    name: str
    description: str
    env: str = ""
    default: str | None = None
    secret: bool = False
    required: bool = False
    kind: SettingKind = SettingKind.TEXT
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service accepts, as published. None means "no limit known". The host checks them before any request.

    Attributes:
        min_samples_per_class: Fewest training samples of each class, validation included.
        min_samples: Fewest training samples in all, validation included.
        max_samples: Most training samples in all.
        min_classes: Fewest classes.
        max_classes: Most classes.
        min_side_px: Shortest allowed side of an image.
        max_side_px: Longest allowed side of an image.
        max_train_bytes: Largest training file.
        max_request_bytes: Largest body of one prediction request.
        media_types: Accepted media types; empty means any.
        requests_per_second: Published prediction rate; load runs keep below it unless told to ignore it.
        in_flight: Published number of predictions under way at once.
        concurrent_trials: Trials of this provider that may run at once in one account.
    """

    min_samples_per_class: int | None = None
    max_samples: int | None = None
    min_classes: int | None = None
    max_classes: int | None = None
    min_side_px: int | None = None
    max_side_px: int | None = None
    max_train_bytes: int | None = None
    max_request_bytes: int | None = None
    media_types: tuple[str, ...] = ()
    requests_per_second: float | None = None
    in_flight: int | None = None
    concurrent_trials: int | None = None
    min_samples: int | None = None


@dataclass(frozen=True, slots=True)
class ReportedTimes:
    """How long one stage took elsewhere. No promise: it gives `plan` a range where nothing was measured here.

    Attributes:
        stage: The stage.
        points: (labelled samples, seconds) of each case; of the accuracy pass and of load runs (calls, seconds).
        as_of: Date or month of the publication or measurement, ISO 8601.
        source: Where the times were published, or on what they were measured.
        variant: The variant that they are of; empty where they stand for all.
        modality: What the samples were; None where they stand for all.
    """

    stage: Stage
    points: tuple[tuple[int, float], ...]
    as_of: str
    source: str
    variant: str = ""
    modality: Modality | None = None

    def stands_for(self, variant: str, modality: Modality) -> bool:
        """Return whether these times say something of a trial of this variant on samples of this modality."""
        return self.variant in ("", variant) and self.modality in (None, modality)


@dataclass(frozen=True, slots=True)
class ProviderDescription:
    """A provider's self-description: static, without I/O, the single source of its capabilities.

    Attributes:
        name: Equal to the entry point's name: lower-case letters, digits and dashes.
        title: Name for people, as in "Amazon Rekognition Custom Labels".
        capabilities: What it can do.
        modalities: What it learns from.
        limits: What the service accepts.
        not_taken: Why it does not take a modality, as a clause for the sentence that refuses it.
        settings: Every setting and secret the plugin reads.
        variant_settings: Every key that a variant may have; None leaves it to the plugin to check its variants.
        variants: Named configurations that come with the plugin; a providers file may add or override.
        default_variant: The variant used when none is named.
        on_this_machine: Whether training and serving use this machine's processors. The host then never lets
            them run while something is being measured.
        on_this_machine_where: Settings of a variant under which that holds of it, where it does not of all; held
            against the variant's settings as `untrained_where` is.
        requires: The pip requirement that the plugin's SDK needs, for the message when it is absent.
        settle_seconds: How long after a create the provider's own lists may not show the new resource yet. After a
            lost answer the host looks that long before it creates again, and it does not believe "already gone" of
            what is younger.
        deletion_seconds: Longest time that deleting one resource may take, the service's own delays included (an
            endpoint whose container is started again and again ends only after its probes' delays).
        split_policy: How the service uses our validation half, one sentence for the report.
        docs_url: Where the provider documents the service.
        policy: The least-privilege permissions that the plugin needs, in the provider's own words (for AWS an IAM
            policy document), as `providers show NAME --policy` prints them; empty if there are none to set.
        contract_version: The `CONTRACT_VERSION` that the plugin was written for, where it relies on something newer
            than version 1: an older automl-bench then says that it has to be updated.
        reported_times: How long stages took elsewhere, as published or measured: what `plan` expects of a trial like
            none that was run here.
        simulated: Whether the service is a simulation, whose prices nobody bills: the word then stands beside each.
        needs_training: Whether it can answer only after training. One that says False may be asked at 0 shots.
        untrained_where: Settings of a variant under which its answers depend on no training sample: then one trial,
            at 0 shots, stands for all shots and folds of a dataset and is paid for once. Held against the variant's
            settings, with the declared defaults of those that it does not set; {} is every variant, None is none.
        imports: Modules that the hooks import and that are heavy: the host imports them once, before trials start in
            threads, as two first imports at once can find a half-made module. What is not installed is left to the
            hook that needs it.
        modality_limits: What it accepts of a modality, where that is not what `limits` says; then these hold instead.
    """

    name: str
    title: str
    capabilities: frozenset[Capability]
    modalities: frozenset[Modality] = frozenset({Modality.IMAGE})
    limits: Limits = Limits()
    settings: tuple[Setting, ...] = ()
    variant_settings: tuple[Setting, ...] | None = None
    variants: Mapping[str, Mapping[str, Json]] = field(default_factory=lambda: {"default": {}})
    default_variant: str = "default"
    on_this_machine: bool = False
    requires: str = ""
    settle_seconds: float = 0.0
    deletion_seconds: float = 1800.0
    split_policy: str = "Trains on the training half and selects on the validation half."
    docs_url: str = ""
    policy: str = ""
    contract_version: int = 1
    reported_times: tuple[ReportedTimes, ...] = ()
    simulated: bool = False
    imports: tuple[str, ...] = ()
    modality_limits: Mapping[Modality, Limits] = field(default_factory=dict)
    not_taken: Mapping[Modality, str] = field(default_factory=dict)
    needs_training: bool = True
    untrained_where: Mapping[str, Json] | None = None
    on_this_machine_where: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """A named configuration of a provider, for example `local:svc-1.1`."""

    provider: str
    name: str
    settings: Mapping[str, Json] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


@dataclass(frozen=True, slots=True)
class AccessReport:
    """What `check_access` found. `account` names the account and never holds a secret."""

    ok: bool
    account: str = ""
    notes: tuple[str, ...] = ()
