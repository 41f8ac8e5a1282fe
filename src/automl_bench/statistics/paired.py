"""Two variants on the same test samples: two questions, answered apart.

*These trained models*: would the models at hand differ on other images like these? The draws of the training subset are
taken as given, the images vary. *Another draw*: would the method differ if it were trained on another draw from the
same training images? Draws and images vary, and at least three draws are needed to see how much the draws do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from automl_bench.statistics.contributions import Metric, sign_flip_p

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST_DRAWS = 3
"""Draws below which nothing is said about another draw: with two, a spread has one degree of freedom."""

FINEST = 5040
"""Largest common denominator of shares of right answers (over repeats) that the exact test counts with."""

SMALLEST_TAIL = 1e-14
"""A tail below this is not told from it; Student's quantiles lose their digits there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one question.

    Attributes:
        low: Lower end of the 95 % interval of A minus B; never below -1.
        high: Upper end of it; never above 1.
        p: Two-sided p of "no difference", not corrected for other comparisons.
        method: How the two were made, in words.
    """

    low: float
    high: float
    p: float
    method: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The accuracy of A minus the accuracy of B on the same test samples.

    Attributes:
        value: Mean difference, -1 to 1.
        models: These trained models, on other images like these.
        another_draw: The method on another draw; None below `FEWEST_DRAWS` draws.
        images: Test images that both answered for.
        draws: Draws of the training subset that both were trained on.
        only_a: Images that only A got right (mean over draws).
        only_b: Images that only B got right (mean over draws).
        variance: Sampling variance of `value` from images, and from draws where they are enough.
    """

    value: float
    models: Finding
    another_draw: Finding | None
    images: int
    draws: int
    only_a: float
    only_b: float
    variance: float


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the exact two-sided McNemar p: a binomial test on the discordant pairs.

    At least six discordant images, all on one side, are needed for p < 0.05.
    Source: Q. McNemar, Psychometrika 12 (1947); use for single runs: T. Dietterich, Neural Computation 10 (1998).
    """
    from scipy.special import bdtr

    discordant = only_a + only_b
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), discordant, 0.5))) if discordant else 1.0


def stratified_mcnemar(differences: NDArray[np.float64]) -> float:
    """Return the exact two-sided p of McNemar's test, stratified by how strongly an image separates the two.

    Draws share their images, so their answers are not independent and may not be counted as so many images more. The
    unit is the image: it favours A or B in some number of draws more than the other. If the two are alike, each image
    is as likely to favour either; so the images of one strength favour A Binomial(count, 1/2) times, and the sum over
    strengths has an exact distribution. With one draw there is one strength, and it is McNemar's exact test.

    Args:
        differences: For each image, the right answers of A minus those of B, as whole numbers, (images,).
    """
    import numpy as np

    sizes, counts = np.unique(np.abs(differences[differences != 0]).astype(np.int64), return_counts=True)
    if len(sizes) == 0:
        return 1.0
    if len(sizes) == 1:
        ahead = int((differences > 0).sum())
        return mcnemar_exact(ahead, int(counts[0]) - ahead)
    total, chances = signed_sum(sizes, counts)
    observed = abs(int(differences.sum()))
    sums = np.arange(-total, total + 1)
    return float(min(1.0, max(chances[np.abs(sums) >= observed].sum(), np.finfo(float).eps)))


def signed_sum(sizes: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[int, NDArray[np.float64]]:
    """Return the largest sum T and the chances of the sums -T..T of values whose signs are fair coins.

    Args:
        sizes: Distinct absolute values, positive.
        counts: How often each occurs.
    """
    import numpy as np
    from scipy.special import gammaln

    chances = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        steps = np.zeros(2 * size * count + 1)
        heads = np.arange(count + 1)
        ways = gammaln(count + 1) - gammaln(heads + 1) - gammaln(count - heads + 1)
        steps[:: 2 * size] = np.exp(ways - count * math.log(2))
        chances = np.convolve(chances, steps) if min(len(chances), len(steps)) < 500 else _convolved(chances, steps)
    return int((sizes * counts).sum()), np.maximum(chances, 0.0)


def _convolved(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve by Fourier transforms. scipy.signal would do the same, and importing it takes a second."""
    from scipy.fft import irfft, next_fast_len, rfft

    length = len(one) + len(other) - 1
    size = next_fast_len(length, real=True)
    product: NDArray[np.float64] = irfft(rfft(one, size) * rfft(other, size), size)[:length]
    return product


def compare_tables(
    of_a: NDArray[np.float64],
    of_b: NDArray[np.float64],
    *,
    draws_differ: bool = True,
    metric: Metric = Metric.ACCURACY,
) -> Difference:
    """Compare two variants, given what each draw and image contributes to the score, (draws, images).

    For accuracy these are right answers, for which the test is exact.

    Args:
        of_a: Right answers of A.
        of_b: Right answers of B.
        draws_differ: Whether draws hold different training images. Where all images are used they do not, so nothing
            can be learnt about another draw.
        metric: The score.
    """
    import numpy as np

    table = of_a - of_b
    draws, images = table.shape
    by_image = table.mean(axis=0)
    low, high, variance = _image_interval(by_image)
    if metric is Metric.ACCURACY:
        p = stratified_mcnemar(np.rint(_denominator(of_a, of_b) * table).sum(axis=0))
        kind = "exact McNemar test" if draws == 1 else "exact McNemar test over samples, stratified by draws"
    else:
        p, kind = sign_flip_p(by_image), f"random signs of what each image contributes to {metric.words}"
    models = Finding(low, high, p, f"{kind}; interval of Bonett and Price")
    again = None
    if draws_differ and draws >= FEWEST_DRAWS and images > 1:
        again, variance = _another_draw(table)
    only_a = float(np.maximum(table, 0).sum(axis=1).mean())
    only_b = float(np.maximum(-table, 0).sum(axis=1).mean())
    return Difference(float(table.mean()), models, again, images, draws, only_a, only_b, variance)


