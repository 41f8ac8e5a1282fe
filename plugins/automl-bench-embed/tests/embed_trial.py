"""A trial of the provider made by hand: trained, and asked, without a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from automl_bench_embed import plugin
from openai_fake import KEY
from prompt_trial import ask, context

from automl_bench.contract import (
    CallInvoker,
    Endpoint,
    LabelledSample,
    Modality,
    Operation,
    Prediction,
    Sample,
    TrialContext,
    Variant,
)
from automl_bench.transport.bulk import send_all

KEYS = ("api_key", "jina_key", "cohere_key", "voyage_key")


def trial(
    url: str, cache: Path, shown: Sequence[LabelledSample], modality: Modality, trial_id: str = "a" * 12, **variant: Any
) -> TrialContext:
    labels = tuple(sorted({one.label for one in shown}))
    secrets = dict.fromkeys(KEYS, KEY)
    made = context(url, cache, labels=labels, modality=modality, shown=shown, secrets=secrets)
    return replace(made, variant=Variant("embed", "mine", variant), send=send_all, trial_id=trial_id)


def trained(of: TrialContext) -> Operation:
    operation = plugin.train(of)
    assert isinstance(operation, Operation)
    return operation


def answers(of: TrialContext, asked: Sequence[Sample]) -> list[Prediction]:
    """Return what a trained trial says of samples: asked for over HTTP, or in this process."""
    invoker = plugin.invoke(of, Endpoint(of.trial_id))
    if isinstance(invoker, CallInvoker):
        return [invoker.call(one) for one in asked]
    return [ask(invoker, one) for one in asked]
