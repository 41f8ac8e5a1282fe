"""Through the command line: each content is embedded once a workspace, and the bill is what we say it cost."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
from automl_bench_embed.vectors import VectorCache
from embed_service import EmbedService
from openai_fake import KEY, MODEL, OpenaiFake
from service_bench import ServiceBench, rows
from sklearn.linear_model import LogisticRegression
from tiny_models import llama_server

from automl_bench.ablations.selection import test_samples, training_set
from automl_bench.datasets.manifest import read_manifest
from automl_bench.errors import ExitCode
from automl_bench.store import open_store

EXPERIMENT = """
datasets = ["mails"]
providers = ["embed:mine"]
shots = [5, 8]
[parallel]
enabled = false
"""
WORDS = (("work", "meeting", "agenda"), ("spam", "prize", "winner"))
USD = 0.5


class Bench(ServiceBench):
    """A workspace with the texts `mails`."""

    def __init__(self, root: Path, environment: dict[str, str], variant: str) -> None:
        super().__init__(root, environment, EXPERIMENT, ("requests", "sklearn.linear_model"))
        folder = root / "configs" / "providers"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "embed.toml").write_text(f"[variants.mine]\n{variant}")
        with (root / "mails.csv").open("w", newline="", encoding="utf-8") as file:
            lines = [(f"{word} {n} {other}", label) for label, word, other in WORDS for n in range(12)]
            csv.writer(file).writerows([("message", "folder"), *lines])
        ended = self("data", "import", "mails", "mails.csv", "--text", "message", "--label", "folder")
        assert ended.returncode == ExitCode.OK, ended.stderr


@pytest.fixture
def fake() -> Iterator[OpenaiFake]:
    with OpenaiFake() as running:
        yield running


def test_what_was_embedded_is_not_embedded_again_and_the_bill_agrees(fake: OpenaiFake, tmp_path: Path) -> None:
    bench = Bench(tmp_path, dict(EmbedService(fake).environment()), f'model = "{MODEL}"\nusd_in = {USD}\nbatch = 4\n')
    found = rows(bench.run("--json", "--jobs", "1"))
    assert [row["accuracy"] for row in found] == [1.0, 1.0]
    assert all(row["chosen"].startswith(("logistic", "kNN")) for row in found)
    batches = [json.loads(one.raw)["input"] for one in fake.recorded if not one.predicts and one.raw]
    embedded = [text for batch in batches for text in batch]
    assert len(embedded) == len(set(embedded)) == 16, "8 shots hold the 5 shots: none of them is embedded twice"
    bill = fake.bill.read * USD / 1e6
    assert sum(row["cost"]["usd"] for row in found) == pytest.approx(bill)
    assert all(row["cost"]["train_usd"] > 0 for row in found)
    assert not any(KEY in text for text in bench.outputs)
    again = bench.run()
    assert again.returncode == ExitCode.OK
    assert fake.predictions() == sum(one.predicts for one in fake.recorded)


def test_what_is_computed_here_takes_no_key_and_is_said_to_be_no_call_over_http(tmp_path: Path) -> None:
    experiment = EXPERIMENT.replace('["mails"]', '["tiny"]').replace("embed:mine", "embed:local")
    bench = ServiceBench(tmp_path, {}, experiment.replace("[5, 8]", "[5]"), ("requests", "sklearn.linear_model"))
    (row,) = rows(bench.run("--json"))
    assert (row["accuracy"], row["over_http"], row["failed"]) == (1.0, False, 0)
    assert (row["cost"]["usd"], row["cost"]["unknown"]) == (0.0, [])
    assert list(row["usage"]["models"]) == ["EfficientNet-Lite0 at 192 px"]


def test_a_real_server_gives_what_plain_scikit_learn_gives_on_its_vectors(tmp_path: Path) -> None:
    """llama.cpp's embeddings of a tiny random model, asked for here and by the provider."""
    with llama_server(tmp_path, embeds=True) as url:
        bench = Bench(tmp_path / "bench", {"EMBED_BASE_URL": url}, 'model = "tiny"\n')
        (row,) = rows(bench.run("--json", experiment=EXPERIMENT.replace("[5, 8]", "[8]")))
        manifest = read_manifest(bench.workspace.data / "mails")
        drawn = training_set(manifest, shots=8, fold=0, seed=0)
        learnt = [(one.sample.text or "", one.label) for one in (*drawn.train, *drawn.validation)]
        asked = [sample for sample, _ in test_samples(manifest)]

        def vector(text: str) -> np.ndarray:
            answer = requests.post(f"{url}/embeddings", json={"model": "tiny", "input": text}, timeout=20).json()
            found = np.array(answer["data"][0]["embedding"])
            return found / np.linalg.norm(found)

        # Its vectors differ a little by what is embedded beside a text, and a head at C = 100 is steep: the same ones.
        cache = VectorCache(bench.root / ".automl-bench" / "embed", f"{url} tiny whole").find(
            [text for text, _ in learnt]
        )
        known = np.stack([cache[text] for text, _ in learnt])
        wanted = np.stack([vector(one.text or "") for one in asked])
    assert np.linalg.norm(known, axis=1) == pytest.approx(np.ones(len(learnt)))
    with open_store(bench.workspace.store_path, read_only=True) as store:
        told = {one.sample_id: one for one in store.invocations(row["trial_id"])}
    kind, _, value = row["chosen"].rpartition(" = ")
    if kind.startswith("logistic"):
        plain = LogisticRegression(C=float(value), max_iter=2000).fit(known, [label for _, label in learnt])
        sure = plain.predict_proba(wanted).max(axis=1)
    else:
        from sklearn.neighbors import KNeighborsClassifier

        plain = KNeighborsClassifier(int(value), metric="cosine", algorithm="brute")
        plain.fit(known, [label for _, label in learnt])
        sure = plain.predict_proba(wanted).max(axis=1)
    for sample, label, confidence in zip(asked, plain.predict(wanted), sure, strict=True):
        assert told[sample.sample_id].predicted == label
        assert told[sample.sample_id].confidence == pytest.approx(confidence, abs=1e-3)
