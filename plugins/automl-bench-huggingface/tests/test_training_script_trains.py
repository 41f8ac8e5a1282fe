"""The published script trains for real: torch and transformers, the job's own command, the SDK against the stand-in.

Runs in an environment of its own, as in a job's container: `make test-training` makes it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from automl_bench_huggingface import plugin
from hub_fake import USER, HubFake, Pace
from huggingface_trial import HuggingfaceTrial
from PIL import Image
from training_container import Container, finished, loaded_back, pushed

from automl_bench.contract import LabelledSample, OperationState, TrainingSet
from automl_bench.testing.hook_trial import image_sample, split

pytestmark = [pytest.mark.training, pytest.mark.timeout(300)]

TINY = {
    "model_type": "vit",
    "architectures": ["ViTForImageClassification"],
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "image_size": 16,
    "patch_size": 4,
    "num_channels": 3,
    "hidden_dropout_prob": 0.0,
}
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 16, "width": 16},
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
BASE = f"{USER}/tiny-vit"
RECIPE = {
    "flavor": "cpu-basic",
    "base_model": BASE,
    "from_scratch": True,
    "epochs": 25,
    "batch_size": 16,
    "learning_rate": 0.002,
}
SHOTS, TESTED = 25, 20
LOADER = textwrap.dedent(
    """
    import json, sys
    from transformers import AutoImageProcessor, AutoModelForImageClassification, pipeline
    folder, *images = sys.argv[1:]
    model = AutoModelForImageClassification.from_pretrained(folder)
    AutoImageProcessor.from_pretrained(folder)
    answers = pipeline("image-classification", model=folder)(images, top_k=1)
    print(json.dumps({"labels": model.config.id2label, "answers": [each[0]["label"] for each in answers]}))
    """
)


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


@pytest.fixture
def hub(container: Container) -> Iterator[HubFake]:
    with HubFake(Pace(queueing=0.0)) as fake:
        fake.jobs.run_for_real(container.command)
        fake.repositories.make("model", BASE)
        files = {"config.json": TINY, "preprocessor_config.json": PROCESSOR}
        fake.repositories.put("model", BASE, {name: json.dumps(content).encode() for name, content in files.items()})
        yield fake


def digits(folder: Path, labels: range, count: int, start: int = 0) -> list[LabelledSample]:
    """Return real handwritten digits, every other one in colour, one with a palette, one with an alpha channel."""
    from sklearn.datasets import load_digits

    folder.mkdir()
    content = load_digits()
    found = []
    for label in labels:
        images = content.images[content.target == label][start : start + count]
        for number, pixels in enumerate(images):
            image = Image.fromarray((pixels * 15.9).astype("uint8"))
            mode = ("L", "RGB", "P", "LA")[number % 4]
            path = folder / f"{label}-{number}.png"
            image.convert(mode).save(path)
            found.append(LabelledSample(image_sample(path), f"digit {label}"))
    return found


def answers_of(container: Container, folder: Path, samples: list[LabelledSample]) -> tuple[dict[str, str], list[str]]:
    """Load a pushed model back in a fresh process without any address, and classify."""
    answer = loaded_back(container, LOADER, folder, *(str(item.sample.path) for item in samples))
    return answer["labels"], answer["answers"]


def test_it_learns_digits_and_the_pushed_files_are_a_working_classifier(
    hub: HubFake, container: Container, tmp_path: Path
) -> None:
    training_set = split(digits(tmp_path / "train", range(10), SHOTS), "digits")
    trial = HuggingfaceTrial(hub, tmp_path, training_set, variant=RECIPE)
    trial.upload()
    operation = finished(trial, plugin.train(trial.context))
    log = "\n".join(hub.jobs.all[0].lines)
    assert operation.state is OperationState.SUCCEEDED, f"{operation.message}\n{log}"
    assert hub.token not in log
    report = pushed(hub, str(operation.result["model"]), tmp_path / "model")

    # What the host is told is what was measured.
    assert operation.work_seconds == report["training_seconds"] > 0
    assert operation.billable_seconds is not None
    assert operation.work_seconds <= operation.billable_seconds + 1, "installing and pushing belong to the job only"
    assert any(message.startswith("epoch ") for message in trial.messages), trial.messages
    assert operation.result["validation_accuracy"] == report["validation_accuracy"]

    # The halves were kept apart, and the best epoch was kept.
    assert (report["train_samples"], report["validation_samples"]) == (10 * SHOTS * 4 // 5, 10 * SHOTS // 5)
    best = report["history"][report["best_epoch"] - 1]
    assert best["validation_accuracy"] == max(line["validation_accuracy"] for line in report["history"])
    assert report["recipe"]["seed"] == 7, "the experiment's"

    tested = digits(tmp_path / "test", range(10), TESTED, start=100)
    labels, answers = answers_of(container, tmp_path / "model", tested)
    assert labels == {str(number): f"digit {number}" for number in range(10)}
    accuracy = sum(answer == item.label for answer, item in zip(answers, tested, strict=True)) / len(tested)
    print(f"accuracy {accuracy:.3f} on {len(tested)}, trained in {operation.work_seconds:.1f} s")
    assert accuracy > 0.5, "chance is 0.1"

    # A second trial starts from these weights: other labels, no validation half, AutoTrain's way to choose.
    fine_tunes_from(hub, container, tmp_path, str(operation.result["model"]))
    trial.tear_down()


def fine_tunes_from(hub: HubFake, container: Container, tmp_path: Path, base_model: str) -> None:
    items = digits(tmp_path / "few", range(2), 4)
    few = TrainingSet("two digits", ("digit 0", "digit 1"), tuple(items), ())
    recipe = {**RECIPE, "base_model": base_model, "from_scratch": False, "epochs": 3, "select_by": "loss"}
    trial = HuggingfaceTrial(hub, tmp_path, few, trial_id="ba9876543210", variant=recipe)
    trial.upload()
    operation = finished(trial, plugin.train(trial.context))
    assert operation.state is OperationState.SUCCEEDED, operation.message
    report = pushed(hub, str(operation.result["model"]), tmp_path / "second")
    assert (report["validation_samples"], report["validation_accuracy"], report["best_epoch"]) == (0, None, 3)
    tested = digits(tmp_path / "test-two", range(2), 10, start=100)
    labels, answers = answers_of(container, tmp_path / "second", tested)
    assert labels == {"0": "digit 0", "1": "digit 1"}
    right = sum(answer == item.label for answer, item in zip(answers, tested, strict=True))
    assert right >= 16, f"{right} of 20: it begins from weights that know digits"


def test_the_same_seed_gives_the_same_model(hub: HubFake, tmp_path: Path) -> None:
    histories = []
    for trial_id in ("aaaaaaaaaaaa", "bbbbbbbbbbbb"):
        training_set = split(digits(tmp_path / trial_id, range(3), 5), "three digits")
        trial = HuggingfaceTrial(hub, tmp_path, training_set, trial_id=trial_id, variant={**RECIPE, "epochs": 2})
        trial.upload()
        operation = finished(trial, plugin.train(trial.context))
        assert operation.state is OperationState.SUCCEEDED, operation.message
        histories.append(pushed(hub, str(operation.result["model"]), tmp_path / f"model-{trial_id}")["history"])
    assert histories[0] == histories[1]


def test_a_gpu_that_is_paid_for_and_not_there_ends_the_training(hub: HubFake, tmp_path: Path) -> None:
    training_set = split(digits(tmp_path / "train", range(2), 5), "two digits")
    trial = HuggingfaceTrial(hub, tmp_path, training_set, variant={**RECIPE, "flavor": "t4-small"})
    trial.upload()
    operation = finished(trial, plugin.train(trial.context))
    assert operation.state is OperationState.FAILED
    assert "this hardware is billed as a GPU" in operation.message
    assert operation.billable_seconds is not None, "a failed job is billed as well"


def test_a_training_that_is_called_off_ends_at_once(hub: HubFake, tmp_path: Path) -> None:
    training_set = split(digits(tmp_path / "train", range(2), 5), "two digits")
    trial = HuggingfaceTrial(hub, tmp_path, training_set, variant={**RECIPE, "epochs": 100_000})
    trial.upload()
    operation = plugin.train(trial.context)
    while not (now := trial.poll(operation)).message.startswith("epoch "):
        assert now.state is OperationState.RUNNING, now.message
    job = next(resource for resource in trial.ledger.made if resource.kind == "training-job")
    trial.delete(job)
    process = hub.jobs.all[0].process
    assert process is not None
    process.wait(timeout=30)
    assert trial.poll(operation).state is OperationState.FAILED
    assert hub.costing() == []
