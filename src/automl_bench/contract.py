"""The nouns that the host and every provider plugin share. Frozen dataclasses and protocols; no I/O.

A plugin imports this module, `automl_bench.hookspecs` (for the marker) and `automl_bench.errors`, nothing else of
the core. Fields are only ever added, always with a default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from automl_bench.ownership import NAME_PREFIX as NAME_PREFIX
from automl_bench.ownership import NameParts as NameParts
from automl_bench.ownership import Owner as Owner
from automl_bench.ownership import is_old_name as is_old_name
from automl_bench.ownership import owner_from_tags as owner_from_tags
from automl_bench.ownership import owner_tags as owner_tags
from automl_bench.ownership import parse_name as parse_name
from automl_bench.ownership import resource_name as resource_name

CONTRACT_VERSION = 1
"""Raised when a hook or noun gains something a plugin may rely on."""

Json = Any
"""A value that json.dumps accepts."""


class Modality(StrEnum):
    """What one sample is."""

    IMAGE = "image"
    TEXT = "text"
    TABULAR = "tabular"


class Stage(StrEnum):
    """A trial's stages, in the order they run."""

    UPLOAD = "upload"
    TRAIN = "train"
    DEPLOY = "deploy"
    INVOKE = "invoke"
    PARALLEL = "parallel"
    TEARDOWN = "teardown"


class Capability(StrEnum):
    """What a provider can do. The host refuses what is not declared before any request."""

    CHECK_ACCESS = "check_access"
    PRICE = "price"
    UPLOAD = "upload"
    TRAIN = "train"
    DEPLOY = "deploy"
    INVOKE = "invoke"
    PARALLEL = "parallel"
    EXPORT_MANIFEST = "export_manifest"
    ADOPT_ENDPOINT = "adopt_endpoint"
    LIST_RESOURCES = "list_resources"


# --- samples ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample, without its label: this is all a plugin ever sees of a test sample.

    Attributes:
        sample_id: SHA-256 of the content as imported, 64 hex digits. Two copies of one image share it.
        path: The file to send. Where an experiment re-encodes images, this is the re-encoded file, and
            every provider gets the same one.
        size_bytes: Bytes of the file at `path`.
        media_type: For example "image/png".
        width: Pixels, or None where the modality has none.
        height: Pixels, or None.
    """

    sample_id: str
    path: Path
    size_bytes: int
    media_type: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class LabelledSample:
    """A training or validation sample with its label."""

    sample: Sample
    label: str


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """One ablation as a plugin gets it: k labelled samples per class, four fifths of them for training.

    Attributes:
        dataset: Name of the dataset.
        labels: All labels of the dataset, sorted; the test set has no others.
        train: Samples to learn from.
        validation: Every fifth sample of each class, for the provider's own model selection. A provider that
            takes no validation set may train on both.
    """

    dataset: str
    labels: tuple[str, ...]
    train: tuple[LabelledSample, ...]
    validation: tuple[LabelledSample, ...]


# --- what a provider says of itself ----------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class ReportedTimes:
    """How long one stage took elsewhere. No promise: it gives `plan` a range where nothing was measured here.

    Attributes:
        stage: The stage.
        points: (labelled samples, seconds) of each case; of the accuracy pass and of load runs (calls, seconds).
        as_of: Date or month of the publication or measurement, ISO 8601.
        source: Where the times were published, or on what they were measured.
        variant: The variant that they are of; empty where they stand for all.
    """

    stage: Stage
    points: tuple[tuple[int, float], ...]
    as_of: str
    source: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class ProviderDescription:
    """A provider's self-description: static, without I/O, the single source of its capabilities.

    Attributes:
        name: Equal to the entry point's name: lower-case letters, digits and dashes.
        title: Name for people, as in "Amazon Rekognition Custom Labels".
        capabilities: What it can do.
        modalities: What it learns from.
        limits: What the service accepts.
        settings: Every setting and secret the plugin reads.
        variant_settings: Every key that a variant may have; None leaves it to the plugin to check its variants.
        variants: Named configurations that come with the plugin; a providers file may add or override.
        default_variant: The variant used when none is named.
        on_this_machine: Whether training and serving use this machine's processors. The host then never lets
            them run while something is being measured.
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
        imports: Modules that the hooks import and that are heavy: the host imports them once, before trials start in
            threads, as two first imports at once can find a half-made module. What is not installed is left to the
            hook that needs it.
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


