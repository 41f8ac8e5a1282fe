"""Training: embed what is not in the cache, in batches, and fit the head."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench_openai.failures import SERVICE, error_for, read_json
from automl_bench_openai.local_vectors import local_vectors, network_of
from automl_bench_openai.usages import usage_of

from automl_bench.contract import HttpResponse, LabelledSample, Modality, Operation, OperationState, TrialContext
from automl_bench.errors import Infeasible, RequestRefused, TrainingFailed
from automl_bench.numbers_in_words import number_of
from automl_bench.toolkit.answers import unreadable
from automl_bench_embed.heads import fit
from automl_bench_embed.items import Item
from automl_bench_embed.options import Options
from automl_bench_embed.prices import usd_per_million
from automl_bench_embed.shapes import usage_in
from automl_bench_embed.vectors import VectorCache, request_for, vectors_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IN_FLIGHT = 4
WHAT = "embed training samples"


def head_path(context: TrialContext) -> Path:
    """Return where the head of a trial is kept."""
    return context.cache_dir / "heads" / f"{context.trial_id}.npz"


def train(context: TrialContext) -> Operation:
    """Embed the training samples and fit the head; what is in the cache is not embedded again.

    Raises:
        Infeasible: If the samples are images and the address embeds none.
        TrainingFailed: If there are fewer than two labels to learn.
        ProviderError: If the address refuses.
    """
    options = Options.of(context)
    if context.modality is Modality.IMAGE and not options.is_local and not options.shape.sees:
        raise Infeasible(
            f"{context.variant}: addresses of the shape {options.shape_name} embed no images.",
            remedy='Set shape = "local", "jina", "cohere" or "voyage", or choose texts or rows.',
        )
    training = context.training_set
    labelled: tuple[LabelledSample, ...] = () if training is None else (*training.train, *training.validation)
    if len({one.label for one in labelled}) < 2:
        raise TrainingFailed("A head needs samples of at least two labels.", remedy="Ask for more shots.")
    budget = None if options.is_local else options.token_budget
    items = [Item.of(one.sample, context.columns, budget) for one in labelled]
    vectors, asked, used = _embedded(context, options, items)
    begun = time.perf_counter()
    head = fit(vectors, [one.label for one in labelled])
    seconds = time.perf_counter() - begun
    head.save(head_path(context))
    price = usd_per_million(options, context.modality)[0]
    usd = None if price is None else used * price / 1e6
    how = f"here by {network_of(context.modality)}" if options.is_local else f"{used:,} tokens"
    told = (
        f"Of {number_of(len(labelled), 'training sample')}, {asked} were embedded for this trial ({how}) and"
        f" the others taken from the cache; fitting the head ({head.words}) took {seconds:.2f} s."
    )
    return Operation(
        OperationState.SUCCEEDED,
        work_seconds=seconds,
        usd=usd,
        result={
            "endpoint_id": context.trial_id,
            "chosen": head.words,
            "embedded": asked,
            "tokens": used,
            "deviations": [told],
        },
    )


def _embedded(context: TrialContext, options: Options, items: list[Item]) -> tuple[NDArray[np.float64], int, int]:
    """Return the vectors of contents, how many had to be asked for, and the tokens that took."""
    import numpy as np

    identity = f"local {network_of(context.modality)}" if options.is_local else options.identity
    cache = VectorCache(context.cache_dir, identity)
    wanted = {one.identity: one for one in items}
    known = cache.find(wanted)
    missing = [one for name, one in wanted.items() if name not in known]
    size = options.batch if options.is_local else min(options.batch, options.shape.most)
    batches = [missing[start : start + size] for start in range(0, len(missing), size)]
    used = 0
    if batches and options.is_local:
        _embed_here(context, cache, batches)
    elif batches:
        used = _ask(context, options, cache, batches)
    found = cache.find(wanted)
    if len({len(vector) for vector in found.values()}) != 1 or len(found) < len(wanted):
        raise RequestRefused(
            "The address gives vectors of differing lengths.", remedy="Set dimensions, or another model."
        )
    return np.stack([found[one.identity] for one in items]), len(missing), used


def _embed_here(context: TrialContext, cache: VectorCache, batches: Sequence[Sequence[Item]]) -> None:
    import numpy as np

    local = local_vectors(context.modality, context.cache_dir, os.cpu_count() or 1)
    done, total = 0, sum(map(len, batches))
    for batch in batches:
        cache.keep(batch, np.stack([item.vector(local) for item in batch]))
        done += len(batch)
        context.progress(done, total, "samples")


def _ask(context: TrialContext, options: Options, cache: VectorCache, batches: Sequence[Sequence[Item]]) -> int:
    """Let the address embed batches, keep their vectors, and return the tokens that it counted."""
    headers = options.headers(context)
    used = 0

    def judge(batch: Any, response: HttpResponse) -> None:
        nonlocal used
        content = read_json(response.body)
        if response.status >= 400 or not isinstance(content, dict) or content.get("error"):
            if response.status < 400 and not isinstance(content, dict):
                raise unreadable(SERVICE, WHAT)
            hidden = [value.removeprefix("Bearer ") for _, value in headers]
            raise error_for(response.status, content, response.headers, what=WHAT, hidden=hidden)
        try:
            vectors = vectors_in(options.shape, content, len(batch))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise unreadable(SERVICE, WHAT) from None
        cache.keep(batch, vectors)
        used += usage_of(usage_in(content), ending="", text="").input_tokens or 0

    makers = [(batch, lambda batch=batch: request_for(options, headers, batch)) for batch in batches]
    context.send(makers, in_flight=IN_FLIGHT, judge=judge)
    return used
