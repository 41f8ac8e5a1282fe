"""The hooks of the provider `huggingface`. Thin: each finds the module that does the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from automl_bench.contract import (
    AccessReport,
    Deletion,
    Endpoint,
    Invoker,
    ManifestEntry,
    Operation,
    OperationState,
    Price,
    ProviderContext,
    ProviderDescription,
    ProviderManifest,
    Resource,
    Stage,
    TrainingSet,
    TrialContext,
)
from automl_bench.hookspecs import hookimpl
from automl_bench_huggingface.description import DESCRIPTION
from automl_bench_huggingface.naming import DATASET, ENDPOINT, JOB, MODEL, name_of
from automl_bench_huggingface.recipes import Recipe


@hookimpl
def describe_provider() -> ProviderDescription:
    """See `automl_bench.hookspecs`."""
    return DESCRIPTION


@hookimpl
def check_access(context: ProviderContext) -> AccessReport:
    """Ask whose token it is: one request, which the service limits tightly."""
    from automl_bench_huggingface import rights
    from automl_bench_huggingface.account import account_of

    Recipe.of(context.variant)
    account = account_of(context)
    answer = account.who()
    owner = account.options.namespace or answer["name"]
    notes = [f"everything is made for {owner}", *rights.check(answer, str(owner))]
    known = {answer["name"], *(each.get("name") for each in answer.get("orgs") or () if isinstance(each, dict))}
    if owner not in known:
        notes.append(f"the service does not say that this token may act for {owner}")
    if not answer.get("canPay", True):
        notes.append("the account has no payment method: jobs and endpoints will be refused")
    return AccessReport(ok=True, account=str(answer["name"]), notes=tuple(notes))


@hookimpl
def price(context: ProviderContext) -> Sequence[Price]:
    """Return the prices of the variant's hardware."""
    from automl_bench_huggingface.prices import price_table

    return price_table(Recipe.of(context.variant))


@hookimpl
def upload(context: TrialContext, training_set: TrainingSet) -> Operation:
    """Create the dataset repository and bring the files that are not in it."""
    from automl_bench_huggingface import packing, repositories, shipping
    from automl_bench_huggingface.account import account_of

    Recipe.of(context.variant)
    files = packing.pack(training_set)
    account = account_of(context)
    repository = context.resources.ensure(
        DATASET,
        find=lambda name: repositories.find(account, DATASET, name),
        create=lambda name: repositories.create(account, DATASET, name),
        name=name_of(context, DATASET),
        hourly_usd=0.0,
    )
    shipped = shipping.ship(account, repository.resource_id, files, context)
    return Operation(
        OperationState.SUCCEEDED,
        result={
            "dataset": repository.resource_id,
            "dataset_revision": shipped.revision,
            "files_sent": shipped.sent,
            "files_found": shipped.found,
        },
    )


@hookimpl
def train(context: TrialContext) -> Operation:
    """Create the model repository and begin the job that trains into it."""
    from automl_bench_huggingface import operations, repositories, training_jobs
    from automl_bench_huggingface.account import account_of
    from automl_bench_huggingface.prices import job_hour_usd

    recipe = Recipe.of(context.variant)
    account = account_of(context)
    uploaded = context.results[Stage.UPLOAD]
    model = context.resources.ensure(
        MODEL,
        find=lambda name: repositories.find(account, MODEL, name),
        create=lambda name: repositories.create(account, MODEL, name),
        name=name_of(context, MODEL),
        hourly_usd=0.0,
    )
    assignment = training_jobs.Assignment(
        dataset=str(uploaded["dataset"]),
        revision=str(uploaded["dataset_revision"]),
        model=model.resource_id,
        seed=context.seed,
        recipe=recipe,
        modality=context.modality,
    )
    job = context.resources.ensure(
        JOB,
        find=lambda name: training_jobs.find(account, name, assignment),
        create=lambda name: training_jobs.create(account, name, assignment, context.owner),
        name=name_of(context, JOB),
        hourly_usd=job_hour_usd(recipe.flavor),
    )
    if account.tokens.valid_for_seconds() is not None:
        context.log(
            "the job has the stored login as its token: if that ends before the training does, nothing is pushed"
        )
    return operations.training_begun(job.resource_id, model.resource_id)


