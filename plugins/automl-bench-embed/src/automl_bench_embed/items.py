"""What is embedded of a sample: its text, its fields one a line, or its image."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from automl_bench_openai import tokens
from automl_bench_openai.prompts import data_url, sample_text

from automl_bench.contract import Column, Sample
from automl_bench.errors import RequestRefused

if TYPE_CHECKING:
    import numpy as np
    from automl_bench_local.sample_vectors import SampleVectors
    from numpy.typing import NDArray

PIXELS_A_TOKEN = 60
"""Fewer than Cohere (about 160) and Voyage (560) make a token of, so that the estimate errs to the safe side."""


@dataclass(frozen=True, slots=True)
class Item:
    """One content to embed.

    Attributes:
        text: The words; empty for an image.
        image: The sample whose image it is, or None.
        identity: What the cache knows it by: the words, or the digest of the image's bytes.
    """

    text: str
    image: Sample | None = field(default=None, compare=False, repr=False)
    identity: str = ""

    @classmethod
    def of(cls, sample: Sample, columns: tuple[Column, ...], budget: int | None) -> Item:
        """Return what is embedded of a sample.

        Args:
            sample: The sample.
            columns: Columns of a table.
            budget: Most tokens that it may take by a careful estimate; None where tokens do not count.

        Raises:
            RequestRefused: If it is empty, or over the budget.
            OSError: If its file cannot be read.
        """
        words = sample_text(sample, columns)
        if words is None:
            taken = math.ceil((sample.width or 0) * (sample.height or 0) / PIXELS_A_TOKEN)
            item = cls("", sample, f"image {hashlib.sha256(sample.content()).hexdigest()}")
            remedy = "Raise token_budget, or set max_side under [images]."
        else:
            if not words.strip():
                raise RequestRefused("The sample is empty, and empty texts are not embedded.")
            taken, item, remedy = tokens.of_text(words), cls(words, identity=words), "Raise token_budget."
        if budget is not None and taken > budget:
            raise RequestRefused(f"The sample takes more than the {budget:,} tokens of token_budget.", remedy=remedy)
        return item

    def url(self) -> str:
        """Return the image as a data URL.

        Raises:
            OSError: If its file cannot be read.
        """
        assert self.image is not None
        return data_url(self.image)

    def vector(self, local: SampleVectors) -> NDArray[np.float64]:
        """Return its vector, computed here.

        Raises:
            OSError: If the file of its image cannot be read.
            RequestRefused: If that is no image.
        """
        return local.of_words(self.text) if self.image is None else local.of_image(self.image)
