"""Images by each shape that takes them, or in this process: embedded once, billed as we say, as scikit-learn has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from automl_bench_embed import plugin
from embed_trial import answers, trained, trial
from embeddings_fake import EmbeddingsFake, networks
from openai_fake import MODEL
from prompt_trial import COLOURS, image_sample, text_sample
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from automl_bench.contract import HttpInvoker, LabelledSample, Modality, Prediction, Sample
from automl_bench.errors import Infeasible, InvalidSetting, RequestRefused, Unauthenticated

USD = 3.0
WORDS = {"work": "the meeting moved to {n}", "spam": "you are winner {n} of a prize"}


@pytest.fixture
def fake() -> Iterator[EmbeddingsFake]:
    with EmbeddingsFake() as running:
        yield running


def squares(folder: Path, each: int) -> list[LabelledSample]:
    return [LabelledSample(image_sample(folder, label, n), label) for label in COLOURS for n in range(each)]


@pytest.mark.parametrize("shape", ["jina", "cohere", "voyage"])
def test_each_shape_embeds_each_content_once_and_the_bill_agrees(
    fake: EmbeddingsFake, tmp_path: Path, shape: str
) -> None:
    variant = {"shape": shape, "model": MODEL, "usd_in": USD, "batch": 4}
    few, more = squares(tmp_path, 3), squares(tmp_path, 5)
    asked = [image_sample(tmp_path / "test", label, 90) for label in COLOURS]
    first = trial(fake.url, tmp_path / "cache", few, Modality.IMAGE, "a" * 12, **variant)
    second = trial(fake.url, tmp_path / "cache", more, Modality.IMAGE, "b" * 12, **variant)
    built = [trained(first), trained(second)]
    assert [one.result["embedded"] for one in built] == [9, 6], "5 shots hold the 3 shots"
    found = answers(second, asked)
    assert [one.label for one in found] == list(COLOURS)
    used = [one.usage.input_tokens if one.usage else None for one in found]
    assert all(used)
    paid = sum(one.usd or 0.0 for one in built) + sum(one or 0 for one in used) * USD / 1e6
    assert paid == pytest.approx(fake.bill.read * USD / 1e6)
    assert fake.bill.answers == 3 + 2 + 3


@pytest.mark.parametrize("shape", ["openai", "jina", "cohere", "voyage"])
def test_texts_go_by_each_shape_too_and_the_key_is_tried_first(
    fake: EmbeddingsFake, tmp_path: Path, shape: str
) -> None:
    learnt = [LabelledSample(text_sample(text.format(n=n)), label) for label, text in WORDS.items() for n in range(4)]
    of = trial(fake.url, tmp_path, learnt, Modality.TEXT, shape=shape, model=MODEL)
    assert plugin.check_access(of).ok
    trained(of)
    asked = [text_sample(text.format(n=77)) for text in WORDS.values()]
    assert [one.label for one in answers(of, asked)] == list(WORDS)
    with pytest.raises(Unauthenticated):
        plugin.check_access(replace(of, secrets=lambda name: "sk-wrong"))


def test_what_embeds_no_images_is_refused_before_any_request(fake: EmbeddingsFake, tmp_path: Path) -> None:
    of = trial(fake.url, tmp_path, squares(tmp_path, 2), Modality.IMAGE, model=MODEL)
    with pytest.raises(Infeasible, match="shape openai embed no images"):
        plugin.train(of)
    assert not fake.recorded


def test_an_image_over_the_budget_is_refused_with_a_remedy(fake: EmbeddingsFake, tmp_path: Path) -> None:
    of = trial(fake.url, tmp_path, squares(tmp_path, 2), Modality.IMAGE, shape="jina", model=MODEL, token_budget=50)
    trained(of)  # 24 × 24 pixels
    invoker = plugin.invoke(of, None)  # type: ignore[arg-type]  # it looks at no endpoint
    assert isinstance(invoker, HttpInvoker)
    large = replace(image_sample(tmp_path, "red", 1), width=600, height=600)
    with pytest.raises(RequestRefused, match="more than the 50 tokens") as refused:
        invoker.prepare(large)
    assert "max_side" in refused.value.remedy


def test_a_setting_that_says_nothing_here_is_refused(tmp_path: Path) -> None:
    of = trial("", tmp_path, squares(tmp_path, 2), Modality.IMAGE, shape="local", dimensions=64)
    with pytest.raises(InvalidSetting, match='dimensions says nothing with shape = "local"'):
        plugin.train(of)


@pytest.mark.parametrize("modality", [Modality.IMAGE, Modality.TEXT])
@pytest.mark.parametrize("by", ["server", "process"])
def test_real_networks_and_the_head_of_plain_scikit_learn(tmp_path: Path, modality: Modality, by: str) -> None:
    """MiniLM and EfficientNet-Lite0, through an embeddings server and in this process, against the same vectors."""
    learnt, asked = _samples(tmp_path, modality)
    embed = networks(tmp_path / "graph")
    with EmbeddingsFake(embed=embed) as fake:
        shape = {"shape": "jina", "model": MODEL} if by == "server" else {"shape": "local"}
        of = trial(fake.url, tmp_path / "cache", learnt, modality, **shape)
        chosen = str(trained(of).result["chosen"])
        found = answers(of, asked)
        assert (len(fake.recorded) > 0) is (by == "server")
    known = np.stack([_unit(embed, one.sample) for one in learnt])
    wanted = np.stack([_unit(embed, one) for one in asked])
    value = chosen.rpartition(" = ")[2]
    plain = LogisticRegression(C=float(value), max_iter=2000)
    if chosen.startswith("kNN"):
        plain = KNeighborsClassifier(int(value), metric="cosine", algorithm="brute")
    plain.fit(known, [one.label for one in learnt])
    assert [one.label for one in found] == list(plain.predict(wanted))
    for prediction, row in zip(found, plain.predict_proba(wanted), strict=True):
        assert _scores(prediction, plain.classes_) == pytest.approx(list(row), abs=1e-6)


def _samples(folder: Path, modality: Modality) -> tuple[list[LabelledSample], list[Sample]]:
    if modality is Modality.IMAGE:
        return squares(folder, 4), [image_sample(folder / "test", label, 90) for label in COLOURS]
    learnt = [LabelledSample(text_sample(text.format(n=n)), label) for label, text in WORDS.items() for n in range(4)]
    return learnt, [text_sample(text.format(n=n)) for text in WORDS.values() for n in (77, 78)]


def _unit(embed: object, sample: Sample) -> np.ndarray:
    import io

    from PIL import Image

    content = sample.text if sample.text is not None else Image.open(io.BytesIO(sample.content())).convert("RGB")
    vector = np.asarray(embed(content), dtype=float)  # type: ignore[operator]
    return vector / np.linalg.norm(vector)


def _scores(prediction: Prediction, classes: list[str]) -> list[float]:
    return [prediction.scores[one] for one in classes]


def test_vectors_are_kept_apart_by_what_embedded_them(fake: EmbeddingsFake, tmp_path: Path) -> None:
    learnt = squares(tmp_path, 2)
    counts = []
    for shape in ("jina", "voyage", "jina"):
        trained(trial(fake.url, tmp_path / "cache", learnt, Modality.IMAGE, shape=shape, model=MODEL))
        counts.append(len(fake.recorded))
    assert counts == [1, 2, 2]
    assert {tuple(json.loads(one.raw)) for one in fake.recorded} == {
        ("model", "input", "task"),
        ("model", "inputs", "input_type"),
    }
