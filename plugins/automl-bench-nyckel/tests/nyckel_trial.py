"""One trial of the provider for tests, driven hook by hook, with a ledger in memory; and small training sets."""

from __future__ import annotations

from pathlib import Path

from automl_bench_nyckel import plugin
from automl_bench_nyckel.tokens import Tokens, tokens_for
from nyckel_fake import NyckelFake
from PIL import Image

from automl_bench.contract import LabelledSample, Sample, TrainingSet, Variant
from automl_bench.testing.hook_trial import HookTrial, image_sample, split

SHADES = {"dark": 40, "middle": 120, "bright": 220}


class NyckelTrial(HookTrial):
    """One trial's hooks, in order. What is uploaded is given to `upload`."""

    def __init__(self, fake: NyckelFake, home: Path, **settings: str) -> None:
        self.fake = fake
        credentials = {"client_id": fake.client_id, "client_secret": fake.client_secret}
        super().__init__(
            plugin,
            home,
            TrainingSet("shades", tuple(sorted(SHADES)), (), ()),
            variant=Variant("nyckel", "default"),
            settings={"server_url": fake.url, "poll_seconds": "0.05", **settings},
            secrets=credentials.__getitem__,
        )

    @property
    def tokens(self) -> Tokens:
        return tokens_for(self.context)


def make_sample(path: Path, shade: int, mark: int) -> Sample:
    """Write a 10 × 10 image of one shade with a mark that makes it unlike every other one."""
    image = Image.new("L", (10, 10), shade)
    image.putpixel((0, 0), mark)
    image.save(path)
    return image_sample(path)


def training_set_of(items: list[LabelledSample]) -> TrainingSet:
    """Split as the host does: every fifth sample of a class is for validation."""
    return split(items, "shades")
