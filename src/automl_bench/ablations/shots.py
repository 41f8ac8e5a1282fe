"""How many labelled samples per class: the sizes of the subsets, as numbers and as words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from automl_bench.errors import NotEnoughShots, UsageError
from automl_bench.numbers_in_words import number_of

DEFAULT_SHOTS: tuple[int, ...] = (5, 20, 80, 320, 1280)
"""The sizes of the ancestor's study, each four times the last."""

DEFAULT_SEED = 0

ALL = "all"

VALIDATION_EVERY = 5
"""Every fifth sample of a class's order is for validation."""


def is_validation(position: int) -> bool:
    """Tell whether a place (from 0) in a class's order is for validation."""
    return position % VALIDATION_EVERY == VALIDATION_EVERY - 1


def parse_shots(text: str) -> tuple[int | None, ...]:
    """Read sizes from the command line: "5,20,all" gives (5, 20, None), sorted, each once.

    Raises:
        UsageError: If a part is neither a positive whole number nor "all".
    """
    found: list[int | None] = []
    for part in (piece.strip() for piece in text.split(",")):
        if part.lower() == ALL:
            found.append(None)
        elif part.isascii() and part.isdigit() and int(part) > 0:
            found.append(int(part))
        else:
            raise UsageError(
                f"{part!r} in --shots {text!r} is not a number of samples per class.",
                remedy="Write positive whole numbers or `all`, with commas between, as in --shots 5,20,all.",
            )
    return in_order(found)


def in_order(shots: Sequence[int | None]) -> tuple[int | None, ...]:
    """Return the sizes sorted, each once, "all" last.

    Raises:
        UsageError: If one is not positive.
    """
    numbers = sorted({size for size in shots if size is not None})
    if numbers and numbers[0] < 1:
        raise UsageError(
            f"{numbers[0]} shots per class were asked for.", remedy="Ask for at least 1, or for `all` samples."
        )
    return (*numbers, None) if None in shots else tuple(numbers)


def spell(shots: int | None) -> str:
    """Return the size as file names and tables show it: the number, or "all"."""
    return ALL if shots is None else str(shots)


def split_sizes(samples: int) -> tuple[int, int]:
    """Return how many of a class's first `samples` are for training and how many for validation."""
    validation = samples // VALIDATION_EVERY
    return samples - validation, validation


def fitting_shots(class_sizes: Mapping[str, int], dataset: str) -> tuple[tuple[int | None, ...], str]:
    """Return the default sizes that every class has, and one sentence if some were left out.

    Where not even the smallest default fits, everything there is makes one subset.
    """
    label, fewest = smallest_class(class_sizes)
    fitting: tuple[int | None, ...] = tuple(size for size in DEFAULT_SHOTS if size <= fewest)
    if len(fitting) == len(DEFAULT_SHOTS):
        return fitting, ""
    reason = f"the smallest class of {dataset!r}, {label!r}, has {count_of(fewest)}"
    if not fitting:
        return (None,), f"Planned `all` only: {reason}, fewer than the smallest default size, {DEFAULT_SHOTS[0]} shots."
    return fitting, f"Stopped at {fitting[-1]} shots: {reason}."


def require_shots(class_sizes: Mapping[str, int], shots: int | None, dataset: str) -> None:
    """Check that every class has the samples asked for; `None` asks for at least one.

    Raises:
        NotEnoughShots: If a class has fewer; names the smallest one.
    """
    label, fewest = smallest_class(class_sizes)
    if fewest >= (1 if shots is None else shots):
        return
    if fewest == 0:
        remedy = f"Add training samples of {label!r}, or remove the class from the dataset."
    else:
        remedy = f"Ask for at most {number_of(fewest, 'shot')} or for `all`, or add training samples of {label!r}."
    wanted = "1 is the least" if shots is None else f"{shots} were asked for"
    raise NotEnoughShots(
        f"class {label!r} of {dataset!r} has {count_of(fewest)}, and {wanted}.",
        remedy=remedy,
    )


def smallest_class(class_sizes: Mapping[str, int]) -> tuple[str, int]:
    """Return the smallest class and its size; among equals the first in code-point order."""
    return min(class_sizes.items(), key=lambda item: (item[1], item[0]))


def count_of(samples: int) -> str:
    """Return "1 distinct training sample" or "12 distinct training samples"."""
    return f"{samples} distinct training sample{'' if samples == 1 else 's'}"
