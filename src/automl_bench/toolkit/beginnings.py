"""A look may begin the next step: what a refusal means depends on whether that or the look was refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from automl_bench.errors import ProviderError


@contextmanager
def beginning() -> Iterator[None]:
    """Mark the errors of requests that begin or change something, for `poll`.

    A look that is refused says nothing of the work, and the host looks on until the stage's deadline. A refusal to
    begin the next step is final. The host itself marks what `context.resources.ensure` creates.

    Raises:
        ProviderError: What the block raises, marked.
    """
    try:
        yield
    except ProviderError as error:
        error.begins = True
        raise
