"""The training as a job: what it is told, how it is found again, how far it is, how it is cancelled.

The job's container gets the published script from the dataset repository, at the commit that was uploaded, and runs it
with `uv`, which installs what the script's header names. The token reaches it as a secret of the job, never as an
argument or a variable that the service shows.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Deletion, Modality, Owner, Resource, owner_from_tags, owner_tags
from automl_bench.errors import ProviderError, ResourceMissing
from automl_bench.toolkit.answers import one_line
from automl_bench_huggingface import repositories
from automl_bench_huggingface.failures import unreadable
from automl_bench_huggingface.fine_tuning import RECIPE, SPEAKER
from automl_bench_huggingface.naming import JOB, MODEL, is_ours
from automl_bench_huggingface.options import HUB_URL
from automl_bench_huggingface.packing import FOLDER, PROGRAMS
from automl_bench_huggingface.prices import job_hour_usd
from automl_bench_huggingface.recipes import Recipe

if TYPE_CHECKING:
    from huggingface_hub import JobInfo

    from automl_bench_huggingface.account import Account

MARK = {"automl-bench": "trial"}
"""Label of every job of ours."""
REVISION_LABEL = "dataset-revision"

ACTIVE = frozenset({"SCHEDULING", "RUNNING"})
COMPLETED = "COMPLETED"
HOME = "/tmp/automl-bench"  # in the job's own container
DOWNLOADER = "huggingface_hub>=1.0,<3"
LAST_LINES = 10


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a job is to do.

    Attributes:
        dataset: Repository of the samples and the script.
        revision: Commit of it.
        model: Repository to push to.
        seed: The experiment's seed, for a recipe without one of its own.
        recipe: The variant's settings.
        modality: What a sample is.
    """

    dataset: str
    revision: str
    model: str
    seed: int
    recipe: Recipe
    modality: Modality = Modality.IMAGE

    def command(self) -> list[str]:
        """Return the job's command: fetch the script and what it imports, run it."""
        program = [f"{FOLDER}/{name}" for name in PROGRAMS[self.modality]]
        fetch = ["uvx", "--from", DOWNLOADER, "hf", "download", self.dataset, *program]
        fetch += ["--repo-type", "dataset", "--revision", self.revision, "--local-dir", HOME]
        return ["bash", "-c", f"{shlex.join(fetch)} && {shlex.join(['uv', 'run', f'{HOME}/{program[0]}'])}"]

    def environment(self, hub_url: str) -> dict[str, str]:
        """Return what the script is told, as the service will show it to anyone who may see the job."""
        recipe = self.recipe
        told = {
            "dataset": self.dataset,
            "dataset_revision": self.revision,
            "model": self.model,
            "base_model": recipe.model_for(self.modality),
            "from_scratch": recipe.from_scratch,
            "epochs": recipe.epochs,
            "batch_size": recipe.batch_size,
            "learning_rate": recipe.learning_rate,
            "warmup_ratio": recipe.warmup_ratio,
            "weight_decay": recipe.weight_decay,
            "select_by": recipe.select_by,
            "patience": recipe.patience or None,
            "threshold": recipe.threshold,
            "seed": self.seed if recipe.seed < 0 else recipe.seed,
            "gpu": recipe.trains_on_gpu,
            **({"max_tokens": recipe.max_tokens} if self.modality is Modality.TEXT else {}),
        }
        variables = {RECIPE: json.dumps(told), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        if hub_url != HUB_URL:
            variables["HF_ENDPOINT"] = hub_url
        return variables


def _resource(account: Account, job: JobInfo) -> Resource:
    labels = job.labels or {}
    flavor = str(getattr(job.flavor, "value", job.flavor))
    return Resource(
        kind=JOB,
        name=str(labels.get("name", "")),
        resource_id=job.id,
        hourly_usd=job_hour_usd(flavor) if _stage(job) in ACTIVE else 0.0,
        details={"owner": job.owner.name},
        delete_by_hand=f"hf jobs cancel {job.owner.name}/{job.id}",
        since=job.created_at.isoformat() if job.created_at else "",
        owner=owner_from_tags(labels),
        scope=account.scope,
    )


def _stage(job: JobInfo) -> str:
    stage = job.status.stage
    return str(getattr(stage, "value", stage))


def _jobs(account: Account, labels: Mapping[str, str]) -> list[JobInfo]:
    with account.asking(f"list the jobs of {account.namespace}") as api:
        found = list(api.list_jobs(labels=dict(labels), namespace=account.namespace))
    # The filter is the service's; that these labels are really there is looked at again.
    return [job for job in found if dict(labels).items() <= (job.labels or {}).items()]


def find(account: Account, name: str, assignment: Assignment) -> Resource | None:
    """Find the job that trains, or has trained, on this commit.

    One that failed is none, and neither is one whose model is not there: it is begun anew.
    """
    for job in _jobs(account, {"name": name, REVISION_LABEL: assignment.revision}):
        if _stage(job) in ACTIVE or (_stage(job) == COMPLETED and _has_model(account, assignment.model)):
            return _resource(account, job)
    return None


def _has_model(account: Account, model: str) -> bool:
    try:
        repositories.read_report(account, model, repositories.revision_of(account, MODEL, model))
    except ResourceMissing:
        return False
    return True


def create(account: Account, name: str, assignment: Assignment, owner: Owner | None) -> Resource:
    """Begin a job. It is billed from its start until it ends, at the latest after the recipe's time-out."""
    with account.asking(f"run the job {name}") as api:
        job = api.run_job(
            image=assignment.recipe.image,
            command=assignment.command(),
            env=assignment.environment(account.options.hub_url),
            secrets={"HF_TOKEN": account.tokens.value()},
            flavor=assignment.recipe.flavor,
            timeout=assignment.recipe.timeout_minutes * 60,
            labels={
                **MARK,
                "name": name,
                REVISION_LABEL: assignment.revision,
                **({} if owner is None else owner_tags(owner)),
            },
            namespace=account.namespace,
        )
    return _resource(account, job)


def ended(account: Account, name: str, job_id: str) -> Resource:
    """Return a job that has ended, as the ledger is to know it: there to be cancelled, and costing nothing."""
    return Resource(
        kind=JOB,
        name=name,
        resource_id=job_id,
        hourly_usd=0.0,
        details={"owner": account.namespace},
        delete_by_hand=f"hf jobs cancel {account.namespace}/{job_id}",
        scope=account.scope,
    )


def listed(account: Account, prefix: str, kept: frozenset[str]) -> list[Resource]:
    """List jobs under a name prefix, oldest first.

    A job that ended cannot be deleted: the service keeps it in its history for ever. It counts only while a repository
    of its trial is left (`kept`, full names of jobs), and of several of one name only the newest.
    """
    jobs = sorted(_jobs(account, MARK), key=lambda job: (_stage(job) in ACTIVE, str(job.created_at or "")))
    newest = {str((job.labels or {}).get("name", "")): job for job in jobs}
    return [
        _resource(account, job)
        for name, job in newest.items()
        if is_ours(name, JOB) and name.startswith(prefix) and (_stage(job) in ACTIVE or name in kept)
    ]


def cancel(account: Account, resource: Resource) -> Deletion:
    """Cancel every job of a name that still runs; what has ended is gone for us."""
    running = [job for job in _jobs(account, {"name": resource.name}) if _stage(job) in ACTIVE]
    if not running and resource.resource_id:
        # The list may lag behind: the job itself is asked as well.
        running = [job for job in _looked_up(account, resource.resource_id) if _stage(job) in ACTIVE]
    if not running:
        known = bool(resource.resource_id) and bool(_looked_up(account, resource.resource_id))
        return Deletion.ALREADY_GONE if known else repositories.gone(resource)
    for job in running:
        try:
            with account.asking(f"cancel the job {job.id}") as api:
                api.cancel_job(job_id=job.id, namespace=account.namespace)
        except ResourceMissing:
            continue
    left = [job for each in running for job in _looked_up(account, each.id) if _stage(job) in ACTIVE]
    return Deletion.PENDING if left else Deletion.DELETED


def _looked_up(account: Account, job_id: str) -> list[JobInfo]:
    try:
        return [inspect(account, job_id)]
    except ResourceMissing:
        return []


def inspect(account: Account, job_id: str) -> JobInfo:
    """Look at one job.

    Raises:
        ResourceMissing: If there is none.
    """
    what = f"look at the job {job_id}"
    with account.asking(what) as api:
        job: JobInfo = api.inspect_job(job_id=job_id, namespace=account.namespace)
    if not job.id:
        raise unreadable(what)
    return job


def stage_of(job: JobInfo) -> str:
    """Return the service's word for how far a job is."""
    return _stage(job)


def last_words(account: Account, job_id: str, *, ours: bool) -> str:
    """Return the last line that a job printed, or the last of the script's own reports; empty if there is none.

    Nothing depends on it, so a failure to get it is none.
    """
    try:
        with account.asking(f"read the log of the job {job_id}") as api:
            lines = list(api.fetch_job_logs(job_id=job_id, namespace=account.namespace, tail=LAST_LINES))
    except ProviderError:
        return ""
    texts: list[Any] = [line for line in lines if isinstance(line, str) and line.strip()]
    if ours:
        texts = [line.removeprefix(SPEAKER) for line in texts if line.startswith(SPEAKER)]
    return one_line(texts[-1], account.tokens.hidden()) if texts else ""