class Counted(StrEnum):
    """What the host counts of one trial, at most, to reserve money for a line of a price table."""

    CALLS = "calls"
    """Prediction requests: the accuracy pass with its repetitions, and the load run."""
    SAMPLES = "samples"
    """Labelled samples that are uploaded."""
    TRAINING_HOURS = "training_hours"
    """Hours from the begin of the training to the host's deadline for it, and the longest deletion after that. Only
    where deleting what `train` made ends the billing."""
    SERVING_HOURS = "serving_hours"
    """Hours from the begin of the deployment to the host's deadlines for it and for measuring, and the longest deletion
    after that. Only where deleting what `deploy` made ends the billing."""


@dataclass(frozen=True, slots=True)
class Price:
    """One line of a provider's dated price table. An unknown price is None, never 0.

    Attributes:
        item: Stable key: "train_hour", "endpoint_hour", "call", "sample_month".
        usd: US dollars per unit, or None if unknown.
        unit: What is counted, for people: "node hour", "1 call".
        as_of: ISO date on which the source was read.
        source: Where it was read.
        per_trial: Units that one trial of the variant asked for takes at most, as a reservation for --max-cost; None
            if that cannot be said. 0 for what a trial does not add to, such as a plan's monthly fee.
        counted: What the host counts instead, where `per_trial` is None; an item "call" is counted in calls anyway.
        units_each: Units that each counted thing takes: 2 for two nodes an hour.
        monthly: Whether it is a fee for a month, whatever is run; for what a month of use costs, not for a trial.
        plan: The plan that it belongs to, where a user pays by one of several; empty for what everyone pays.
        included: Units a month that the plan's fee covers.
    """

    item: str
    usd: float | None
    unit: str
    as_of: str
    source: str
    per_trial: float | None = None
    counted: Counted | None = None
    units_each: float = 1.0
    monthly: bool = False
    plan: str = ""
    included: float = 0.0


# --- long work and what it leaves ------------------------------------------------------------------------