def _denominator(*shares: NDArray[np.float64]) -> int:
    """Return a number that makes shares over repeats whole: 1 without repeats, 6 with two or three of them."""
    from fractions import Fraction

    import numpy as np

    if all(bool(((one == 0) | (one == 1)).all()) for one in shares):
        return 1
    values = np.unique(np.concatenate([np.unique(one) for one in shares]))
    found = reduce(math.lcm, (Fraction(float(one)).limit_denominator(50).denominator for one in values), 1)
    return min(found, FINEST)


def _pseudo_image(by_image: NDArray[np.float64]) -> float:
    """Return how far the two added images lie from 0: as far as an image that separates the two usually does."""
    import numpy as np

    apart = by_image[by_image != 0]
    return float(np.sqrt((apart**2).mean())) if len(apart) else 1.0


def _image_interval(by_image: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the 95 % interval of the mean over images, and its variance.

    One image for each of the two is added, so that no spread is never certainty. With one draw it is the interval of
    D. Bonett and R. Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data", J. Educ. Behav. Stat. 37 (2012); with several, the added images count as much as one that separates the two.
    """
    from scipy.special import ndtri

    count, apart = len(by_image) + 2, _pseudo_image(by_image)
    mean = float(by_image.sum()) / count
    variance = (float((by_image**2).sum() + 2 * apart**2) / count - mean**2) / count
    margin = float(ndtri(0.975)) * math.sqrt(variance)
    return max(-1.0, mean - margin), min(1.0, mean + margin), variance


def _another_draw(table: NDArray[np.float64]) -> tuple[Finding, float]:
    """Return what a (draws, images) table says about another draw, and the variance of its mean.

    Every image is answered in every draw: a crossed two-way table without replication. Its mean squares give the
    variance from draws (with what is left over) and that from images (S. Searle, G. Casella, C. McCulloch, "Variance
    Components", 1992, chapter 4). The two are joined as t_draws² V_draws + t_images² V_images, which never covers less
    than the level (S. Banerjee, "Approximate confidence interval for linear functions of means of k populations when
    the population variances are not equal", Sankhya 22 (1960)); Satterthwaite's degrees of freedom did, with three
    draws. p is the level at which the interval would begin at 0.
    """
    import numpy as np
    from scipy.special import stdtrit

    seen = float(table.mean())
    apart = _pseudo_image(table.mean(axis=0))
    added = np.tile((apart, -apart), (len(table), 1))
    table = np.concatenate([table, added], axis=1)
    draws, images = table.shape
    mean = float(table.mean())
    by_draw, by_image = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    ms_draws = images * float(((by_draw - mean) ** 2).sum()) / (draws - 1)
    ms_images = draws * float(((by_image - mean) ** 2).sum()) / (images - 1)
    ms_rest = float(((table - by_draw - by_image + mean) ** 2).sum()) / ((draws - 1) * (images - 1))
    cells = images * draws
    # Draws that agree to the last image still might have differed by one image in one draw.
    of_draws = max(ms_draws, 1 / cells) / cells
    of_images = max(0.0, ms_images - ms_rest) / cells

    def margin(tail: float) -> float:
        t_draws, t_images = float(stdtrit(draws - 1, tail)), float(stdtrit(images - 1, tail))
        return math.sqrt(t_draws**2 * of_draws + t_images**2 * of_images)

    total = of_draws + of_images
    if abs(mean) <= margin(0.5):
        p = 1.0
    elif abs(mean) >= margin(SMALLEST_TAIL):
        p = 2 * SMALLEST_TAIL
    else:
        p = 2 * _tail_of(abs(mean), margin)
    low, high = bounded(mean, margin(0.025))
    low, high = min(low, seen), max(high, seen)  # the added images draw the mean away from a difference of 100 points
    return Finding(low, high, p, "crossed draws and samples, Student t for each (Banerjee)"), total


def _tail_of(distance: float, margin: Callable[[float], float]) -> float:
    """Return the tail whose margin is a distance, by bisection of its logarithm, to 1e-10 of it.

    scipy.optimize has faster ways; importing it takes a quarter of a second.
    """
    low, high = math.log(SMALLEST_TAIL), math.log(0.5)
    while high - low > 1e-10:
        middle = (low + high) / 2
        low, high = (middle, high) if margin(math.exp(middle)) > distance else (low, middle)
    return math.exp(high)


def bounded(mean: float, margin: float) -> tuple[float, float]:
    """Return mean ± margin on Fisher's scale (inverse hyperbolic tangent), so that no end leaves -1 to 1."""
    mean = min(max(mean, -1 + 1e-9), 1 - 1e-9)
    centre, half = math.atanh(mean), margin / (1 - mean * mean)
    return math.tanh(centre - half), math.tanh(centre + half)


def ordered_pairs(
    names: Sequence[str], scores: Mapping[str, Any], *, most: int = 5, baseline: str | None = None
) -> list[tuple[str, str]]:
    """Return the pairs to compare, better one first.

    Up to `most` names: every pair. More: everyone against the leader, as all pairs would drown the reader. With a
    baseline: everyone against it.
    """
    ranked = sorted((name for name in names if name in scores), key=lambda name: (-scores[name], name))
    if baseline is not None and baseline in ranked:
        place = ranked.index(baseline)
        return [(one, baseline) for one in ranked[:place]] + [(baseline, one) for one in ranked[place + 1 :]]
    if len(ranked) > most:
        return [(ranked[0], other) for other in ranked[1:]]
    return [(first, second) for place, first in enumerate(ranked) for second in ranked[place + 1 :]]
