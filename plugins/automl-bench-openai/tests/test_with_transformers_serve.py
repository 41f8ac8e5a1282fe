"""Against `transformers serve`, with a tiny model of random weights: a real server that ignores what it does not know.

Runs in an environment of its own, which has torch: `make test-training` makes it.
"""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from automl_bench_openai import plugin
from automl_bench_openai.invoking import PromptInvoker
from prompt_trial import ask, context, text_sample
from service_bench import ServiceBench, rows

from automl_bench.contract import Endpoint, HttpInvoker, Modality
from automl_bench.errors import ExitCode, Infeasible

pytestmark = [pytest.mark.training, pytest.mark.timeout(300)]

LABELS = ("ham", "spam")
START_SECONDS = 180.0
EXPERIMENT = """
datasets = ["mails"]
providers = ["openai:decided", "openai:chatted"]
shots = [0]
[parallel]
enabled = false
[invoke]
warm_up = 0
"""
EACH = 30


@dataclass(frozen=True)
class Served:
    url: str
    model: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    named = os.environ.get("AUTOML_BENCH_TRAINING_PYTHON")
    assert named, "AUTOML_BENCH_TRAINING_PYTHON is not set: use `make test-training`"
    folder = tmp_path_factory.mktemp("served")
    python, model = Path(named).absolute(), folder / "tiny"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    maker = Path(__file__).with_name("tiny_transformers.py")
    subprocess.run([str(python), str(maker), str(model)], env=environment, check=True, timeout=START_SECONDS)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [str(python.parent / "transformers"), "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--device", "cpu"], env=environment, stdout=log, stderr=log)
        try:
            _wait_until_up(process, f"http://127.0.0.1:{port}/health", folder / "log")
            yield Served(f"http://127.0.0.1:{port}/v1", str(model))
        finally:
            process.kill()  # it keeps nothing
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def invoker_at(served: Served, cache: Path, **more: Any) -> PromptInvoker:
    variant = {"preset": "compatible", "base_url": served.url, "model": served.model, "max_output_tokens": 8}
    invoker = plugin.invoke(context(served.url, cache, secrets={}, **{**variant, **more}), Endpoint(""))
    assert isinstance(invoker, HttpInvoker)
    assert isinstance(invoker, PromptInvoker)
    return invoker


def test_decisions_are_found_and_give_every_label_a_probability(served: Served, tmp_path: Path) -> None:
    invoker = invoker_at(served, tmp_path, labels=LABELS, modality=Modality.TEXT)
    assert (invoker.findings.mode, invoker.findings.dialect) == ("decisions", "systemone")
    found = ask(invoker, text_sample("win a prize"))
    assert found.label in LABELS
    assert set(found.scores) == set(LABELS)
    assert sum(found.scores.values()) == pytest.approx(1)
    assert found.usage is not None
    assert found.usage.input_tokens
    assert found.usage.output_tokens == 0


def test_it_takes_no_more_choices_than_letters_and_the_probe_finds_that(served: Served, tmp_path: Path) -> None:
    most = tuple(f"class {n}" for n in range(26))
    assert invoker_at(served, tmp_path, labels=most, modality=Modality.TEXT).findings.mode == "decisions"
    many = (*most, "class 26")
    assert invoker_at(served, tmp_path, labels=many, modality=Modality.TEXT).findings.mode == "plain"


def test_the_probe_finds_that_schemas_are_ignored(served: Served, tmp_path: Path) -> None:
    invoker = invoker_at(served, tmp_path, labels=LABELS, modality=Modality.TEXT, mode="chat")
    assert invoker.findings.enforced is False
    assert not invoker.findings.logprobs
    assert "ignores the list of labels" in " ".join(invoker.notes)
    found = ask(invoker, text_sample("win a prize"))
    assert found.label is None or found.label not in LABELS, "letters at random"
    assert found.usage is not None
    assert found.usage.finish_reason in {"stop", "length", "invalid_json", "empty"}


def test_the_probe_finds_that_images_are_dropped_or_refused(served: Served, tmp_path: Path) -> None:
    with pytest.raises(Infeasible, match="the tokens read do not rise"):
        invoker_at(served, tmp_path, mode="chat")
    with pytest.raises(Infeasible, match="takes no images: given one, it refuses one"):
        invoker_at(served, tmp_path, mode="decisions")


def test_from_end_to_end_chance_is_reported_as_such(served: Served, tmp_path: Path) -> None:
    """Decisions and chat in one experiment: what they answer is chance, and the report says so."""
    bench = ServiceBench(tmp_path, {}, EXPERIMENT, ("requests",))
    folder = tmp_path / "configs" / "providers"
    folder.mkdir(parents=True, exist_ok=True)
    common = f'preset = "compatible"\nbase_url = "{served.url}"\nmodel = "{served.model}"\nmax_output_tokens = 8\n'
    modes = {"decided": "decisions", "chatted": "chat"}
    lines = [f'[variants.{name}]\n{common}mode = "{mode}"\n' for name, mode in modes.items()]
    (folder / "openai.toml").write_text("\n".join(lines))
    with (tmp_path / "mails.csv").open("w", newline="", encoding="utf-8") as file:
        texts = [(f"letter number {n}", ("green", "red")[n % 2]) for n in range(2 * EACH)]
        csv.writer(file).writerows([("message", "folder"), *texts])
    imported = bench("data", "import", "mails", "mails.csv", "--text", "message", "--label", "folder")
    assert imported.returncode == ExitCode.OK, imported.stderr
    found = {row["variant"]: row for row in rows(bench.run("--json", timeout=200))}
    assert set(found) == set(modes)
    for row in found.values():
        assert row["accuracy_low"] <= row["majority"], "not better than the most frequent label"
        assert row["usage"]["input_tokens"] > 0
    assert (found["decided"]["off_list"], found["decided"]["failed"]) == (0, 0)
    assert found["chatted"]["correct"] <= 1, "a schema that is ignored gives no label"
    reported = bench("report", "small")
    assert reported.returncode == ExitCode.OK, reported.stderr
    text = next((tmp_path / "reports").rglob("results.md")).read_text()
    assert "not shown to be better than that" in text
    assert "ignores the list of labels" in text
