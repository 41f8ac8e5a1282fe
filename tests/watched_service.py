"""A prompted service for tests of `watch`: nothing is built, and a file says how it answers.

`share_wrong` of the samples are answered wrong, chosen by their content, so that a larger share contains the smaller
one; `model` is the model that it says to be; `fault` is what happens instead of an answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from small_workspace import COLOURS

from automl_bench.contract import (
    Capability,
    Endpoint,
    Prediction,
    ProviderContext,
    ProviderDescription,
    Sample,
    TrialContext,
    Usage,
)
from automl_bench.errors import ConnectionLost, Unauthenticated
from automl_bench.hookspecs import hookimpl


@hookimpl
def describe_provider() -> ProviderDescription:
    return ProviderDescription(
        "asked", "Asked", frozenset({Capability.INVOKE}), needs_training=False, untrained_where={}
    )


@hookimpl
def cautions(context: ProviderContext) -> Sequence[str]:
    return [f"the model of {context.variant.name} ends on 2026-12-24.\x1b[2J"]


class Asked:
    """Answers by the colour of the square."""

    def call(self, sample: Sample) -> Prediction:
        state = json.loads(Path(os.environ["WATCHED_SERVICE"]).read_text())
        with (Path(os.environ["WATCHED_SERVICE"]).parent / "calls").open("a") as calls:
            calls.write(f"{sample.sample_id}\n")
        if state.get("fault") == "login":
            raise Unauthenticated("the key was refused.")
        if state.get("fault") == "network":
            raise ConnectionLost("no connection.")
        with Image.open(sample.path) as image:
            pixel = image.convert("RGB").getpixel((4, 4))
        right = next(label for label, colour in COLOURS.items() if colour == pixel)
        wrong = int(sample.sample_id[:8], 16) / 2**32 < state["share_wrong"]
        usage = Usage(model=state["model"], usd=0.001)
        return (
            Prediction("blue" if right != "blue" else "red", None, usage=usage)
            if wrong
            else Prediction(right, None, usage=usage)
        )


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> Asked:
    return Asked()