class OperationState(StrEnum):
    """How far an operation is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Operation:
    """Long work at the provider.

    Attributes:
        state: How far it is.
        token: Identifiers from which `poll` in another process, a day later, finds the work again. Never a secret.
        result: What later stages need, once SUCCEEDED; JSON. The host stores it and hands it back through
            `TrialContext.results`. For `deploy` it must hold "endpoint_id", and "url" where there is one.
        message: The provider's words on progress or failure.
        queue_seconds: Time the provider spent waiting to begin, where it says so.
        work_seconds: Time the provider spent working, where it says so: the honest training time.
        billable_seconds: Time the provider will bill, where it says so.
        poll_after: Seconds the host should wait before the next look, or None for its own schedule.
    """

    state: OperationState
    token: str = ""
    result: Mapping[str, Json] = field(default_factory=dict)
    message: str = ""
    queue_seconds: float | None = None
    work_seconds: float | None = None
    billable_seconds: float | None = None
    poll_after: float | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """Anything that stays at the provider until it is deleted.

    Attributes:
        kind: The plugin's word for it: "bucket-objects", "model", "endpoint".
        name: Deterministic, begins with `NAME_PREFIX` and carries workspace and trial id: see `parse_name`.
        resource_id: The provider's own id; may equal the name.
        hourly_usd: What it costs per hour while idle; 0.0 for nothing, None for unknown.
        details: What `delete_resource` and later stages need; JSON, no secret.
        delete_by_hand: The console command or address that deletes it without automl-bench.
        since: ISO 8601 time of creation as the provider says, or empty.
        owner: Whose it is, as the provider's own tags say; None where it has none. `owner_of` falls back to the name.
        scope: Where it lies: account, project, region, namespace, host of the service: whatever, under another value,
            would make the same name a different thing. In the words of the hook `resource_scope`.
    """

    kind: str
    name: str
    resource_id: str = ""
    hourly_usd: float | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    delete_by_hand: str = ""
    since: str = ""
    owner: Owner | None = None
    scope: Mapping[str, str] = field(default_factory=dict)


def owner_of(resource: Resource, separator: str = "-") -> Owner | None:
    """Return whose a resource is: as its tags say, else as its name says, else None (unknown)."""
    if resource.owner is not None:
        return resource.owner
    parts = parse_name(resource.name, separator)
    return None if parts is None or parts.workspace is None else Owner(parts.workspace)


class Deletion(StrEnum):
    """What `delete_resource` achieved."""

    DELETED = "deleted"
    ALREADY_GONE = "already_gone"
    PENDING = "pending"
    """Deletion has begun; the host asks again."""


class ResourceRecorder(Protocol):
    """The only way to create anything that stays at a provider."""

    def ensure(
        self,
        kind: str,
        *,
        find: Callable[[str], Resource | None],
        create: Callable[[str], Resource],
        name: str | None = None,
        hourly_usd: float | None = None,
    ) -> Resource:
        """Find or create one resource, with a durable ledger line before the call that creates it.

        Args:
            kind: The plugin's word for it; one trial has at most one resource of a kind and name.
            find: Looks the name up at the provider; returns None if it is not there.
            create: Creates it under exactly the name it is given.
            name: Name to use; by default `context.name_for(kind)`.
            hourly_usd: Cost per idle hour, written before creation so that a lost answer still shows its price.
        """
        ...


# --- many small uploads ----------------------------------------------------------------------------------


RequestMaker = Callable[[], "HttpRequest"]
"""Builds and signs a request; called again for each attempt, as a signature may have expired."""


@dataclass(frozen=True, slots=True)
class SendFailure:
    """A request of a bulk sending that was given up.

    Attributes:
        tag: The caller's tag.
        outcome: Outcome of its last attempt.
        status: HTTP status of the last attempt, or None.
        error: One sentence.
        attempts: How often it was sent; 0 if it could not be made.
        response: The whole answer of the last attempt, or None: what the provider says of the refusal.
    """

    tag: Any
    outcome: Outcome
    status: int | None
    error: str
    attempts: int
    response: HttpResponse | None = field(default=None, repr=False)


@dataclass(slots=True)
class SendReport:
    """What came of a bulk sending.

    Attributes:
        sent: Requests that the service accepted.
        repeated: Sendings beyond the first of each request.
        failures: Requests that were given up, in that order.
    """

    sent: int = 0
    repeated: int = 0
    failures: list[SendFailure] = field(default_factory=list)


class BulkSender(Protocol):
    """Sends many idempotent requests through the host's transport, N in flight, repeating what failed in passing.

    A throttle (429), a time-out, a server error and a broken connection are sent again, after the wait that the service
    asked for; other refusals are final at once. Redirects are not followed.
    """

    def __call__(
        self,
        requests: Iterable[tuple[Any, RequestMaker]],
        *,
        in_flight: int = 32,
        requests_per_second: float | None = None,
        progress: Callable[[int], None] | None = None,
        on_done: Callable[[Any, HttpResponse], None] | None = None,
        judge: Callable[[Any, HttpResponse], None] | None = None,
        attempts: int = 5,
    ) -> SendReport:
        """Send every request and return what came of them; without a judge, failures are not raised.

        Args:
            requests: Tag and maker of each request; read one by one, and each is made only when its turn has come.
            in_flight: Most requests under way at once.
            requests_per_second: Upper bound of the rate, for a published limit of the service.
            progress: Called with the number of requests that have ended, well or not.
            on_done: Called with tag and answer of each accepted request, in the order in which they end.
            judge: Reads each whole answer, whatever its status, in place of the classes above: returns to accept it,
                raises what it means otherwise. After RateLimited or TransientProviderError the request is sent again;
                any other error is raised and ends the sending at once, as every further request could cost money.
                Used-up attempts and makers that fail are raised then, too.
            attempts: Most sendings of one request.

        Raises:
            Interrupted: If the user wants to end.
            ProviderError: With a judge: what ended the sending.
            WorkspaceError: With a judge: a maker could not read a file.
        """
        ...


def _send_nothing(*_: Any, **__: Any) -> SendReport:
    raise NotImplementedError("this context was made without a sender")


def _hide_nothing(secret: str) -> None:
    """Stand in for `hide` where a test makes a context by hand."""


# --- contexts --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ProviderContext:
    """What every hook gets: the resolved settings and a folder for the plugin's own files.

    Attributes:
        variant: The configuration asked for.
        settings: Resolved values of the declared settings that are not secrets.
        secrets: Function that returns a declared secret's value; raises MissingSecret. Values are kept out of
            `repr`, logs and the store.
        cache_dir: Folder of this provider in the workspace; survives trials, may be deleted at any time.
        progress: Call with (done, total, unit) as long work goes on; total may be None.
        log: Call with one line for the log; never a secret.
        owner: Who asks: what is created carries it, in its name and as tags (`owner_tags`). None where a trial was
            begun before workspaces had ids: its names keep the old form.
        hide: Call with a secret that the host cannot know of, such as a session token that an SDK obtained: from then
            on it is taken out of whatever is stored, printed, exported or logged.
    """

    variant: Variant
    settings: Mapping[str, str]
    secrets: Callable[[str], str] = field(repr=False)
    cache_dir: Path
    progress: Callable[[int, int | None, str], None] = field(repr=False)
    log: Callable[[str], None] = field(repr=False)
    owner: Owner | None = field(default=None, kw_only=True)
    hide: Callable[[str], None] = field(default=_hide_nothing, repr=False, kw_only=True)


@dataclass(frozen=True)
class TrialContext(ProviderContext):
    """What the hooks of one trial get.

    Attributes:
        trial_id: Twelve hex digits, derived from the trial's content.
        dataset: Name of the dataset.
        labels: All labels, sorted.
        shots: Labelled samples per class, or None for all.
        fold: Which draw of the subsets.
        seed: The experiment's seed, for providers that take one.
        modality: What one sample is.
        results: The `Operation.result` of the stages done so far.
        resources: The ledger.
        send: Sends many small requests, such as the samples of an upload, through the host's transport.
    """

    trial_id: str
    dataset: str
    labels: tuple[str, ...]
    shots: int | None
    fold: int
    seed: int
    modality: Modality
    results: Mapping[Stage, Mapping[str, Json]]
    resources: ResourceRecorder = field(repr=False)
    send: BulkSender = field(default=_send_nothing, repr=False)

    def name_for(self, kind: str, *, max_length: int = 63, separator: str = "-") -> str:
        """Return the deterministic name of this trial's resource of a kind, within a service's length limit.

        It is `automl-bench-<workspace>-<trial id>-<kind>`, and `parse_name` reads it back. See `resource_name` for what
        a short limit leaves out.

        Raises:
            ValueError: If not even the shortest form fits.
        """
        workspace = None if self.owner is None else self.owner.workspace
        return resource_name(workspace, self.trial_id, kind, max_length=max_length, separator=separator)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where predictions are asked for.

    Attributes:
        endpoint_id: The provider's id.
        url: Address, where there is one.
        details: What `invoke` needs; JSON, no secret.
        adopted: Whether it was made by hand and given with --endpoint; the host never deletes such a one.
    """

    endpoint_id: str
    url: str = ""
    details: Mapping[str, Json] = field(default_factory=dict)
    adopted: bool = False


