"""Google Cloud on this machine: Vertex AI's stand-in, its token endpoint and Cloud Storage, as one service."""

from __future__ import annotations

import hashlib
import json
import secrets
import tempfile
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from google_tokens import TokenIssuer, write_key_file
from service_troubles import Troubled
from storage_front import StorageFront, gcs_server
from vertex_fake import DELETING, GARBAGE, TOKEN, Answer, Hangup, VertexFake
from vertex_project import PROJECT, REGION, Pace
from vertex_routes import Refusal
from vertex_tables import read_table

from automl_bench.contract import NAME_PREFIX, Stage
from automl_bench.testing import Fault, SeenRequest, Target

ROOT = f"{NAME_PREFIX}/"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"

ANSWERS: Mapping[Fault, Answer] = {
    Fault.THROTTLED: Refusal("RESOURCE_EXHAUSTED", "Quota exceeded for online_prediction_requests_per_base_model."),
    Fault.SERVER_ERROR: Refusal("INTERNAL", "Internal error encountered."),
    Fault.UNAVAILABLE: Refusal("UNAVAILABLE", "The service is currently unavailable."),
    Fault.BAD_ANSWER: GARBAGE,
    Fault.UNAUTHENTICATED: Refusal("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    Fault.FORBIDDEN: Refusal("PERMISSION_DENIED", "Permission 'aiplatform.datasets.list' denied."),
    Fault.NOT_FOUND: Refusal("NOT_FOUND", "The resource does not exist."),
    Fault.BILLING: Refusal(
        "PERMISSION_DENIED",
        "This API method requires billing to be enabled.",
        {"@type": ERROR_INFO, "reason": "BILLING_DISABLED", "domain": "googleapis.com"},
    ),
    Fault.QUOTA: Refusal(
        "RESOURCE_EXHAUSTED",
        "The following quotas are exceeded: CustomModelServingCPUsPerProjectPerRegion",
    ),
    Fault.RESET: Hangup,
}


class VertexService(Troubled):
    """All three servers, a bucket of its own, and a service account's key file.

    Args:
        pace: How long things take.
        token_lifetime: Seconds that a token holds.
        anonymous: Whether nobody is asked for a token.
    """

    paid = ("training", "deployed-model")
    fails_at = (Stage.UPLOAD, Stage.TRAIN, Stage.DEPLOY)
    limited_at = (Stage.TRAIN, Stage.DEPLOY)

    def __init__(self, pace: Pace | None = None, *, token_lifetime: int = 3600, anonymous: bool = False) -> None:
        self._pace = pace
        self.tokens = None if anonymous else TokenIssuer(token_lifetime)
        self.bucket = f"bench-{secrets.token_hex(6)}"
        self._open = ExitStack()
        self._strangers: list[str] = []

    def __enter__(self) -> Self:
        self.gcs_url = self._open.enter_context(gcs_server(REGION))
        self.storage = self._open.enter_context(StorageFront(self.gcs_url, self.tokens))
        self.fake = self._open.enter_context(VertexFake(self.gcs_url, self.tokens, self._pace))
        self.folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        self.key_file = write_key_file(self.folder / "key.json", self.fake.token_uri)
        self._gcs("POST", "/storage/v1/b?project=bench", {"name": self.bucket})
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    # --- the bucket ---------------------------------------------------------------------------------------------

    def _gcs(self, method: str, path: str, content: Any = None, raw: bytes | None = None) -> Any:
        data = raw if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.gcs_url}{path}", data=data, method=method)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def object_names(self) -> list[str]:
        """Return the names of all objects in the bucket."""
        answer = self._gcs("GET", f"/storage/v1/b/{self.bucket}/o?maxResults=10000")
        return [item["name"] for item in answer.get("items", [])]

    def read(self, name: str) -> str:
        """Return an object's content as text."""
        url = f"{self.gcs_url}/storage/v1/b/{self.bucket}/o/{quote(name, safe='')}?alt=media"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return str(answer.read().decode())

    def put(self, name: str, content: bytes) -> None:
        """Store an object as somebody else would."""
        self._gcs("POST", f"/upload/storage/v1/b/{self.bucket}/o?uploadType=media&name={name}", raw=content)

    # --- what the conformance kit asks --------------------------------------------------------------------------

    def environment(self) -> Mapping[str, str]:
        """Return what makes the plugin use these servers."""
        common = {
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "GOOGLE_CLOUD_REGION": REGION,
            "AUTOML_BENCH_VERTEX_BUCKET": self.bucket,
            "AUTOML_BENCH_VERTEX_API_ENDPOINT": self.fake.url,
            "STORAGE_EMULATOR_HOST": self.storage.url,
            "CLOUDSDK_CONFIG": str(self.folder),
        }
        if self.tokens is None:
            return {**common, "AUTOML_BENCH_VERTEX_ANONYMOUS": "1"}
        return {**common, "GOOGLE_APPLICATION_CREDENTIALS": str(self.key_file)}

    def requests(self) -> Sequence[SeenRequest]:
        """Return what all servers were asked."""
        control = [
            SeenRequest(f"{each.method} {each.target}", each.body, each.headers, predicts=each.method == "Predict")
            for each in self.fake.seen
        ]
        stored = [SeenRequest(f"{each.method} {each.target}", each.body, each.headers) for each in self.storage.seen]
        return [*control, *stored]

    def predictions(self) -> int:
        """Return how many predictions were asked for."""
        return self.fake.count("Predict")

    def resources(self) -> Sequence[str]:
        """Return what exists, what trials left in the bucket as one line each."""
        folders = sorted({name.split("/")[1] for name in self.object_names() if name.startswith(ROOT)})
        return [*(f"samples {folder}" for folder in folders), *self.fake.project.resources(NAME_PREFIX)]

    def billing(self) -> Sequence[str]:
        """Return the models that are deployed."""
        return self.fake.project.serving.running()

    def usd(self) -> float:
        """Return what the account would be charged so far."""
        return self.fake.project.usd()

    def creations(self) -> Sequence[str]:
        """Return every creation at Vertex AI; an object in the bucket is written, not created."""
        return list(self.fake.project.created)

    def training_samples(self) -> Sequence[tuple[str, str]]:
        """Return the content's digest and the label of each image or row, the label read back from its spelling."""
        datasets = self.fake.project.datasets
        found = [(digest, spoken(item.label)) for those in datasets.items.values() for digest, item in those.items()]
        for address in datasets.tables.values():
            for row in read_table(datasets.project.bucket.read(address) or b""):
                cells = {name: cell for name, cell in row.items() if name not in ("label", "ml_use")}
                found.append((hashlib.sha256(repr(cells).encode()).hexdigest(), spoken(row["label"])))
        return found

    def stranger(self) -> str | None:
        """Make a dataset and an object that are not ours."""
        from google.cloud.aiplatform_v1 import types

        name = "holiday-pictures"
        project = self.fake.project
        dataset = types.Dataset(name=f"{project.parent}/datasets/7", display_name=name, create_time={"seconds": 1})
        project.datasets.all[dataset.name] = dataset
        project.datasets.items[dataset.name] = {}
        self.put("holiday.jpg", b"sunshine")
        self._strangers.append(name)
        return name

    def strangers(self) -> Sequence[str]:
        """Return those that still exist, if their object does too."""
        there = {dataset.display_name for dataset in self.fake.project.datasets.all.values()}
        return [name for name in self._strangers if name in there and "holiday.jpg" in self.object_names()]

    def faults(self, target: Target) -> Collection[Fault]:
        """Return what it can be told to do wrong."""
        if target is Target.PREDICTION:
            return tuple(ANSWERS)
        return (*ANSWERS, Fault.TRAINING_FAILS, Fault.DEPLOYMENT_FAILS, Fault.DELETION_FAILS, Fault.LOST_ANSWER)

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        """Do something wrong."""
        project = self.fake.project
        if fault is Fault.TRAINING_FAILS:
            project.training_fails = True
        elif fault is Fault.DEPLOYMENT_FAILS:
            project.deployment_fails = True
        elif fault is Fault.DELETION_FAILS:
            project.deletion_fails = True
            self.storage.fail("DELETE", 403, reason="forbidden", times=float("inf"))
        elif fault is Fault.LOST_ANSWER:
            self.lose_answer()
        else:
            often = float("inf") if times is None else times
            if target is Target.PREDICTION:
                self.fake.fail("Predict", ANSWERS[fault], often)
            else:
                self.fake.fail(lambda method: method not in ("Predict", TOKEN), ANSWERS[fault], often)

    def train_for(self, seconds: float) -> None:
        self.fake.project.pace.training = seconds

    def throttle_for(self, seconds: float) -> None:
        wait = {"Retry-After": f"{seconds:.0f}"}
        answer = Refusal("RESOURCE_EXHAUSTED", "Quota exceeded for requests per minute.", headers=wait)
        self.fake.fail(lambda method: method != TOKEN, answer, float("inf"))

    def refuse_for_quota(self, stage: Stage) -> None:
        words = "The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_serving_cpus"
        method = "CreateTrainingPipeline" if stage is Stage.TRAIN else "DeployModel"
        self.fake.fail(method, Refusal("RESOURCE_EXHAUSTED", words), float("inf"))

    def fail_work(self, stage: Stage) -> None:
        project = self.fake.project
        project.import_fails = stage is Stage.UPLOAD
        project.training_fails = stage is Stage.TRAIN
        project.deployment_fails = stage is Stage.DEPLOY

    def show_late(self, seconds: float) -> None:
        self.fake.project.pace.listing = self.fake.project.pace.showing = seconds

    def destroyed(self) -> Sequence[str]:
        ending = (*DELETING, "CancelTrainingPipeline")
        return [each.method for each in self.fake.seen if each.method in ending and each.status == 200]

    def lose_answer(self) -> None:
        """Carry the next creation out, wherever it is asked for, and reset its connection."""
        left = [1]

        def once(_: str = "") -> bool:
            left[0] -= 1
            return left[0] >= 0

        self.fake.lose_when = once
        self.storage.lose_when = lambda method, target: method == "POST" and "import.csv" in target and once()

    def heal(self) -> None:
        """Do nothing wrong any more."""
        self.fake.heal()
        self.storage.heal()
        self.fake.project.pace.listing = self.fake.project.pace.showing = 0.0


def spoken(name: str) -> str:
    """Return the label that a name stands for: an own reading of docs/providers/vertex.md, "Labels"."""
    if not name.startswith("x_"):
        return name
    content, place = bytearray(), 2
    while place < len(name):
        if name[place] == "_":
            content.append(int(name[place + 1 : place + 3], 16))
            place += 3
        else:
            content += name[place].encode()
            place += 1
    return content.decode()
