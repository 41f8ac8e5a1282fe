"""Pages of simulated experiments, judged by the very code that writes reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl_bench.report.labels import Labelled
from automl_bench.report.support import gather, settle
from automl_bench.report.verdicts import Comparison, Question
from automl_bench.statistics.contributions import Metric


@dataclass(frozen=True)
class World:
    """How variants, draws and images make right answers.

    An answer is right if skill + ease of the image + what the variant makes of it + luck of the draw + chance > 0.
    `draw_sd` is the luck of a variant's draw, `own_sd` what stays the same of a variant's answers from draw to draw,
    `chance_sd` what does not: with a small one, draws repeat each other image by image. `dataset_sd` is how much a
    variant suits a dataset more than another one.
    """

    variants: int
    datasets: int
    draws: int
    images: int
    draw_sd: float = 0.0
    own_sd: float = 0.7
    chance_sd: float = 0.4
    dataset_sd: float = 0.0
    skill: tuple[float, ...] = ()


class Page:
    """One simulated page; stands in for the answers of a results file."""

    metric = Metric.ACCURACY

    def __init__(self, world: World, chance: np.random.Generator) -> None:
        self.world, self.right, self.named = world, {}, []
        self.truth = {}
        names = [f"v{place}" for place in range(world.variants)]
        skills = world.skill or (0.0,) * world.variants
        for d in range(world.datasets):
            shape = (world.draws, world.images)
            ease = chance.normal(chance.uniform(0.3, 2.0), 1.5, world.images)
            for name, skill in zip(names, skills, strict=True):
                method = skill + chance.normal(0, world.dataset_sd)
                luck = method + chance.normal(0, world.draw_sd, (world.draws, 1))
                own = chance.normal(0, world.own_sd, world.images)
                answers = ease + own + luck + chance.normal(0, world.chance_sd, shape) > 0
                self.right[name, f"d{d}"] = answers.astype(float)
                self.truth[name, f"d{d}"] = {
                    Question.MODELS: float(luck.mean()),
                    Question.ANOTHER_DRAW: method,
                    Question.DATASETS: skill,
                }
                for draw in range(world.draws):
                    row = {
                        "trial_id": f"{name} {d} {draw}",
                        "complete": True,
                        "accuracy": float(answers[draw].mean()),
                        "test_samples": world.images,
                        "shots": 20,
                    }
                    self.named.append(Labelled(name, f"d{d}", draw, row))

    def tables(self, a: list[Labelled], b: list[Labelled]) -> tuple[np.ndarray, np.ndarray]:
        return self.right[a[0].series, a[0].dataset], self.right[b[0].series, b[0].dataset]

    def false(self, one: Comparison) -> bool:
        """Whether a winner is named who is none: judged by what made the answers, for the question that was asked."""
        dataset = "d0" if one.question is Question.DATASETS else one.dataset
        ahead, behind = (self.truth[name, dataset][one.question] for name in (one.a, one.b))
        return one.separated and ahead <= behind

    def verdicts(self, baseline: str | None = None) -> tuple[Comparison, ...]:
        return settle(gather(self, self.named, baseline=baseline))
