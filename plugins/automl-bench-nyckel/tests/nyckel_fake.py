"""A server that speaks Nyckel's API as documented, refuses everything else, learns, and meters a bill.

    with NyckelFake() as fake:
        fake.url, fake.client_id, fake.client_secret     # for NYCKEL_SERVER_URL, NYCKEL_CLIENT_ID, NYCKEL_CLIENT_SECRET
        fake.fail("invoke", 429, times=1)                # the next answer of an operation is another one
        fake.recorded, fake.bill(), fake.names()

or as a process of its own: `PYTHONPATH=tests python …/nyckel_fake.py --port 0` prints its address. GET /_fake/bill
answers the bill.

Every request is checked: an unknown path, query or field, a wrong type or a missing one is 400, a bad or expired token
401, more than 25 requests in a second or in flight 429. What was just created shows only after `lag` seconds (404 until
then). Nothing trains before two labels have two samples each; until training has ended, `invoke` answers all the same,
from a "zero-shot" model that knows nothing: that is the trap.
"""

from __future__ import annotations

import argparse
import json
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from nyckel_http import Server
from nyckel_learning import learn
from nyckel_wire import (
    Fault,
    Field,
    Function,
    Paged,
    PlannedFault,
    Recorded,
    Refusal,
    StoredSample,
    allow,
    fields,
    read_content,
    shown_content,
    shown_field,
    whole,
)