@hookimpl
def deploy(context: TrialContext) -> Operation:
    """Create the endpoint. From here on its replica is billed."""
    from automl_bench_huggingface import endpoints, operations
    from automl_bench_huggingface.account import account_of
    from automl_bench_huggingface.prices import endpoint_hour_usd

    recipe = Recipe.of(context.variant)
    account = account_of(context)
    trained = context.results[Stage.TRAIN]
    revision = str(trained["model_revision"])
    endpoint = context.resources.ensure(
        ENDPOINT,
        find=lambda name: endpoints.find(account, name, revision),
        create=lambda name: endpoints.create(
            account,
            name,
            task=endpoints.TASKS[context.modality],
            model=str(trained["model"]),
            revision=revision,
            recipe=recipe,
            owner=context.owner,
        ),
        name=name_of(context, ENDPOINT),
        hourly_usd=endpoint_hour_usd(recipe.instance),
    )
    return operations.start_begun(endpoint.name)


@hookimpl
def poll(context: TrialContext, operation: Operation) -> Operation:
    """Look once at a training or a start.

    When a job has done its work, the ledger is told that it costs nothing any more: what it has cost, the operation
    says. Of a failed one only the ledger knows, so its hours stay there until it is deleted.
    """
    from automl_bench_huggingface import operations, training_jobs
    from automl_bench_huggingface.account import account_of

    account = account_of(context)
    now = operations.look(account, operation)
    job_id = operations.job_of(operation.token)
    if job_id and now.state is OperationState.SUCCEEDED:
        ended = training_jobs.ended(account, name_of(context, JOB), job_id)
        context.resources.ensure(
            JOB, find=lambda name: ended, create=lambda name: ended, name=ended.name, hourly_usd=0.0
        )
    return now


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> Invoker:
    """Return the invoker of an endpoint: of this trial, or one adopted by its address or name."""
    from automl_bench_huggingface import endpoints
    from automl_bench_huggingface.account import account_of
    from automl_bench_huggingface.invoking import EndpointInvoker, check_url

    account = account_of(context)
    labels = frozenset(context.labels)
    if endpoint.adopted:
        url = endpoints.adopted_url(account, endpoint.endpoint_id, endpoints.TASKS[context.modality])
        return EndpointInvoker(account, url, labels)
    return EndpointInvoker(account, check_url(endpoint.url), labels, Recipe.of(context.variant).max_tokens)


@hookimpl
def wake(context: TrialContext, endpoint: Endpoint) -> Operation:
    """Look whether an endpoint is awake: one that sleeps begins to wake by being asked, a paused one is resumed."""
    from automl_bench_huggingface import endpoints, operations
    from automl_bench_huggingface.account import account_of

    account = account_of(context)
    if "://" in endpoint.endpoint_id:
        begun = operations.waking_begun(
            endpoints.adopted_url(account, endpoint.endpoint_id, endpoints.TASKS[context.modality])
        )
    else:
        if not endpoint.adopted and endpoints.look(account, endpoint.endpoint_id).status == "paused":
            endpoints.resume(account, endpoint.endpoint_id)
        begun = operations.start_begun(endpoint.endpoint_id)
    return operations.look(account, begun)


@hookimpl
def export_manifest(entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """List images as `file,label`, the ancestor's list for Hugging Face; texts as the lines that are uploaded."""
    from automl_bench_huggingface.packing import text_row

    if any(entry.sample.text is not None for entry in entries):
        rows = [text_row(entry.sample.text, "") for entry in entries]
        return ProviderManifest(rows=rows, label_at=("label",), file_format="jsonl")
    return ProviderManifest(
        rows=[{"file": str(entry.sample.path), "label": ""} for entry in entries], label_at=("label",)
    )


@hookimpl
def resource_scope(context: ProviderContext) -> Mapping[str, str]:
    """Return the namespace and the hosts; without a namespace set, one request asks whose token this is."""
    from automl_bench_huggingface.account import account_of

    return account_of(context).scope


@hookimpl
def list_resources(context: ProviderContext, prefix: str) -> Sequence[Resource]:
    """List repositories, jobs and endpoints under a name prefix."""
    from automl_bench_huggingface.account import account_of
    from automl_bench_huggingface.resources import list_everything

    return list_everything(account_of(context), prefix)


@hookimpl
def delete_resource(context: ProviderContext, resource: Resource) -> Deletion:
    """Delete a repository or an endpoint, or cancel a job."""
    from automl_bench_huggingface.account import account_of
    from automl_bench_huggingface.resources import delete

    return delete(account_of(context), resource)