# --- predictions -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request as it will go out. Headers and body stay out of `repr`: they may hold a token.

    Attributes:
        url: Absolute address.
        method: HTTP method.
        headers: Pairs; a name may repeat.
        body: Bytes to send.
        timeout_seconds: Limit for the whole exchange.
        valid_for_seconds: How long a signature in it holds; None means for ever. The host prepares such a
            request shortly before its moment.
    """

    url: str
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout_seconds: float = 60.0
    valid_for_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One whole answer. Header names are lower case; a repeated one is joined with ", "."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one sample.

    Attributes:
        label: The top label, in the dataset's spelling; None if the service abstained.
        confidence: Its score, 0 to 1; not called a probability.
        scores: All scores the service gave, by label.
    """

    label: str | None
    confidence: float
    scores: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class HttpInvoker(Protocol):
    """How to call an endpoint with one HTTP request. The host sends and times it."""

    def prepare(self, sample: Sample) -> HttpRequest:
        """Encode and sign; runs before the clock starts.

        Raises:
            OSError: If the sample's file cannot be read: the host's own fault, no answer of the provider.
            ProviderError: If the sample cannot be sent.
        """
        ...

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer; runs after the clock has stopped.

        Raises:
            ProviderError: The class that fits the status: RateLimited for 429, and so on.
        """
        ...


@runtime_checkable
class CallInvoker(Protocol):
    """How to call a service that has no HTTP request of its own. The report marks such a provider."""

    def call(self, sample: Sample) -> Prediction:
        """Classify one sample; the host times the call. Never retries."""
        ...


Invoker = HttpInvoker | CallInvoker


class Lanes(Protocol):
    """A provider's own kind of concurrent senders, for `parallel`; most providers need none."""

    def open(self, count: int) -> Sequence[CallInvoker]:
        """Open `count` lanes that may be used from different threads."""
        ...

    def close(self) -> None:
        """Close them all."""
        ...


