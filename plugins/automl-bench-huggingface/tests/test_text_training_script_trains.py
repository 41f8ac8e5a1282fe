"""The published script of texts trains for real, and what it pushes answers as the stand-in's endpoint claims to.

Runs as `test_training_script_trains` does: `make test-training`.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from automl_bench_huggingface import plugin
from hub_fake import USER, HubFake, Pace
from huggingface_trial import HuggingfaceTrial
from texts_and_rows import PARTS, texts
from training_container import Container, finished, loaded_back, pushed

from automl_bench.contract import OperationState

pytestmark = [pytest.mark.training, pytest.mark.timeout(300)]

BASE = f"{USER}/tiny-bert"
POSITIONS = 64
TINY = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": POSITIONS,
    "hidden_dropout_prob": 0.0,
}
TOKENIZER = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": POSITIONS}
RECIPE = {
    "flavor": "cpu-basic",
    "text_model": BASE,
    "max_tokens": 32,
    "from_scratch": True,
    "epochs": 15,
    "batch_size": 8,
    "learning_rate": 0.004,
}
LOADER = textwrap.dedent(
    """
    import json, sys
    from pathlib import Path
    from transformers import AutoTokenizer, pipeline
    folder, questions = sys.argv[1:]
    asked = json.loads(questions)
    classify = pipeline("text-classification", model=folder)
    endless = "rain " * 200
    try:
        too_long = str(classify(endless, top_k=None))
    except Exception as error:
        too_long = f"error: {error}"
    print(json.dumps({
        "config": json.loads(Path(folder, "config.json").read_text()),
        "model_max_length": AutoTokenizer.from_pretrained(folder).model_max_length,
        "best": classify(asked[0]),
        "answers": [classify(text, top_k=None, truncation=True, max_length=32) for text in asked],
        "cut": classify(endless, top_k=None, truncation=True),
        "cut_by_hand": classify("rain " * 30, top_k=None),
        "too_long": too_long,
    }))
    """
)


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


@pytest.fixture
def hub(container: Container) -> Iterator[HubFake]:
    words = {
        word for parts in PARTS.values() for part in parts for each in part for word in re.findall(r"\w+|\S", each)
    }
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({word.lower() for word in words})]
    with HubFake(Pace(queueing=0.0)) as fake:
        fake.jobs.run_for_real(container.command)
        fake.repositories.make("model", BASE)
        files = {"config.json": {**TINY, "vocab_size": len(vocabulary)}, "tokenizer_config.json": TOKENIZER}
        content = {name: json.dumps(told).encode() for name, told in files.items()}
        fake.repositories.put("model", BASE, {**content, "vocab.txt": "\n".join(vocabulary).encode()})
        yield fake


def test_it_learns_sentences_and_the_pushed_files_are_a_working_classifier(
    hub: HubFake, container: Container, tmp_path: Path
) -> None:
    small = texts(shots=15, tested=20)
    trial = HuggingfaceTrial(hub, tmp_path, small.training, variant=RECIPE)
    trial.upload()
    operation = finished(trial, plugin.train(trial.context))
    log = "\n".join(hub.jobs.all[0].lines)
    assert operation.state is OperationState.SUCCEEDED, f"{operation.message}\n{log}"
    assert hub.token not in log
    report = pushed(hub, str(operation.result["model"]), tmp_path / "model")
    assert (report["train_samples"], report["validation_samples"]) == (36, 9)
    assert operation.work_seconds == report["training_seconds"] > 0
    best = report["history"][report["best_epoch"] - 1]
    assert best["validation_accuracy"] == max(line["validation_accuracy"] for line in report["history"])

    asked = [item.sample.text for item in small.test]
    answer = loaded_back(container, LOADER, tmp_path / "model", json.dumps(asked))
    labels = list(small.training.labels)
    assert answer["config"]["id2label"] == {str(number): label for number, label in enumerate(labels)}
    assert answer["config"]["problem_type"] == "single_label_classification"
    right = sum(found[0]["label"] == item.label for found, item in zip(answer["answers"], small.test, strict=True))
    print(f"{right} of {len(asked)} right, trained in {operation.work_seconds:.1f} s")
    assert right >= 0.8 * len(asked), "chance is a third"

    # As the stand-in's endpoint answers: one within a list without top_k, else all, sorted, their scores together 1.
    assert [each["label"] for each in answer["best"]] == [answer["answers"][0][0]["label"]]
    for found in answer["answers"]:
        scores = [each["score"] for each in found]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1.0, abs=1e-3)
        assert {each["label"] for each in found} == set(labels)
    assert answer["model_max_length"] == 32, "where the training cut, the endpoint does"
    assert [each["score"] for each in answer["cut"]] == pytest.approx([each["score"] for each in answer["cut_by_hand"]])
    assert answer["too_long"].startswith("error: "), "without truncation a text that is too long is an error"


def test_more_tokens_than_the_model_takes_end_the_training(hub: HubFake, tmp_path: Path) -> None:
    training = replace(texts().training, validation=())
    trial = HuggingfaceTrial(hub, tmp_path, training, variant={**RECIPE, "max_tokens": 65})
    trial.upload()
    operation = finished(trial, plugin.train(trial.context))
    assert operation.state is OperationState.FAILED
    assert operation.message.endswith(f"max_tokens is 65 and {BASE} takes {POSITIONS}")
