"""What an experiment of many small local trials costs, beside the same fits and single predictions without the tool.

Usage: python benchmarks/engines.py [--trials 100] [--test-limit 100] [--rounds 3]

An experiment on `digits` with four local classifiers runs through `automl-bench run` in a fresh workspace: every trial
uploads, trains in a process of its own, serves over HTTP from another one, is measured call by call, and is torn down.
Two peers do the bare work with scikit-learn: the same images from the same files, the same classifiers, one prediction
at a time; one is a plain script, the other joblib on all processors. All three are timed from start to end of their
process, in turn. The exit code says whether the tool keeps within three times the plain script.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_bench_local.processes import THREAD_VARIABLES

VARIANTS = {
    "svc": ("sklearn.svm.SVC", {"gamma": 0.001}),
    "nearest-neighbour": ("sklearn.neighbors.KNeighborsClassifier", {"n_neighbors": 1}),
    "tree": ("sklearn.tree.DecisionTreeClassifier", {}),
    "bayes": ("sklearn.naive_bayes.GaussianNB", {}),
}
TOOL = (sys.executable, "-m", "automl_bench.cli.main")
SHOTS = (5, 10, 20, 40, 80)
MOST = 3.0
"""Largest ratio of wall times between the experiment and the plain script."""

PEER = """
import importlib, json, sys, time
from pathlib import Path
import numpy as np
from PIL import Image
plan = json.loads(Path(sys.argv[1]).read_text())

def vector(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float64).reshape(-1) / plan["scale"]

def trial(path, params, train):
    module, _, name = path.rpartition(".")
    model = getattr(importlib.import_module(module), name)(**params)
    model.fit(np.stack([vector(file) for file, _ in train]), [label for _, label in train])
    return sum(str(model.predict(vector(file).reshape(1, -1))[0]) == label for file, label in plan["test"])

if sys.argv[2] == "script":
    right = [trial(*each) for each in plan["trials"]]
else:
    from joblib import Parallel, delayed
    right = Parallel(n_jobs=-1)(delayed(trial)(*each) for each in plan["trials"])
print(sum(right) / len(right) / len(plan["test"]))
"""


def prepare(workspace: Path, folds: int, test_limit: int) -> None:
    """Make a workspace with the dataset and the experiment."""
    (workspace / "configs/experiments").mkdir(parents=True)
    (workspace / "configs/providers").mkdir(parents=True)
    variants = [
        f'[variants.many-{name}]\nestimator = "{path}"\nparams = {{ {toml(params)} }}\n'
        for name, (path, params) in VARIANTS.items()
    ]
    (workspace / "configs/providers/local.toml").write_text("\n".join(variants))
    providers = json.dumps([f"local:many-{name}" for name in VARIANTS])
    (workspace / "configs/experiments/many.toml").write_text(
        f'name = "many"\ndatasets = ["digits"]\nproviders = {providers}\nshots = {list(SHOTS)}\nfolds = {folds}\n'
        f"test_limit = {test_limit}\n[parallel]\nenabled = false\n"
    )
    subprocess.run([*TOOL, "data", "fetch", "digits"], cwd=workspace, check=True, capture_output=True)


def toml(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in params.items())


def write_plan(workspace: Path, folds: int, test_limit: int, plan: Path) -> None:
    """Write what the peers do: subsets of the same sizes from the same files, and as many test images."""
    draw = random.Random(0)
    files: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    for path in sorted((workspace / "data/digits").rglob("*.png")):
        files[path.parent.parent.name].setdefault(path.parent.name, []).append(str(path))
    trials = []
    for _fold in range(folds):
        for shots in SHOTS:
            train = [(file, label) for label, each in files["train"].items() for file in draw.sample(each, shots)]
            trials += [(path, params, train) for path, params in VARIANTS.values()]
    test = [(file, label) for label, each in files["test"].items() for file in each]
    content = {"scale": 255.0, "trials": trials, "test": draw.sample(test, test_limit)}
    plan.write_text(json.dumps(content))


def timed(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """Run a command and return its seconds, from start to end."""
    begun = time.monotonic()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help=f"a multiple of {len(VARIANTS) * len(SHOTS)}")
    parser.add_argument("--test-limit", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folds = options.trials // (len(VARIANTS) * len(SHOTS))
    trials = folds * len(VARIANTS) * len(SHOTS)
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
    taken: dict[str, list[float]] = {"experiment": [], "script": [], "joblib": []}
    with tempfile.TemporaryDirectory() as scratch:
        workspace, peer, plan = Path(scratch) / "workspace", Path(scratch) / "peer.py", Path(scratch) / "plan.json"
        prepare(workspace, folds, options.test_limit)
        write_plan(workspace, folds, options.test_limit, plan)
        peer.write_text(PEER)
        print(f"{trials} trials, {options.test_limit} predictions each; load {os.getloadavg()[0]:.1f}", flush=True)
        for _ in range(options.rounds):
            shutil.rmtree(workspace / "results", ignore_errors=True)
            taken["experiment"].append(timed([*TOOL, "run", "many"], workspace, environment))
            for kind in ("script", "joblib"):
                taken[kind].append(timed([sys.executable, str(peer), str(plan), kind], workspace, environment))
            print("  ".join(f"{name} {seconds[-1]:.1f} s" for name, seconds in taken.items()), flush=True)
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    ratio = medians["experiment"] / medians["script"]
    for name, seconds in medians.items():
        print(f"{name:12} {seconds:7.2f} s  {1000 * seconds / trials:6.0f} ms a trial")
    print(f"the experiment takes {ratio:.2f} times the script (claim: at most {MOST:g})")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
