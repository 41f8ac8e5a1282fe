"""One trial of the provider for tests, driven hook by hook, with a ledger in memory and the host's own bulk sending."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from automl_bench_huggingface import plugin
from automl_bench_huggingface.account import Account, account_of
from automl_bench_huggingface.description import DESCRIPTION
from automl_bench_huggingface.recipes import Recipe
from hub_fake import USER, HubFake

from automl_bench.contract import Json, TrainingSet, Variant
from automl_bench.settings.secrets import Secrets
from automl_bench.testing.hook_trial import TRIAL_ID, HookTrial, coloured_squares

COLOURS = {"ash grey": (90, 90, 90), 'brick, "red"': (160, 40, 30), "océan/2": (20, 60, 180)}
"""Labels with what a CSV, a path or an old header could not hold."""


def recipe(**settings: Json) -> Recipe:
    """Return the recipe of a variant with these settings."""
    return Recipe.of(Variant("huggingface", "mine", settings))


class HuggingfaceTrial(HookTrial):
    """One trial's hooks, in order."""

    def __init__(
        self,
        fake: HubFake,
        home: Path,
        training_set: TrainingSet,
        *,
        trial_id: str = TRIAL_ID,
        environment: Mapping[str, str] | None = None,
        variant: Mapping[str, Json] | None = None,
        **settings: str,
    ) -> None:
        self.fake = fake
        self.environment = dict(environment or {"HF_TOKEN": fake.token})
        super().__init__(
            plugin,
            home,
            training_set,
            variant=Variant("huggingface", "default", dict(variant or {})),
            settings={"hub_url": fake.url, "endpoints_api": fake.url, "namespace": USER, **settings},
            secrets=Secrets("huggingface", DESCRIPTION.settings, self.environment),
            trial_id=trial_id,
            seed=7,
        )

    @property
    def account(self) -> Account:
        return account_of(self.context)


def squares(folder: Path, shots: int = 5) -> TrainingSet:
    """Return k squares a colour."""
    return coloured_squares(folder, shots, COLOURS, (12, 12))
