"""Two trials that import the same heavy package for the first time do not meet in the middle of it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HEAVY = {
    "heavy/__init__.py": "import threading\nleft_is_in, right_is_in = threading.Event(), threading.Event()\n",
    "heavy/left.py": "import heavy\nheavy.left_is_in.set()\nheavy.right_is_in.wait(2)\n"
    "from heavy.right import RIGHT\nLEFT = 1\n",
    "heavy/right.py": "import heavy\nheavy.right_is_in.set()\nheavy.left_is_in.wait(2)\nimport heavy.left\nRIGHT = 2\n",
}
PROGRAM = """
import sys, threading
from types import SimpleNamespace
from automl_bench.contract import Capability, Operation, OperationState, ProviderDescription
from automl_bench.hookspecs import hookimpl
from automl_bench.providers.discovery import Installed, PluginRegistry
from automl_bench.providers.dispatch import Provider

DECLARED = {declared!r}

class Plugin:
    @hookimpl
    def describe_provider(self):
        return ProviderDescription("some", "Some", frozenset({{Capability.UPLOAD, Capability.TRAIN}}), imports=DECLARED)

    @hookimpl
    def upload(self, context, training_set):
        from heavy.left import LEFT
        return Operation(OperationState.SUCCEEDED, result={{"n": LEFT}})

    @hookimpl
    def train(self, context):
        from heavy.right import RIGHT
        return Operation(OperationState.SUCCEEDED, result={{"n": RIGHT}})

provider = Provider(PluginRegistry([Installed("some", "some 1", Plugin)]), "some")
provider.import_heavy_modules()
gate, failed = threading.Barrier(2), []

def work(call):
    gate.wait()
    try:
        call()
    except Exception as error:
        failed.append(str(error))

context = SimpleNamespace()
threads = [threading.Thread(target=work, args=(call,)) for call in (
    lambda: provider.upload(context, None), lambda: provider.train(context))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failed)
"""


@pytest.mark.parametrize(
    "declared", [("heavy.left",), (), ("not_installed", "heavy.left")], ids=["declared", "undeclared", "one is missing"]
)
def test_two_hooks_that_import_one_package_at_once_both_succeed(tmp_path: Path, declared: tuple[str, ...]) -> None:
    for name, text in HEAVY.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    program = textwrap.dedent(PROGRAM.format(declared=declared))
    for _ in range(3):
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        )
        assert ended.stdout.strip() == "[]", ended.stdout


def test_the_package_of_this_test_does_meet_without_help(tmp_path: Path) -> None:
    """The test above could not fail otherwise."""
    for name, text in HEAVY.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    program = (
        "import threading, importlib\nfailed = []\n"
        "def work(name, what):\n    try:\n        getattr(importlib.import_module(name), what)\n"
        "    except (ImportError, AttributeError) as error:\n        failed.append(str(error))\n"
        "threads = [threading.Thread(target=work, args=pair)"
        " for pair in (('heavy.left', 'LEFT'), ('heavy.right', 'RIGHT'))]\n"
        "[thread.start() for thread in threads]\n[thread.join() for thread in threads]\nprint(len(failed))"
    )
    met = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()
        for _ in range(5)
    ]
    assert any(count != "0" for count in met)
