"""Against llama.cpp's own server, with tiny models of random weights: the protocol is real, the answers are chance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from automl_bench_openai import plugin
from automl_bench_openai.invoking import PromptInvoker
from prompt_trial import COLOURS, ask, context, image_sample, text_sample
from tiny_models import llama_server

from automl_bench.contract import Endpoint, HttpInvoker, LabelledSample, Modality, Prediction
from automl_bench.errors import Infeasible

LABELS = ("ham", "spam")
TEXTS = [text_sample(words) for words in ("win a prize", "see you at lunch", "free money", "the report is late")]
ENDINGS = {"stop", "length", "invalid_json", "empty"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama_server(tmp_path_factory.mktemp("reader")) as url:
        yield url


@pytest.fixture(scope="module")
def seer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama_server(tmp_path_factory.mktemp("seer"), sees=True) as url:
        yield url


def invoker_at(url: str, cache: Path, **more: object) -> PromptInvoker:
    variant = {"preset": "compatible", "base_url": url, "model": "tiny", "max_output_tokens": 60}
    around = context(url, cache, secrets={}, **{**variant, **more})  # type: ignore[arg-type]
    invoker = plugin.invoke(around, Endpoint(""))
    assert isinstance(invoker, HttpInvoker)
    assert isinstance(invoker, PromptInvoker)
    return invoker


def judged(found: Prediction, labels: tuple[str, ...]) -> None:
    assert found.label is None or found.label in labels, "the enum is enforced"
    assert found.usage is not None
    assert found.usage.finish_reason in ENDINGS
    assert (found.label is not None) is (found.usage.finish_reason == "stop")
    assert found.usage.input_tokens
    assert found.usage.output_tokens
    if found.label is not None:
        assert found.confidence is not None
        assert 0 < found.confidence <= 1


def test_texts_are_asked_by_chat_with_an_enforced_enum(reader: str, tmp_path: Path) -> None:
    invoker = invoker_at(reader, tmp_path, labels=LABELS, modality=Modality.TEXT)
    assert (invoker.findings.mode, invoker.findings.enforced) in {("chat", True), ("plain", False)}, (
        "the probe's own answer may be blanks up to the limit, as weights are random"
    )
    for mode in ("chat", "plain"):
        invoker = invoker_at(reader, tmp_path / mode, labels=LABELS, modality=Modality.TEXT, mode=mode)
        found = [ask(invoker, sample) for sample in TEXTS]
        if mode == "chat":
            for one in found:
                judged(one, LABELS)
        again = [ask(invoker, sample) for sample in TEXTS]
        assert [one.label for one in again] == [one.label for one in found], "temperature 0 and a seed"
        assert any((one.usage.cached_tokens or 0) > 0 for one in again if one.usage), "its cache is told"


def test_examples_are_taken(reader: str, tmp_path: Path) -> None:
    shown = [LabelledSample(text_sample(f"{label} {n}"), label) for label in LABELS for n in range(3)]
    more = {"labels": LABELS, "modality": Modality.TEXT, "mode": "chat"}
    bare = ask(invoker_at(reader, tmp_path, **more), TEXTS[0])
    with_examples = ask(invoker_at(reader, tmp_path, shown=shown, examples=4, **more), TEXTS[0])
    assert bare.usage is not None
    assert with_examples.usage is not None
    assert (with_examples.usage.input_tokens or 0) > (bare.usage.input_tokens or 0) + 4 * 10
    judged(with_examples, LABELS)


def test_images_are_seen_and_change_the_tokens_read(seer: str, tmp_path: Path) -> None:
    invoker = invoker_at(seer, tmp_path, mode="chat")
    assert invoker.findings.image_tokens
    assert invoker.findings.image_tokens >= 16
    for label in COLOURS:
        judged(ask(invoker, image_sample(tmp_path, label, 1)), tuple(sorted(COLOURS)))


def test_a_model_that_reads_only_is_refused_for_images(reader: str, tmp_path: Path) -> None:
    with pytest.raises(Infeasible, match="takes no images"):
        invoker_at(reader, tmp_path, mode="chat")


def test_it_has_no_decisions_and_that_is_found_out(reader: str, tmp_path: Path) -> None:
    with pytest.raises(Infeasible, match="no decision endpoint"):
        invoker_at(reader, tmp_path, labels=LABELS, modality=Modality.TEXT, mode="decisions")
