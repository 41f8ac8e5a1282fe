"""The real SDKs meet services that quote the credentials they were sent: nobody who looks later finds them.

Looked at are the console at `--debug`, the results file with its free pages and its journal, logs, reports and exports.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aws_service import AwsService
from azure_service import AzureService
from command_troubles import Commands
from huggingface_service import HuggingfaceService
from nyckel_fake import NyckelFake
from nyckel_service import NyckelService
from openai_fake import OpenaiFake
from openai_service import OpenaiService
from quoted_secrets import leaks
from quoting_services import quoting
from small_workspace import write_experiment
from vertex_service import VertexService

from automl_bench.border.texts import HIDDEN, TELLING
from automl_bench.errors import ExitCode
from automl_bench.testing.crash import Ended


@contextmanager
def running(provider: str) -> Iterator[Any]:
    """Run the stand-in of a provider."""
    if provider == "azure" and (missing := AzureService.missing()):
        pytest.skip(missing)
    with ExitStack() as stack:
        if provider == "nyckel":
            yield NyckelService(stack.enter_context(NyckelFake(rate=1000, lag=0.05)))
        elif provider == "openai":
            yield OpenaiService(stack.enter_context(OpenaiFake()))
        else:
            made = {
                "azure": AzureService,
                "huggingface": HuggingfaceService,
                "rekognition": AwsService,
                "vertex": VertexService,
            }[provider]
            yield stack.enter_context(made())  # type: ignore[arg-type]


EXPERIMENT = """
datasets = ["tiny"]
providers = ["{provider}"]
shots = [10]
test_limit = 6
[images]
min_side = 64
[invoke]
max_attempts = 2
warm_up = 0
[parallel]
enabled = false
[deadlines]
train_hours = 0.0008
measure_hours = 0.001
"""
PROVIDERS = ("azure", "huggingface", "nyckel", "openai", "rekognition", "vertex")
MOMENTS: dict[str, Callable[[Any], bool]] = {
    "at once": lambda service: True,
    "in the training": lambda service: bool(service.training_has_begun()),
    "while it is measured": lambda service: service.predictions() > 2,
}
TRAINED = [provider for provider in PROVIDERS if provider != "openai"]
LONG = [
    *((provider, "in the training") for provider in TRAINED),
    *((provider, "while it is measured") for provider in PROVIDERS),
]
SHOWING = [
    ("status",),
    ("status", "--json"),
    ("results", "--trials"),
    ("results", "--json"),
    ("resources",),
    ("report", "small"),
    ("export",),
    ("export", "--format", "json"),
    ("export", "--format", "markdown"),
    ("--debug", "teardown", "--all"),
]


def look_for_secrets(provider: str, moment: str, root: Path, showing: list[tuple[str, ...]]) -> None:
    """Run an experiment whose service begins to quote at a moment, show it, and search all that is left."""
    with running(provider) as service:
        commands = Commands(service, root, provider, {"NYCKEL_POLL_SECONDS": "0.05"})
        # A secret that only the environment holds: an SDK may read it, and nobody has declared it.
        commands.environment["SOME_VENDOR_API_KEY"] = f"planted{secrets.token_hex(16)}"
        planted = [
            value
            for name, value in commands.environment.items()
            if TELLING.search(name) and not value.startswith("/") and name != "AWS_ACCESS_KEY_ID"
        ]
        assert len(planted) >= (1 if provider == "vertex" else 2)
        with quoting(planted, lambda: MOMENTS[moment](service)) as quoter:
            outputs: list[Ended] = [commands("--debug", "providers", "check", provider)]
            path = write_experiment(root, EXPERIMENT.format(provider=provider))
            ran = commands("--debug", "run", str(path))
            outputs.append(ran)
            assert quoter.answers > 0, ran.stderr
            assert ran.returncode not in (ExitCode.OK, ExitCode.UNEXPECTED), ran.stderr
            assert "bug in automl-bench" not in ran.stderr
            outputs += [commands(*arguments) for arguments in showing]
    texts = {f"output {number}": (one.stdout + one.stderr).encode() for number, one in enumerate(outputs)}
    texts |= {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert any(name.endswith(".sqlite") for name in texts)
    assert HIDDEN.encode() in b"".join(texts.values()), "no secret came as far as the border"
    assert leaks(texts, quoter.secrets) == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_service_that_quotes_secrets_at_once(provider: str, tmp_path: Path) -> None:
    look_for_secrets(provider, "at once", tmp_path, [("status", "--json")])


@pytest.mark.simulation
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("provider", "moment"), LONG)
def test_a_service_that_begins_to_quote_secrets(provider: str, moment: str, tmp_path: Path) -> None:
    look_for_secrets(provider, moment, tmp_path, SHOWING)
