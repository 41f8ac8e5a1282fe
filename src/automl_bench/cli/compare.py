"""`automl-bench compare`: two variants or two experiments, the answer first."""

from __future__ import annotations

from typing import Annotated

import typer

from automl_bench.cli.output import console, print_json, say_plainly
from automl_bench.settings.workspace import Workspace
from automl_bench.statistics.contributions import Metric


def compare(
    a: Annotated[str, typer.Argument(help="A variant as `results` shows it, or an experiment with one variant.")],
    b: Annotated[str, typer.Argument(help="The other one.")],
    dataset: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    shots: Annotated[
        str | None, typer.Option(help='Only these shots, a number or "all".', show_default="the most that both have")
    ] = None,
    rope: Annotated[
        float,
        typer.Option(min=0.0, max=50.0, help="Largest difference in points that counts as equal.", show_default=True),
    ] = 1.0,
    metric: Annotated[Metric, typer.Option(help="The score to compare by.")] = Metric.ACCURACY,
    markdown: Annotated[bool, typer.Option("--md", help="Print Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two variants on the same test samples; the first line is the answer.

    Three questions are answered apart: whether these trained models differ, whether the methods would on another draw
    of the training subset (needs 3 folds), and whether they would on other datasets (needs several). A winner is named
    only if that holds with 5 % error for all of them together. Everything else is "not settled", with what would
    settle it. Cost and latency stand beside it. docs/results-format.md explains the fields of --json.

    \b
    Examples:
      automl-bench compare local:svc local:logistic
      automl-bench compare vertex local --dataset pets --shots 20
      automl-bench compare before after --rope 2 --md
      automl-bench compare local:svc local:logistic --metric macro_f1
    """
    from automl_bench.cli.decision import print_card
    from automl_bench.cli.results import show_table
    from automl_bench.report.comparing import beside_table
    from automl_bench.report.comparing import compare as compared
    from automl_bench.report.labels import labelled
    from automl_bench.report.rows import result_rows
    from automl_bench.report.support_tables import support_table
    from automl_bench.report.tables import markdown_text
    from automl_bench.store import open_store

    with open_store(Workspace.current().store_path, read_only=True) as store, store.answers_read_once():
        found = compared(store, a, b, dataset=dataset, shots=shots, rope=rope / 100, metric=metric)
        tables = [support_table(found.support), beside_table(found)]
        if as_json:
            print_json(found.as_json())
        elif markdown:
            falls = [f"- {markdown_text(words)}\n" for words in found.support.falls]
            parts = [f"**{markdown_text(found.answer)}**\n", *falls, *(table.to_markdown() for table in tables)]
            say_plainly("\n".join(parts).rstrip("\n"))
        else:
            console().print(found.answer, style="bold", markup=False)
            for words in found.support.falls:
                console().print(words, markup=False)
            console().print()
            for table in tables:
                show_table(table)
            rows = [dict(one.row) for one in labelled(result_rows(store)) if one.series in (found.a, found.b)]
            print_card(store, [row for row in rows if dataset in (None, row["dataset"])])