# --- one call ----------------------------------------------------------------------------------------


class Outcome(StrEnum):
    """What became of one request."""

    OK = "ok"
    THROTTLED = "throttled"
    """The service said "too many" (429 and its kin)."""
    TIMEOUT = "timeout"
    REFUSED = "refused"
    """The service said that the request is wrong."""
    FAILED = "failed"
    """Server error, broken connection, or an answer that cannot be read."""


class CallPhase(StrEnum):
    """Which part of a measurement a call belongs to."""

    COLD = "cold"
    """First call after deployment, or after idling on purpose."""
    WARM_UP = "warm_up"
    MEASURED = "measured"
    TRAINING = "training"
    """With a training sample, after the accuracy pass (`[invoke] also`)."""


class CallTiming(NamedTuple):
    """The clock of one request, in nanoseconds of one monotonic clock; None where a phase is unknown.

    The phases are durations that add up to `received_ns - sent_ns` but for rounding: name lookup, TCP connect, TLS
    handshake, sending (until the last byte of the request left), waiting (until the first byte of the answer),
    receiving. For a reused connection the first three are 0.
    """

    sent_ns: int
    received_ns: int
    scheduled_ns: int | None = None
    lookup_ns: int | None = None
    connect_ns: int | None = None
    tls_ns: int | None = None
    send_ns: int | None = None
    wait_ns: int | None = None
    receive_ns: int | None = None
    new_connection: bool | None = None

    @property
    def service_ns(self) -> int:
        """Service time: sent → received."""
        return self.received_ns - self.sent_ns

    @property
    def response_ns(self) -> int:
        """Response time: scheduled → received; equals the service time where nothing was scheduled."""
        return self.received_ns - (self.sent_ns if self.scheduled_ns is None else self.scheduled_ns)


# --- manifests and additions -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProviderManifest:
    """A provider's own list of samples. The host writes the file and fills in the labels: a plugin never sees one.

    Attributes:
        rows: One mapping per sample, in the order given; the label's place is left out or empty.
        label_at: Path of keys at which the host puts the label.
        file_format: "csv" or "jsonl".
        header: Whether a CSV starts with the column names.
        label_names: The provider's spelling of each label, where it differs. A provider that spells by a rule may give
            a mapping that works it out: the host asks it for each label once, in alphabetical order.
        destination: Where the rows' addresses begin, such as "gs://bucket/", if they name objects in a storage.
        objects: What follows it in each row's address: relative paths, one a row. `ablate --copy-folders` makes a
            folder of files of these names, ready to be copied to the destination as it is.
    """

    rows: Sequence[Mapping[str, Json]]
    label_at: tuple[str, ...]
    file_format: str = "csv"
    header: bool = True
    label_names: Mapping[str, str] = field(default_factory=dict)
    destination: str = ""
    objects: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A dataset that a plugin brings along.

    Attributes:
        name: Name in the catalogue.
        path: Folder, archive, CSV or Parquet file that `data import` understands; or None if it is built.
        build: Writes such a folder or file into the empty folder it is given and returns its path; called at
            `data fetch` only, so that listing stays free of I/O.
        title: One line for the catalogue.
        licence: SPDX identifier or words.
        source: Where it comes from.
        modality: What one sample is.
    """

    name: str
    title: str
    licence: str
    source: str
    path: Path | None = None
    build: Callable[[Path], Path] | None = None
    modality: Modality = Modality.IMAGE


@dataclass(frozen=True, slots=True)
class ReportSection:
    """A section that an observer adds to the report; `html` is inserted as it is."""

    title: str
    html: str


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """A sample and the split it is in: "train", "validation" or "test"."""

    sample: Sample
    split: str
