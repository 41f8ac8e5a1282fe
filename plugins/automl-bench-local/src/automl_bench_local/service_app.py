"""The application of `automl-bench serve`: one model behind an OpenAPI document, with limits and counts.

Predictions are computed in the event loop, one by one, as in the measured server. Between the samples of a batch others
get their turn.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from automl_bench.contract import Modality
from automl_bench_local.features import UnreadableContent
from automl_bench_local.inside.records import CARD
from automl_bench_local.model import Served, load_model
from automl_bench_local.own_host import OwnHostOnly
from automl_bench_local.service_bodies import JSON, Bodies, Refused, answer_schema
from automl_bench_local.service_metrics import Counted, Counts

PREDICT, HEALTH, METRICS = "/predict", "/health", "/metrics"
BODY_SECONDS = 30.0
"""Within these a request's whole body must have come."""

MOST_WAITING = 256
"""Predictions that one worker process has under way; more are asked to come back."""

WHY = {
    400: "The body cannot be read: not JSON, not UTF-8, or no image.",
    408: f"The body did not come within {BODY_SECONDS:g} seconds.",
    413: "The body is larger than the limit.",
    415: "The content type is none that this model takes.",
    421: "The request names another host; a server on the loopback interface answers to its own names only.",
    422: "The JSON has another shape, or the model cannot make sense of it.",
    503: "Too many requests wait already; come back after the seconds of Retry-After.",
}
ERROR_SCHEMA = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What a service serves, and how. Sent to worker processes.

    Attributes:
        model: Folder of the model.
        graphs: Folder in which the network's graph is kept.
        title: The trial in words.
        facts: What `GET /health` says of the trial.
        threads: Threads of the numeric libraries in each worker process.
        largest_body: Bytes.
        most_samples: Samples in one batch.
        loopback: Whether only this machine may ask.
    """

    model: Path
    graphs: Path
    title: str
    facts: Mapping[str, Any]
    threads: int
    largest_body: int
    most_samples: int
    loopback: bool


class _PlainRoute(APIRoute):
    """A route whose function takes the request and returns the response: there is nothing for FastAPI to fill in.

    The document is made of it as of any other; a request is spared what FastAPI does to fill in arguments.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function itself."""
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


def load_app(settings: ServiceSettings) -> FastAPI:
    """Load the model and return the application, in the process that is going to serve it.

    Raises:
        OSError: If the model's files are missing.
        ValueError: If another version of this plugin wrote them.
        ImportError: If a package is missing that the model needs.
    """
    return build_app(settings, load_model(settings.model, graph_folder=settings.graphs, threads=settings.threads))


def build_app(settings: ServiceSettings, model: Served) -> FastAPI:
    """Return the application.

    Args:
        settings: The limits and the words.
        model: What answers.
    """
    bodies = Bodies(
        modality_of(settings.model), tuple(model.features.to_json().get("columns", ())), settings.most_samples
    )
    counts, service = Counts(), _Predictions(settings, model, bodies)
    app = FastAPI(
        title=settings.title,
        description="A model that automl-bench trained on this machine.",
        docs_url=None,  # both pages would load their scripts from elsewhere
        redoc_url=None,
        exception_handlers={Refused: _refuse, 500: _fail},
    )
    if settings.loopback:
        app.add_middleware(OwnHostOnly)
    app.add_middleware(Counted, counts=counts, paths=frozenset({PREDICT, HEALTH, METRICS, "/openapi.json"}))
    app.router.route_class = _PlainRoute
    everywhere = _errors(421) if settings.loopback else {}

    @app.post(
        PREDICT,
        summary="Classify one sample or a batch",
        response_class=Response,
        responses={
            200: {"description": "One answer, or one for each sample.", "content": _json(answer_schema(model.labels))},
            **_errors(400, 408, 413, 415, 422, 503),
            **everywhere,
        },
        openapi_extra={"requestBody": {"required": True, "content": bodies.schema()}},
    )
    async def predict(request: Request) -> Response:
        answers, is_batch = await service.answer(request)
        for one in answers:
            counts.predicted(one["label"])
        return Response(_dump(answers if is_batch else answers[0]), media_type=JSON)

    @app.get(
        HEALTH,
        summary="Say what is served",
        response_class=Response,
        responses={200: {"description": "It serves.", "content": _json({"type": "object"})}, **everywhere},
    )
    async def health(request: Request) -> Response:
        facts = {"status": "ok", **settings.facts, "modality": bodies.modality.value, "labels": list(model.labels)}
        return Response(_dump(facts), media_type=JSON)

    @app.get(
        METRICS,
        summary="Counts and times in Prometheus' text format",
        response_class=Response,
        responses={
            200: {"description": "The counts.", "content": {"text/plain": {"schema": {"type": "string"}}}},
            **everywhere,
        },
    )
    async def metrics(request: Request) -> Response:
        return Response(counts.text(), media_type="text/plain; version=0.0.4")

    return app


class _Predictions:
    """Reads requests within the limits and has the model answer."""

    def __init__(self, settings: ServiceSettings, model: Served, bodies: Bodies) -> None:
        self._settings = settings
        self._model = model
        self._bodies = bodies
        self._waiting = 0

    async def answer(self, request: Request) -> tuple[list[dict[str, Any]], bool]:
        """Return the answers, and whether the request was a batch.

        Raises:
            Refused: If a limit is passed, or the request cannot be read.
        """
        if self._waiting >= MOST_WAITING:
            raise Refused(503, f"{MOST_WAITING} requests wait already")
        self._waiting += 1
        try:
            body = await self._body(request)
            contents, is_batch = self._bodies.read(body, request.headers.get("content-type", ""))
            answers = []
            for number, content in enumerate(contents):
                if number:
                    await asyncio.sleep(0)
                answers.append(self._one(content, f"sample {number}: " if is_batch else ""))
            return answers, is_batch
        finally:
            self._waiting -= 1

    async def _body(self, request: Request) -> bytes:
        largest = self._settings.largest_body
        body = bytearray()
        length = request.headers.get("content-length", "")
        too_large = length.isascii() and length.isdecimal() and int(length[:20]) > largest
        try:
            async with asyncio.timeout(BODY_SECONDS):
                if not too_large:
                    async for chunk in request.stream():
                        body += chunk
                        if too_large := len(body) > largest:
                            break
        except TimeoutError as error:
            raise Refused(408, f"the body did not come within {BODY_SECONDS:g} seconds") from error
        except ClientDisconnect as error:
            raise Refused(400, "the connection was closed before the whole body had come") from error
        if too_large:
            raise Refused(413, f"a body may have at most {largest} bytes")
        return bytes(body)

    def _one(self, content: bytes, where: str) -> dict[str, Any]:
        import numpy as np

        try:
            with np.errstate(all="ignore"):
                found = self._model.predict(content)
        except UnreadableContent as error:
            raise Refused(400, f"{where}{error}") from error
        except (ValueError, TypeError, OverflowError) as error:
            raise Refused(422, f"{where}the model cannot answer: {' '.join(str(error).split())[:300]}") from error
        if not all(map(math.isfinite, found.scores.values())):
            raise Refused(422, f"{where}the model has no finite score for it: a number in it is too large")
        return {"label": found.label, "confidence": found.confidence, "scores": found.scores}


def modality_of(folder: Path) -> Modality:
    """Return what a stored model classifies.

    Raises:
        OSError: If the folder holds no model.
    """
    return Modality(json.loads((folder / CARD).read_text(encoding="utf-8")).get("modality", Modality.IMAGE.value))


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {"retry-after": "1"} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    if error.status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT):
        headers["connection"] = "close"  # or the server would read the rest only to drop it
    return Response(_dump({"detail": error.detail}), error.status, headers, JSON)


async def _fail(request: Request, error: Exception) -> Response:
    """Answer for a fault of ours; its traceback goes to the log, not to the client."""
    return Response(_dump({"detail": "this is a fault of the server; its log says more"}), 500, media_type=JSON)


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": WHY[status], "content": _json(ERROR_SCHEMA)} for status in statuses}


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {JSON: {"schema": schema}}


def _dump(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()