class NyckelFake:
    """The service. Use it with `with`; all times are in seconds.

    Args:
        lag: How long what was just created does not show.
        train_seconds: How long training takes after the last annotation.
        rate: Most requests in any second.
        in_flight: Most requests under way at once.
        expires_in: Life of a token.
        page_size: Objects on a page of a list.
        free_invokes: Invokes before 402.
        max_labels: Labels of a function before 402.
        latency: How long every answer takes beside the work.
        port: 0 for any.
        client_id: The one that is accepted.
        client_secret: The one that is accepted; by default a random one.
    """

    def __init__(
        self,
        *,
        lag: float = 0.1,
        train_seconds: float = 0.2,
        rate: int = 25,
        in_flight: int = 25,
        expires_in: float = 3600,
        page_size: int = 100,
        free_invokes: int | None = None,
        max_labels: int | None = None,
        latency: float = 0.0,
        port: int = 0,
        client_id: str = "fake-client-id",
        client_secret: str = "",
    ) -> None:
        self.lag = lag
        self.train_seconds = train_seconds
        self.rate = rate
        self.most_in_flight = in_flight
        self.expires_in = expires_in
        self.page_size = page_size
        self.free_invokes = free_invokes
        self.max_labels = max_labels
        self.latency = latency
        self.client_id = client_id
        # Another one each time: a process that meets two fakes, one after the other on one port, tells them apart.
        self.client_secret = client_secret or f"fake-secret-{secrets.token_hex(8)}"
        self.lock = threading.RLock()
        self.functions: dict[str, Function] = {}
        self.tokens: dict[str, float] = {}
        self.recorded: list[Recorded] = []
        self.created: list[str] = []
        self.zero_shot_invokes = 0
        self.invokes = 0
        self.captured = 0
        self.training_fails = False
        self.samples_stored = 0
        self.closing = threading.Event()
        self._faults: dict[str, list[PlannedFault]] = {}
        self._recent: deque[float] = deque()
        self._now_in_flight = 0
        self._server = Server(("127.0.0.1", port), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> NyckelFake:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # --- for tests ---------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The variables that lead the provider here."""
        return {
            "NYCKEL_SERVER_URL": self.url,
            "NYCKEL_CLIENT_ID": self.client_id,
            "NYCKEL_CLIENT_SECRET": self.client_secret,
        }

    def fail(
        self,
        operation: str,
        what: Fault,
        *,
        times: int = 1,
        after: int = 0,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> None:
        """Answer the next requests of an operation otherwise.

        Args:
            operation: As in `Recorded.operation`; "control" for every one but invoke.
            what: A status, or LOSE, HANG, GARBAGE, CUT, RESET.
            times: How often.
            after: Requests of the operation to let pass first.
            headers: Headers of the answer.
            body: JSON of the answer; by default a message.
        """
        with self.lock:
            planned = PlannedFault(what, times, after, dict(headers or {}), body)
            self._faults.setdefault(operation, []).append(planned)

    def heal(self) -> None:
        """Forget every planned fault."""
        with self.lock:
            self._faults.clear()
            self.training_fails = False

    def revoke_tokens(self) -> None:
        """End every token now, whatever its answer said."""
        with self.lock:
            self.tokens.clear()

    def count(self, operation: str, status: int | None = None) -> int:
        """Return how many requests of an operation came in, or those answered with a status."""
        with self.lock:
            return sum(1 for entry in self.recorded if entry.operation == operation and status in (None, entry.status))

    def names(self) -> list[str]:
        """Return the names of the functions that exist."""
        with self.lock:
            return sorted(function.name for function in self.functions.values())

    def only(self) -> Function:
        """Return the one function that exists."""
        with self.lock:
            (function,) = self.functions.values()
            return function

    def bill(self) -> dict[str, Any]:
        """Return what has been used: invokes, captured samples, samples stored in all, functions that still exist."""
        with self.lock:
            return {
                "invokes": self.invokes,
                "zero_shot_invokes": self.zero_shot_invokes,
                "captured_samples": self.captured,
                "samples_stored": self.samples_stored,
                "samples_kept": sum(len(function.samples) for function in self.functions.values()),
                "functions": len(self.functions),
                "statuses": dict(Counter(str(entry.status) for entry in self.recorded)),
            }

    # --- the gates every request passes ------------------------------------------------------------------

    def enter(self) -> bool:
        """Count a request in; return whether it keeps to rate and concurrency."""
        with self.lock:
            now = time.monotonic()
            self._now_in_flight += 1
            while self._recent and self._recent[0] <= now - 1.0:
                self._recent.popleft()
            allowed = len(self._recent) < self.rate and self._now_in_flight <= self.most_in_flight
            if allowed:
                self._recent.append(now)
            return allowed

    def leave(self) -> None:
        """Count a request out."""
        with self.lock:
            self._now_in_flight -= 1

    def planned_fault(self, operation: str) -> PlannedFault | None:
        """Return the fault that is due, and count it."""
        with self.lock:
            for key in (operation, *(["control"] if operation != "invoke" else [])):
                for fault in self._faults.get(key, []):
                    if fault.after > 0:
                        fault.after -= 1
                    elif fault.times > 0:
                        fault.times -= 1
                        return fault
        return None

    def authorise(self, header: str) -> None:
        """Check a bearer token."""
        with self.lock:
            token = header.removeprefix("Bearer ")
            expiry = self.tokens.get(token) if header.startswith("Bearer ") else None
            if expiry is None or expiry <= time.monotonic():
                raise Refusal(401, "The access token is missing, unknown or expired.")

    # --- operations --------------------------------------------------------------------------------------

    def token(self, form: dict[str, str]) -> Any:
        """Grant a token (RFC 6749, section 4.4)."""
        if set(form) != {"client_id", "client_secret", "grant_type"} or form["grant_type"] != "client_credentials":
            raise Refusal(400, "", error="invalid_request")
        if (form["client_id"], form["client_secret"]) != (self.client_id, self.client_secret):
            # A careless server repeats what it was sent: the client must not pass that on.
            raise Refusal(400, f"client {form['client_id']} with {form['client_secret']}", error="invalid_client")
        with self.lock:
            token = f"token-{secrets.token_hex(16)}"
            self.tokens[token] = time.monotonic() + self.expires_in
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}

    def create_function(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        allow(query, {"waitUntilReady"})
        fields(body, required={"input": str, "output": str, "name": str}, optional={"projectId": str})
        if body["input"] not in ("Image", "Text", "Tabular"):
            raise Refusal(400, "input is not one of Image, Text, Tabular")
        if body["output"] not in ("Classification", "Detection", "Search", "Ocr", "Localization", "Tags", "BoxDetect"):
            raise Refusal(400, "output is not known")
        if not body["name"]:
            raise Refusal(400, "name is empty")
        with self.lock:
            now = time.monotonic()
            key = secrets.token_hex(8)
            self.functions[key] = Function(key, body["name"], now + self.lag, now, input=body["input"])
            self.created.append(body["name"])
            return self._shown(self.functions[key])

    def list_functions(self, query: dict[str, str]) -> Any:
        with self.lock:
            now = time.monotonic()
            shown = [self._shown(each) for each in self.functions.values() if each.visible_at <= now]
        return self._page(shown, query, "/v1/functions", {"startIndex", "count"})

    def get_function(self, function: Function) -> Any:
        return self._shown(function)

    def delete_function(self, function: Function) -> Any:
        with self.lock:
            self.functions.pop(function.function_id, None)
        return {}

    def create_label(self, function: Function, body: dict[str, Any]) -> Any:
        fields(
            body, required={"name": str}, optional={"description": (str, type(None)), "metadata": (dict, type(None))}
        )
        if not body["name"].strip():
            raise Refusal(400, "name is empty")
        with self.lock:
            if any(name == body["name"] for name, _ in function.labels.values()):
                raise Refusal(409, "Label already exists")
            if self.max_labels is not None and len(function.labels) >= self.max_labels:
                raise Refusal(402, "Your plan has no more labels")
            key = f"label_{secrets.token_hex(6)}"
            function.labels[key] = (body["name"], time.monotonic() + self.lag)
            return {"id": key, "name": body["name"]}

    def list_labels(self, function: Function, query: dict[str, str]) -> Any:
        with self.lock:
            now = time.monotonic()
            shown = [{"id": key, "name": name} for key, (name, seen) in function.labels.items() if seen <= now]
        return self._page(shown, query, f"/v1/functions/{function.function_id}/labels", {"startIndex", "count"})

    def create_field(self, function: Function, body: dict[str, Any]) -> Any:
        fields(body, required={"name": str, "type": str}, optional={})
        if function.input != "Tabular":
            raise Refusal(400, "only a Tabular function has fields")
        if body["type"] not in ("Number", "Text", "Image") or not body["name"].strip():
            raise Refusal(400, "a field has a name and the type Number, Text or Image")
        with self.lock:
            types = [each.type for each in function.fields.values()]
            if any(each.name == body["name"] for each in function.fields.values()):
                raise Refusal(409, "Field already exists")
            if body["type"] == "Image" and "Image" in types:
                raise Refusal(400, "a function has at most one Image field")
            # As their ids come by chance, whoever relies on the order of creation is wrong.
            made = Field(secrets.token_hex(6), body["name"], body["type"], time.monotonic() + self.lag)
            function.fields[made.field_id] = made
            return shown_field(made)

    def list_fields(self, function: Function, query: dict[str, str]) -> Any:
        with self.lock:
            now = time.monotonic()
            ordered = sorted(function.fields.values(), key=lambda each: each.field_id)
            shown = [shown_field(each) for each in ordered if each.visible_at <= now]
        return self._page(shown, query, f"/v1/functions/{function.function_id}/fields", {"startIndex", "count"})

    def create_sample(self, function: Function, body: dict[str, Any]) -> Any:
        fields(
            body,
            required={"data": (str, dict)},
            optional={"externalId": (str, type(None)), "annotation": dict, "sampleSets": list},
        )
        with self.lock:
            now = time.monotonic()
            by_id = {each.field_id: each for each in function.fields.values() if each.visible_at <= now}
            digest, content = read_content(function.input, body["data"], by_id)
            label_id = self._label_of(function, body["annotation"], now) if "annotation" in body else None
            for known in function.samples.values():
                if known.digest == digest:
                    raise Refusal(409, "Sample already exists", existingSampleId=f"sample_{known.sample_id}")
            sample = StoredSample(
                secrets.token_hex(8), digest, body.get("externalId") or "", label_id, now + self.lag, content
            )
            function.samples[sample.sample_id] = sample
            function.changed_at = now
            self.samples_stored += 1
            return {"id": f"sample_{sample.sample_id}"}

    def list_samples(self, function: Function, query: dict[str, str]) -> Any:
        with self.lock:
            now = time.monotonic()
            samples = [sample for sample in function.samples.values() if sample.visible_at <= now]
            if "externalId" in query:
                samples = [sample for sample in samples if sample.external_id == query["externalId"]]
            if query.get("sortOrder") == "descending":
                samples.reverse()
            shown = [self._shown_sample(function, sample, query) for sample in samples]
        allowed = {"externalId", "startIndex", "count", "batchSize", "sortBy", "sortOrder", "includeData", "annotated"}
        return self._page(shown, query, f"/v1/functions/{function.function_id}/samples", allowed)

    def get_sample(self, function: Function, sample_id: str, query: dict[str, str]) -> Any:
        allow(query, {"includeData"})
        with self.lock:
            return self._shown_sample(function, self._sample(function, sample_id), query)

    def annotate(self, function: Function, sample_id: str, body: dict[str, Any]) -> Any:
        with self.lock:
            now = time.monotonic()
            sample = self._sample(function, sample_id)
            sample.label_id = self._label_of(function, body, now)
            function.changed_at = now
            return {"labelId": sample.label_id}

    def invoke(self, function: Function, body: dict[str, Any], query: dict[str, str]) -> Any:
        allow(query, {"labelCount", "includeMetadata", "modelId", "capture", "externalId"})
        count = query.get("labelCount", "1")
        if not count.isdigit() or int(count) < 1:
            raise Refusal(400, "labelCount is not a whole number above 0")
        if query.get("capture", "true") not in ("true", "false"):
            raise Refusal(400, "capture is neither true nor false")
        fields(body, required={"data": (str, dict)}, optional={})
        with self.lock:
            by_name = {each.name: each for each in function.fields.values() if each.visible_at <= time.monotonic()}
            digest, content = read_content(function.input, body["data"], by_name)
            if self.free_invokes is not None and self.invokes >= self.free_invokes:
                raise Refusal(402, "Your free invokes are used up")
            self.invokes += 1
            trained = self._state(function)[1]
            if query.get("capture", "true") == "true":
                key = secrets.token_hex(8)
                function.samples[key] = StoredSample(key, digest, "", None, time.monotonic(), content, captured=True)
                self.captured += 1
            if not trained:
                self.zero_shot_invokes += 1
            ranked = self._ranked(function, content if trained else None)
        if not ranked:
            raise Refusal(400, "The function has no labels")
        confidences = [
            {"labelName": name, "labelId": label_id, "confidence": score}
            for name, label_id, score in ranked[: int(count)]
        ]
        return {**confidences[0], "labelConfidences": confidences}

    def metrics(self, function: Function) -> Any:
        with self.lock:
            samples, trained = self._state(function)
            counts = Counter(
                function.labels[sample.label_id][0] for sample in function.samples.values() if sample.label_id
            )
            return {
                "sampleCount": samples,
                "predictionCount": samples if trained else 0,
                "isTraining": not trained and samples > 0,
                "annotatedLabelCounts": dict(counts),
            }

    def state(self, function: Function) -> Any:
        with self.lock:
            trained = self._state(function)[1]
            if self.training_fails:
                function.failed = True
            state = "Failed" if function.failed else "Browsing" if trained else "Training"
            return {**self._shown(function), "state": state}

    # --- inside ------------------------------------------------------------------------------------------

    def visible(self, key: str) -> Function:
        """Return a function by id, with or without its prefix."""
        with self.lock:
            function = self.functions.get(key.removeprefix("function_"))
            if function is None or function.visible_at > time.monotonic():
                raise Refusal(404, "Function not found")
            return function

    def _shown(self, function: Function) -> dict[str, str]:
        return {
            "id": f"function_{function.function_id}",
            "name": function.name,
            "input": function.input,
            "output": "Classification",
        }

    def _sample(self, function: Function, sample_id: str) -> StoredSample:
        sample = function.samples.get(sample_id.removeprefix("sample_"))
        if sample is None or sample.visible_at > time.monotonic():
            raise Refusal(404, "Sample not found")
        return sample

    def _shown_sample(self, function: Function, sample: StoredSample, query: dict[str, str]) -> dict[str, Any]:
        shown: dict[str, Any] = {"id": f"sample_{sample.sample_id}", "externalId": sample.external_id}
        if sample.label_id:
            shown["annotation"] = {"labelId": sample.label_id.removeprefix("label_")}  # ids come in both forms
        if query.get("includeData", "true") == "true":
            shown["data"] = shown_content(function.input, sample.content)
        return shown

    def _label_of(self, function: Function, annotation: dict[str, Any], now: float) -> str:
        if not isinstance(annotation, dict) or len(annotation) != 1 or not set(annotation) <= {"labelName", "labelId"}:
            raise Refusal(400, "annotation must hold labelName or labelId")
        if "labelName" in annotation:
            label_id = function.label_id(annotation["labelName"], now)
        else:
            label_id = annotation["labelId"] if annotation["labelId"] in function.labels else None
        if label_id is None:
            raise Refusal(404, "Label not found")
        return label_id

    def _state(self, function: Function) -> tuple[int, bool]:
        """Return the number of samples and whether the function is trained."""
        counts = Counter(sample.label_id for sample in function.samples.values() if sample.label_id)
        enough = len(counts) >= 2 and min(counts.values()) >= 2
        return len(function.samples), enough and time.monotonic() - function.changed_at >= self.train_seconds

    def _ranked(self, function: Function, content: Any) -> list[tuple[str, str, float]]:
        """Return (name, id, confidence) of each label, best first; without a content all are alike."""
        labels = {key: name for key, (name, _) in function.labels.items()}
        if content is None:
            return [(name, key, 1.0 / len(labels)) for key, name in labels.items()]
        if function.learnt is None or function.learnt[0] != function.changed_at:
            samples = [each for each in function.samples.values() if each.label_id]
            types = {each.field_id: each.type for each in function.fields.values()}
            learnt = learn(
                function.input, [each.content for each in samples], [str(each.label_id) for each in samples], types
            )
            function.learnt = (function.changed_at, learnt)
        scores = function.learnt[1](content)
        ranked = sorted(labels, key=lambda key: -scores.get(key, 0.0))
        return [(labels[key], key, round(scores.get(key, 0.0), 6)) for key in ranked]

    def _page(self, items: list[Any], query: dict[str, str], path: str, allowed: set[str]) -> Any:
        allow(query, allowed)
        start = whole(query.get("startIndex", "0"), "startIndex")
        size = min(self.page_size, whole(query.get("count", query.get("batchSize", "1000000")), "count"))
        more = None
        if start + size < len(items):
            kept = {key: value for key, value in query.items() if key != "startIndex"}
            pairs = "&".join(f"{key}={value}" for key, value in {**kept, "startIndex": str(start + size)}.items())
            more = f'<{path}?{pairs}>; rel="next"'
        return Paged(items[start : start + size], more)


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake Nyckel for tests and demonstrations, on this machine only.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--lag", type=float, default=0.5)
    parser.add_argument("--train-seconds", type=float, default=2.0)
    parser.add_argument("--expires-in", type=float, default=3600)
    options = parser.parse_args()
    with NyckelFake(
        port=options.port,
        lag=options.lag,
        train_seconds=options.train_seconds,
        expires_in=options.expires_in,
        client_secret="fake-client-secret",
    ) as fake:
        print(fake.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(json.dumps(fake.bill(), indent=1))


if __name__ == "__main__":
    main()
