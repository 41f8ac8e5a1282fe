"""Bringing a table to the service: one file in the bucket, and a dataset that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.contract import Operation, TrainingSet
from automl_bench_vertex import datasets, labels, operations, shipping, tables
from automl_bench_vertex.naming import DATASET, SAMPLES, import_file
from automl_bench_vertex.options import TrainingOptions

if TYPE_CHECKING:
    from automl_bench.contract import TrialContext
    from automl_bench_vertex.account import Account


def begin(account: Account, context: TrialContext, training_set: TrainingSet) -> Operation:
    """Write the table and create its dataset. The result says what the training needs to know of the columns.

    Raises:
        ProviderError: If the table cannot be written as the service reads it, or the service refuses.
    """
    TrainingOptions.of(context.variant).require_objective_for(len(training_set.labels))
    table = tables.pack(training_set)
    if table.left_out:
        context.log(f"identifiers are not sent: {', '.join(table.left_out)}")
    samples = context.resources.ensure(
        SAMPLES,
        find=lambda name: shipping.find(account, name),
        create=lambda name: shipping.begin(account, name, table.content),
        hourly_usd=0.0,
    )
    address = f"gs://{account.bucket}/{import_file(samples.name)}"
    dataset = context.resources.ensure(
        DATASET,
        find=lambda name: datasets.find(account, name),
        create=lambda name: datasets.create(account, name, context.owner, table=address),
        hourly_usd=0.0,
    )
    return operations.begun(
        operations.TABLE,
        dataset=dataset.resource_id,
        creation=dataset.details.get("operation", ""),
        result={
            "rows": len(training_set.train) + len(training_set.validation),
            "column_names": {column: name for column, name in table.names.items() if column != name},
            "left_out": list(table.left_out),
            "transformations": table.transformations,
            "label_names": labels.names_of(training_set.labels),
        },
    )
