"""Which labelled samples are shown: the nearest or all, never the sample's own content, within the token budget."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from automl_bench_openai import local_vectors
from automl_bench_openai.examples import Examples, embedding_vector
from automl_bench_openai.options import ALL
from openai_fake import OpenaiFake
from prompt_trial import COLOURS, ask, image_sample, invoker_of, text_sample

from automl_bench.contract import LabelledSample, Modality
from automl_bench.errors import Infeasible, RequestRefused


def squares(folder: Path, each: int = 4) -> list[LabelledSample]:
    return [LabelledSample(image_sample(folder, label, n), label) for label in COLOURS for n in range(each)]


def test_the_nearest_are_shown_with_the_nearest_last(tmp_path: Path) -> None:
    examples = Examples(squares(tmp_path), 5)
    chosen = examples.for_sample(image_sample(tmp_path / "test", "red", 77))
    assert len(chosen) == 5
    assert [one.label for one in chosen[-4:]] == ["red"] * 4


def test_embeddings_tell_what_is_near_in_meaning_where_no_word_is_common(tmp_path: Path) -> None:
    dog, tax = (LabelledSample(text_sample(words), "any") for words in ("My puppy barks at strangers.", "Income tax."))
    asked = text_sample("A hound growled")
    vector = embedding_vector(Modality.TEXT, (), tmp_path)
    for order in ([dog, tax], [tax, dog]):
        assert Examples(order, 1, vector=vector).for_sample(asked) == [dog]


def test_without_the_packages_for_embeddings_there_is_a_pip_line(
    fake: OpenaiFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_vectors, "missing", lambda modality: "a package is not installed")
    with pytest.raises(Infeasible, match="a package is not installed") as refused:
        invoker_of(fake, tmp_path / "cache", shown=squares(tmp_path), examples=2, examples_by="embedding")
    assert "pip install" in refused.value.remedy


@pytest.mark.parametrize("by", ["content", "embedding"])
@pytest.mark.parametrize("count", [3, ALL])
def test_a_samples_own_content_is_never_among_its_examples(tmp_path: Path, count: int, by: str) -> None:
    labelled = squares(tmp_path)
    vector = embedding_vector(Modality.IMAGE, (), tmp_path / "graph") if by == "embedding" else None
    examples = Examples(labelled, count, vector=vector)
    for one in labelled:
        shown = examples.for_sample(one.sample)
        assert one.sample.sample_id not in {other.sample.sample_id for other in shown}
        assert len(shown) == (3 if count == 3 else len(labelled) - 1)


def test_all_come_in_one_order_so_that_a_cache_holds_them(fake: OpenaiFake, tmp_path: Path) -> None:
    more = {"shown": squares(tmp_path), "examples": ALL, "mode": "chat"}
    invoker = invoker_of(fake, tmp_path / "cache", **more)
    first = ask(invoker, image_sample(tmp_path / "test", "red", 90))
    second = ask(invoker, image_sample(tmp_path / "test", "blue", 91))
    assert first.usage is not None
    assert second.usage is not None
    assert (first.usage.cached_tokens, second.label) == (0, "blue")
    assert second.usage.cached_tokens
    assert second.usage.cached_tokens > 12 * 85


@pytest.mark.parametrize("mode", ["decisions", "chat", "tool", "plain"])
def test_a_model_that_knows_nothing_learns_from_what_it_is_shown(fake: OpenaiFake, tmp_path: Path, mode: str) -> None:
    fake.knowledge.taught.clear()
    invoker = invoker_of(fake, tmp_path / "cache", shown=squares(tmp_path), examples=3, mode=mode)
    for label in COLOURS:
        assert ask(invoker, image_sample(tmp_path / "test", label, 50)).label == label


def test_what_is_over_the_budget_is_left_out_from_the_front(fake: OpenaiFake, tmp_path: Path) -> None:
    texts = [text_sample(f"{'word ' * 100}{n}") for n in range(20)]
    shown = [LabelledSample(one, "ham") for one in texts]
    more = {"labels": ("ham", "spam"), "modality": Modality.TEXT, "shown": shown, "examples": ALL, "mode": "chat"}

    def sent(budget: int) -> list[str]:
        invoker = invoker_of(fake, tmp_path / "cache", token_budget=budget, **more)
        body = json.loads(invoker.prepare(text_sample("a word")).body)
        return [one["content"] for one in body["messages"] if one["role"] == "user"]

    many, few = sent(8000), sent(2000)
    assert len(many) == 21
    assert 2 < len(few) < 10
    assert few == many[-len(few) :]
    invoker = invoker_of(fake, tmp_path / "cache", token_budget=400, **more)
    with pytest.raises(RequestRefused, match="400 tokens"):
        invoker.prepare(text_sample("word " * 400))
    asked = ask(invoker, text_sample("short"))
    assert asked.usage is not None
    assert (asked.usage.input_tokens or 0) <= 400, "the estimate errs to the safe side"
