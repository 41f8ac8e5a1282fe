"""How many tokens a request will take, at most: what a budget is kept with before anything is sent."""

from __future__ import annotations

import math

from automl_bench.contract import Sample

BYTES_A_TOKEN = 2.5
"""Fewer than tokenizers of 2026 reach on prose (about 4), so that the estimate errs to the safe side."""
MESSAGE_TOKENS = 12
"""Around each message."""
PATCH_PX = 32
PATCH_GROWTH = 1.25
SMALLEST_IMAGE = 85
"""Tokens that an image takes at least at the services which count by tiles."""
FIT_PX = {"low": 512, "high": 2048, "auto": 2048, "original": 10_000}


def of_text(text: str) -> int:
    """Return the most tokens that a text takes."""
    return math.ceil(len(text.encode()) / BYTES_A_TOKEN) + MESSAGE_TOKENS


def of_image(sample: Sample, detail: str, told: int | None) -> int:
    """Return the most tokens that an image takes: as the user says, else by patches of the fitted image."""
    if told is not None:
        return told + MESSAGE_TOKENS
    width, height = sample.width or FIT_PX[detail], sample.height or FIT_PX[detail]
    shrink = min(1.0, FIT_PX[detail] / max(width, height))
    patches = math.ceil(width * shrink / PATCH_PX) * math.ceil(height * shrink / PATCH_PX)
    return max(SMALLEST_IMAGE, math.ceil(patches * PATCH_GROWTH)) + MESSAGE_TOKENS
