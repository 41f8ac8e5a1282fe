"""Texts from upload to teardown: the files of the repository, the job, the endpoint's answers, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from automl_bench_huggingface import plugin, train_text_classifier
from automl_bench_huggingface.description import DESCRIPTION
from automl_bench_huggingface.invoking import EndpointInvoker
from automl_bench_huggingface.packing import FOLDER, PROGRAMS
from hub_container import loaded
from hub_fake import USER, HubFake
from huggingface_hub.utils import get_session
from huggingface_trial import HuggingfaceTrial
from texts_and_rows import rows, text_sample, texts

from automl_bench.contract import (
    Endpoint,
    HttpInvoker,
    HttpResponse,
    LabelledSample,
    ManifestEntry,
    Modality,
    OperationState,
    Outcome,
    Stage,
)
from automl_bench.errors import RequestRefused, ServiceUnavailable
from automl_bench.measurement.call import Caller
from automl_bench.providers.feasibility import training_obstacles

SMALL = texts()
LONG = " ".join(f"word{number}" for number in range(600))


@pytest.fixture
def trial(hub: HubFake, tmp_path: Path) -> HuggingfaceTrial:
    return HuggingfaceTrial(hub, tmp_path, SMALL.training)


def held(trial: HuggingfaceTrial) -> dict[str, bytes]:
    repo = trial.fake.repositories.repo("dataset", f"{USER}/automl-bench-0123456789ab-dataset")
    return {path: blob.content for path, blob in repo.head.items()}


def invoker_of(trial: HuggingfaceTrial, endpoint: Endpoint | None = None) -> HttpInvoker:
    told = trial.results[Stage.DEPLOY]
    made = plugin.invoke(trial.context, endpoint or Endpoint(str(told["endpoint_id"]), str(told["url"])))
    assert isinstance(made, HttpInvoker)
    return made


def test_a_whole_trial_learns_is_measured_and_leaves_nothing(trial: HuggingfaceTrial) -> None:
    assert trial.up().state is OperationState.SUCCEEDED
    with Caller(invoker_of(trial)) as caller:
        answers = [caller.call(item.sample).prediction for item in SMALL.test]
    right = sum(each is not None and each.label == item.label for each, item in zip(answers, SMALL.test, strict=True))
    assert right >= 0.8 * len(SMALL.test), "chance is a third"
    for answer in answers:
        assert answer is not None
        assert set(answer.scores) == set(SMALL.training.labels), "all labels, as they are spelled"
        assert sum(answer.scores.values()) == pytest.approx(1.0)
    assert trial.fake.jobs.billed_seconds > 0
    assert trial.fake.endpoints.usd > 0
    trial.tear_down()
    assert trial.fake.names() == trial.fake.costing() == []


def test_texts_are_lines_of_their_half_beside_the_script(trial: HuggingfaceTrial) -> None:
    operation = trial.upload()
    files = held(trial)
    program = {f"{FOLDER}/{name}" for name in PROGRAMS[Modality.TEXT]}
    assert files.keys() - {".gitattributes"} == {"train.jsonl", "validation.jsonl", "README.md", *program}
    assert operation.result["files_sent"] == 5
    for half, items in (("train", trial.set.train), ("validation", trial.set.validation)):
        lines = [json.loads(line) for line in files[f"{half}.jsonl"].decode().split("\n")[:-1]]
        assert lines == [{"text": item.sample.text, "label": item.label} for item in items]
    assert trial.upload().result["files_sent"] == 0, "the same upload again sends nothing"


def test_one_text_under_two_labels_is_two_samples_and_a_repetition_none(trial: HuggingfaceTrial) -> None:
    first, other = trial.set.train[0], trial.set.train[-1]
    odd = text_sample('a "quote",\u2028 a\rcarriage \x00 and \\n')
    more = (LabelledSample(first.sample, other.label), first, LabelledSample(odd, first.label))
    trial.set = replace(trial.set, train=(*trial.set.train, *more))
    trial.upload()
    root = trial.folder / "root"
    root.mkdir()
    for half in ("train", "validation"):
        (root / f"{half}.jsonl").write_bytes(held(trial)[f"{half}.jsonl"])
    labels, halves = train_text_classifier.read_folder(root)
    assert labels == list(trial.set.labels)
    assert [(each.text, labels[each.label]) for each in halves["train"]] == [
        *((item.sample.text, item.label) for item in SMALL.training.train),
        (first.sample.text, other.label),
        (odd.text, first.label),
    ]
    (root / "train.jsonl").write_text('{"text": "a", "label": 1}\n')
    with pytest.raises(ValueError, match="train.jsonl line 1 has no text with a label"):
        train_text_classifier.read_folder(root)
    (root / "train.jsonl").unlink()
    with pytest.raises(ValueError, match=r"no train\.jsonl"):
        train_text_classifier.read_folder(root)


def test_the_job_gets_the_script_of_texts_and_its_own_model(trial: HuggingfaceTrial) -> None:
    trial.variant = replace(trial.variant, settings={"max_tokens": 64, "text_model": "google-bert/bert-base-uncased"})
    trial.upload()
    trial.train()
    (job,) = trial.fake.jobs.all
    told = json.loads(job.spec["environment"]["AUTOML_BENCH_RECIPE"])
    assert (told["base_model"], told["max_tokens"]) == ("google-bert/bert-base-uncased", 64)
    assert job.spec["command"][2].endswith("uv run /tmp/automl-bench/training/train_text_classifier.py")
    assert "decoding.py" not in job.spec["command"][2]
    script = loaded({name: held(trial)[f"{FOLDER}/{name}"] for name in PROGRAMS[Modality.TEXT]})
    assert script.Recipe.from_json(job.spec["environment"]["AUTOML_BENCH_RECIPE"]).max_tokens == 64
    model = trial.fake.repositories.repo("model", f"{USER}/automl-bench-0123456789ab-model").head
    assert json.loads(model["tokenizer_config.json"].content) == {"model_max_length": 64}


def test_a_request_asks_for_all_labels_and_cuts_a_long_text_where_the_training_did(trial: HuggingfaceTrial) -> None:
    trial.variant = replace(trial.variant, settings={"max_tokens": 64})
    trial.up()
    (served,) = trial.fake.endpoints.all.values()
    assert served.spec["model"]["task"] == "text-classification"
    request = invoker_of(trial).prepare(text_sample("Grüße"))
    assert json.loads(request.body) == {
        "inputs": "Grüße",
        "parameters": {"top_k": None, "truncation": True, "max_length": 64},
    }
    assert b'"top_k": null' in request.body, "the SDK drops a parameter that is null"
    assert dict(request.headers)["Content-Type"] == "application/json"
    with Caller(invoker_of(trial)) as caller:
        cut = caller.call(text_sample(LONG)).prediction
        whole = caller.call(text_sample(f"{LONG} Rain in the north until noon")).prediction
    assert cut is not None
    assert cut == whole, "what lies behind the cut counts for nothing"


def ask(trial: HuggingfaceTrial, body: Any) -> tuple[int, Any]:
    url = str(trial.results[Stage.DEPLOY]["url"])
    answer = get_session().post(url, json=body, headers={"Authorization": f"Bearer {trial.fake.token}"})
    return answer.status_code, answer.json()


def test_the_stand_in_answers_and_refuses_as_the_pipeline(trial: HuggingfaceTrial) -> None:
    trial.up()
    text = SMALL.test[0].sample.text
    status, best = ask(trial, {"inputs": text})
    assert (status, len(best)) == (200, 1)
    assert [len(ask(trial, {"inputs": text, "parameters": {"top_k": k}})[1]) for k in (1, 2, 99, None)] == [1, 2, 3, 3]
    for body in (
        {"inputs": LONG},
        {"inputs": LONG, "parameters": {"truncation": True, "max_length": 600}},
        {"inputs": text, "parameters": {"topk": 2}},
        {"inputs": text, "parameters": {"top_k": "all"}},
        {"inputs": text, "parameters": {"function_to_apply": "relu"}},
        {"inputs": [text]},
        {"text": text},
    ):
        assert ask(trial, body)[0] == 400, body
    assert ask(trial, {"inputs": LONG, "parameters": {"truncation": True}})[0] == 200, (
        "the tokenizer knows where to cut"
    )


def test_answers_of_older_containers_are_nested(trial: HuggingfaceTrial) -> None:
    trial.up()
    trial.fake.endpoints.nested = True
    with Caller(invoker_of(trial)) as caller:
        prediction = caller.call(SMALL.test[0].sample).prediction
    assert prediction is not None
    assert prediction.label == SMALL.test[0].label
    assert len(prediction.scores) == 3


def test_a_model_without_names_of_its_labels_fails_the_run(trial: HuggingfaceTrial) -> None:
    trial.up()
    (served,) = trial.fake.endpoints.all.values()
    assert served.classifier is not None
    vars(served.classifier)["_names"] = {}
    with Caller(invoker_of(trial)) as caller:
        result = caller.call(SMALL.test[0].sample)
    assert result.outcome is Outcome.REFUSED
    assert "id2label" in str(result.error)
    trial.set = replace(trial.set, labels=("LABEL_0", "LABEL_1"))
    answer = HttpResponse(200, {}, b'[{"label": "LABEL_1", "score": 0.9}]')
    assert invoker_of(trial).parse(answer).label == "LABEL_1", "a dataset may have such labels"


def test_an_answer_that_is_no_list_of_scores_is_unreadable_or_none(trial: HuggingfaceTrial) -> None:
    invoker = EndpointInvoker(trial.account, trial.fake.url)
    for body in (b"[]", b"[[]]"):
        assert invoker.parse(HttpResponse(200, {}, body)).label is None
    for body in (b'[[{"label": "a"}]]', b'{"label": "a", "score": 1}', b"[[1, 2]]", b"[1]"):
        with pytest.raises(ServiceUnavailable):
            invoker.parse(HttpResponse(200, {}, body))


def test_an_adopted_endpoint_cuts_by_its_own_tokenizer_and_does_the_same_task(trial: HuggingfaceTrial) -> None:
    trial.up()
    (served,) = trial.fake.endpoints.all.values()
    adopted = Endpoint(served.name, adopted=True)
    request = invoker_of(trial, adopted).prepare(SMALL.test[0].sample)
    assert json.loads(request.body)["parameters"] == {"top_k": None, "truncation": True}
    served.spec["model"]["task"] = "image-classification"
    with pytest.raises(RequestRefused, match="does image-classification, not text-classification"):
        plugin.invoke(trial.context, adopted)


def test_a_manifest_is_the_lines_that_are_uploaded(trial: HuggingfaceTrial) -> None:
    manifest = plugin.export_manifest([ManifestEntry(item.sample, "train") for item in trial.set.train])
    assert (manifest.file_format, manifest.label_at) == ("jsonl", ("label",))
    trial.upload()
    lines = [json.loads(line) for line in held(trial)["train.jsonl"].decode().split("\n")[:-1]]
    assert [{**row, "label": item.label} for row, item in zip(manifest.rows, trial.set.train, strict=True)] == lines
    assert {row["label"] for row in manifest.rows} == {""}


def test_tables_are_refused_and_texts_have_limits_of_their_own() -> None:
    table = rows().training
    (sentence,) = training_obstacles(DESCRIPTION, table, Modality.TABULAR)
    assert sentence == (
        "huggingface learns from image, text, not from tabular (its endpoints have no task that serves a table): "
        "choose another dataset."
    )
    assert DESCRIPTION.modality_limits[Modality.TEXT].max_samples is None
