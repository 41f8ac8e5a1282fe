"""Training: embed what is not in the cache, in batches, and fit the head."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench_openai.failures import SERVICE, error_for, read_json
from automl_bench_openai.usages import usage_of

from automl_bench.contract import HttpResponse, LabelledSample, Operation, OperationState, TrialContext
from automl_bench.errors import RequestRefused, TrainingFailed
from automl_bench.numbers_in_words import number_of
from automl_bench.toolkit.answers import unreadable
from automl_bench_embed.heads import fit
from automl_bench_embed.options import Options
from automl_bench_embed.prices import usd_per_million
from automl_bench_embed.vectors import VectorCache, request_for, vectors_in, words_of

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
        TrainingFailed: If there are fewer than two labels to learn.
        ProviderError: If the address refuses.
    """
    options = Options.of(context)
    training = context.training_set
    labelled: tuple[LabelledSample, ...] = () if training is None else (*training.train, *training.validation)
    if len({one.label for one in labelled}) < 2:
        raise TrainingFailed("A head needs samples of at least two labels.", remedy="Ask for more shots.")
    texts = [words_of(one.sample, context.columns, options.token_budget) for one in labelled]
    vectors, asked, used = _embedded(context, options, texts)
    begun = time.perf_counter()
    head = fit(vectors, [one.label for one in labelled])
    seconds = time.perf_counter() - begun
    head.save(head_path(context))
    price = usd_per_million(options)[0]
    usd = None if price is None else used * price / 1e6
    told = (
        f"Of {number_of(len(labelled), 'training sample')}, {asked} were embedded for this trial ({used:,} tokens) and"
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


def _embedded(context: TrialContext, options: Options, texts: list[str]) -> tuple[NDArray[np.float64], int, int]:
    """Return the vectors of texts, how many had to be asked for, and the tokens that took."""
    import numpy as np

    cache = VectorCache(context.cache_dir, options.identity)
    known = cache.find(dict.fromkeys(texts))
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    batches = [missing[start : start + options.batch] for start in range(0, len(missing), options.batch)]
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
            vectors = vectors_in(content, len(batch))
        except (KeyError, TypeError, ValueError):
            raise unreadable(SERVICE, WHAT) from None
        cache.keep(batch, vectors)
        used += usage_of(content, ending="", text="").input_tokens or 0

    makers = [(batch, lambda batch=batch: request_for(options, headers, batch)) for batch in batches]
    context.send(makers, in_flight=IN_FLIGHT, judge=judge)
    found = cache.find(dict.fromkeys(texts))
    if len({len(vector) for vector in found.values()}) != 1 or len(found) < len(set(texts)):
        raise RequestRefused(
            "The address gives vectors of differing lengths.", remedy="Set dimensions, or another model."
        )
    return np.stack([found[text] for text in texts]), len(missing), used
