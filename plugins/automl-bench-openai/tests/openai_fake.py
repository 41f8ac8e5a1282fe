"""A server that speaks the protocol: strict about requests, learning, counting tokens, billing, able to fail.

Requests are held against the parameter types of the official package `openai`, answers are built in its response types.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from openai.types import CreateEmbeddingResponse, Decision, Model
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.decision_create_params import DecisionCreateParams
from openai.types.embedding_create_params import EmbeddingCreateParams
from openai_learning import Knowledge, Seen, seen_in, tokens_of
from sdk_types import mismatch

KEY = "sk-planted-5d1c7e2f9a4b8306"
MODEL = "gpt-6-luna"
SERVED = "gpt-6-luna-2026-09-22"
PRICES = {"in": 0.10, "cached": 0.01, "out": 0.50}
"""Dollars for a million tokens."""
LEAST_CACHED = 64
"""Tokens of a prefix that the cache holds; the real service begins at about a thousand."""
RESET = -1


@dataclass
class Recorded:
    path: str
    raw: bytes
    headers: dict[str, str]
    predicts: bool
    status: int = 0


@dataclass
class Bill:
    """Tokens of every answer that was given, attempts included."""

    read: int = 0
    cached: int = 0
    written: int = 0
    answers: int = 0

    @property
    def usd(self) -> float:
        plain = (self.read - self.cached) * PRICES["in"]
        return (plain + self.cached * PRICES["cached"] + self.written * PRICES["out"]) / 1e6


@dataclass
class Refusal(Exception):
    status: int
    message: str
    code: str | None = None
    kind: str = "invalid_request_error"
    param: str | None = None

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


@dataclass
class OpenaiFake:
    """The server.

    Attributes:
        knowledge: What the model knows before it is shown an example.
        decisions: Whether it has the decision endpoint.
        systemone: Whether it has the kin of that which `transformers serve` has.
        ignores_schema: Whether it answers in its own words whatever the schema says.
        drops_images: Whether images are dropped with 200.
        no_logprobs: Whether log-probabilities are left out.
        refuses: Optional fields that it refuses with 400 and `param`.
        allowance: Headers about what is left of requests and tokens, made anew for each answer; None for none.
    """

    knowledge: Knowledge = field(default_factory=Knowledge)
    decisions: bool = True
    systemone: bool = False
    ignores_schema: bool = False
    drops_images: bool = False
    no_logprobs: bool = False
    no_tools: bool = False
    refuses: tuple[str, ...] = ()
    shutdown_date: str | None = None
    served: str = SERVED
    allowance: Callable[[], Mapping[str, str]] | None = None
    bill: Bill = field(default_factory=Bill)
    recorded: list[Recorded] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)
    _scripts: dict[str, list[Any]] = field(default_factory=lambda: {"control": [], "predict": []})
    _prefixes: set[str] = field(default_factory=set)

    def __enter__(self) -> OpenaiFake:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                fake._serve(self, b"")

            def do_POST(self) -> None:
                fake._serve(self, self.rfile.read(int(self.headers.get("content-length", 0))))

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def environment(self) -> dict[str, str]:
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": KEY}

    def fail(self, what: str, answer: Any, times: int = 1) -> None:
        """Answer the next so many requests otherwise.

        Args:
            what: "predict" for those about a sample, "control" for all others.
            answer: A status; (status, headers, body) with a body of bytes or JSON; a function that changes the JSON of
                a right answer; or `RESET`.
            times: How many.
        """
        with self.lock:
            self._scripts[what] += [answer] * times

    def heal(self) -> None:
        with self.lock:
            self._scripts = {"control": [], "predict": []}

    def predictions(self) -> int:
        with self.lock:
            return sum(one.predicts for one in self.recorded)

    def _predicts(self, raw: bytes) -> bool:
        """Whether a request is a prediction: no probe, and no batch of training samples to embed."""
        if b'"input":["' in raw and len(json.loads(raw)["input"]) > 1:
            return False
        return b"banana" not in raw and b"Which animal?" not in raw

    # --- requests ------------------------------------------------------------------------------------------------

    def _serve(self, handler: BaseHTTPRequestHandler, raw: bytes) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        path = handler.path.removeprefix("/v1")
        predicts = path != "/models" and self._predicts(raw)
        record = Recorded(path, raw, headers, predicts)
        with self.lock:
            self.recorded.append(record)
            scripts = self._scripts["predict" if predicts else "control"]
            script = scripts.pop(0) if scripts else None
        if script == RESET:
            handler.close_connection = True
            handler.connection.close()
            return
        more: Mapping[str, str] = {}
        if script is None or callable(script):
            status, body = self._answer(path, raw, headers)
            if callable(script) and status == 200:
                body = script(body)
        elif isinstance(script, tuple):
            status, more, body = script
        else:
            fault = Refusal(script, "told to fail", code="told", kind="told")
            status, body = script, fault.body()
        record.status = status
        if self.allowance is not None and status == 200:
            more = {**more, **self.allowance()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in {"content-type": "application/json", "x-request-id": "req_1", **more}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _answer(self, path: str, raw: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        try:
            return 200, self._right_answer(path, raw, headers)
        except Refusal as refusal:
            return refusal.status, refusal.body()

    def _right_answer(self, path: str, raw: bytes, headers: Mapping[str, str]) -> Any:
        if headers.get("authorization") != f"Bearer {KEY}":
            raise Refusal(401, "Incorrect API key provided.", "invalid_api_key")
        if path == "/models":
            return {"object": "list", "data": [self._model()]}
        return self._reply(path, json.loads(raw))

    def _reply(self, path: str, body: Any) -> Any:
        if path == "/chat/completions":
            return self._chat(body)
        if path == "/embeddings":
            return self._embed(body)
        if path == "/decisions" and self.decisions:
            return self._decide(body)
        if path == "/systemone" and self.systemone:
            return self._systemone(body)
        raise Refusal(404, f"Invalid URL (POST {path})", None)

    def _model(self) -> Any:
        found = {
            "id": MODEL,
            "object": "model",
            "created": 1,
            "owned_by": "openai",
            "shutdown_date": self.shutdown_date,
        }
        return Model.model_validate(found).model_dump()

    def _check(self, body: Any, kind: Any) -> None:
        if found := mismatch(body, kind):
            raise Refusal(400, f"Unrecognized or wrong argument: {found}", None, param=found.split()[0].strip("."))
        if body["model"] != MODEL:
            raise Refusal(404, f"The model {body['model']} does not exist", "model_not_found")
        for name in self.refuses:
            if name in body:
                raise Refusal(400, f"Unsupported parameter: {name}", "unsupported_parameter", param=name)

    def _chat(self, body: Any) -> Any:
        self._check(body, CompletionCreateParamsNonStreaming)
        if "max_tokens" in body:
            raise Refusal(400, "Use max_completion_tokens.", "unsupported_parameter", param="max_tokens")
        if body.get("reasoning_effort") != "none" and {"temperature", "logprobs", "top_p"} & body.keys():
            raise Refusal(400, "Not while reasoning.", "unsupported_value", param="temperature")
        if "tools" in body and self.no_tools:
            raise Refusal(400, "No tools here.", "unsupported_parameter", param="tools")
        schema = _schema_of(body)
        if schema is not None:
            _check_schema(schema)
        system, shown, sample = self._turns(body["messages"])
        names = schema["properties"]["label"]["enum"] if schema else _names_in(system)
        scores = self.knowledge.scores(sample, shown, names)
        best = max(scores, key=lambda name: scores[name])
        text = best if schema is None else json.dumps({"label": best, **_self_report(schema, scores[best])})
        if schema is not None and self.ignores_schema:
            text = "Bananas, of course."
        usage = self._count(system, shown, sample, len(text) // 4 + 1)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        ending = "stop"
        if "tools" in body and not self.ignores_schema:
            call = {"id": "call_1", "type": "function", "function": {"name": "label", "arguments": text}}
            message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}
        choice = {"index": 0, "finish_reason": ending, "message": message, "logprobs": None}
        if body.get("logprobs") and not self.no_logprobs:
            choice["logprobs"] = {"content": _tokens_with_logprobs(text, best, scores[best]), "refusal": None}
        found = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": self.served,
            "choices": [choice],
            "usage": {
                "prompt_tokens": usage["read"],
                "completion_tokens": usage["written"],
                "total_tokens": usage["read"] + usage["written"],
                "prompt_tokens_details": {"cached_tokens": usage["cached"], "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        }
        return ChatCompletion.model_validate(found).model_dump()

    def _embed(self, body: Any) -> Any:
        self._check(body, EmbeddingCreateParams)
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        if not texts or len(texts) > 2048 or not all(texts):
            raise Refusal(400, "Between 1 and 2,048 texts that are not empty.", None, param="input")
        read = sum(tokens_of(Seen(text)) for text in texts)
        with self.lock:
            self.bill.read += read
            self.bill.answers += 1
        found = {
            "object": "list",
            "model": self.served,
            "data": [
                {"object": "embedding", "index": place, "embedding": self._vector(text, body.get("dimensions", 64))}
                for place, text in reversed(list(enumerate(texts)))
            ],
            "usage": {"prompt_tokens": read, "total_tokens": read},
        }
        answer = CreateEmbeddingResponse.model_validate(found).model_dump()
        if body.get("encoding_format") == "base64":
            for one in answer["data"]:
                one["embedding"] = base64.b64encode(
                    struct.pack(f"<{len(one['embedding'])}f", *one["embedding"])
                ).decode()
        return answer

    def _vector(self, text: str, length: int) -> list[float]:
        return word_vector(text, length)

    def _decide(self, body: Any) -> Any:
        self._check(body, DecisionCreateParams)
        (question,) = body["questions"]
        names = [one["value"] for one in question["choices"]]
        if not 2 <= len(names) <= 255 or len(set(names)) < len(names):
            raise Refusal(400, "Provide between 2 and 255 unique choices.", None, param="questions.0.choices")
        _, shown, sample = self._turns(body["input"])
        scores = self.knowledge.scores(sample, shown, names)
        best = max(scores, key=lambda name: scores[name])
        usage = self._count(question["instructions"] + "".join(names), shown, sample, 0)
        answer = {
            "type": "choice",
            "name": question.get("name"),
            "choice": best,
            "confidence": 0.1,
            "probabilities": [{"value": name, "probability": round(value, 4)} for name, value in scores.items()],
        }
        found = {
            "model": self.served,
            "answers": [answer],
            "usage": {
                "input_tokens": usage["read"],
                "input_tokens_details": {"cached_tokens": usage["cached"], "cache_write_tokens": 0},
                "output_tokens": 0,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage["read"],
            },
        }
        return Decision.model_validate(found).model_dump()

    def _systemone(self, body: Any) -> Any:
        """Answer in the other dialect: a state, images beside it, questions by name. Unknown fields are refused."""
        if set(body) - {"model", "state", "images", "questions"}:
            raise Refusal(422, "unknown field")
        ((name, question),) = body["questions"].items()
        *_, last = body["state"].split("\n\n")
        shown = [
            (Seen(text), label)
            for text, _, label in (one.rpartition("\n-> ") for one in body["state"].split("\n\n")[:-1])
        ]
        sample = Seen(last)
        if body.get("images"):
            sample = seen_in([{"type": "image_url", "image_url": {"url": body["images"][-1]}}])
        scores = self.knowledge.scores(sample, shown, list(question["criteria"]))
        usage = self._count(question["instructions"], shown, sample, 0)
        best = max(scores, key=lambda one: scores[one])
        answer = {"type": "choice", "choice": best, "confidence": 0.057, "probabilities": scores}
        return {
            "model": self.served,
            "answers": {name: answer},
            "usage": {"input_tokens": usage["read"], "output_tokens": 0},
        }

    def _turns(self, messages: list[Any]) -> tuple[str, list[tuple[Seen, str]], Seen]:
        system, shown = "", []
        pending: Seen | None = None
        for message in messages:
            role = message["role"]
            if role == "system":
                system += message["content"]
            elif role == "user":
                try:
                    pending = seen_in(message["content"])
                except ValueError as error:
                    raise Refusal(400, f"Invalid image: {error}", "invalid_image") from None
            elif role == "assistant" and pending is not None:
                shown.append((pending, _said(message)))
                pending = None
        if pending is None:
            raise Refusal(400, "The last message is not the user's.", None, param="messages")
        if self.drops_images:
            shown, pending = [(Seen(one.text), label) for one, label in shown], Seen(pending.text)
        return system, shown, pending

    def _count(self, system: str, shown: list[tuple[Seen, str]], sample: Seen, written: int) -> dict[str, int]:
        prefix = len(system) // 4 + sum(tokens_of(one) + 3 for one, _ in shown)
        key = f"{system}|{[(one.text, None if one.pixels is None else one.pixels.tobytes()) for one, _ in shown]}"
        with self.lock:
            cached = prefix if key in self._prefixes and prefix >= LEAST_CACHED else 0
            self._prefixes.add(key)
            read = prefix + tokens_of(sample)
            self.bill.read += read
            self.bill.cached += cached
            self.bill.written += written
            self.bill.answers += 1
        return {"read": read, "cached": cached, "written": written}


def word_vector(text: str, length: int) -> list[float]:
    """Return a vector that counts the words of a text at hashed places."""
    found = [0.0] * length
    for word in text.lower().split():
        found[int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest()) % length] += 1.0
    size = sum(value * value for value in found) ** 0.5
    return [value / size for value in found]


def _said(message: Any) -> str:
    if message.get("tool_calls"):
        return str(json.loads(message["tool_calls"][0]["function"]["arguments"])["label"])
    content = message["content"]
    if isinstance(content, list):
        content = content[0]["text"]
    try:
        return str(json.loads(content)["label"])
    except (ValueError, TypeError):
        return str(content)


def _schema_of(body: Any) -> Any:
    if "tools" in body:
        return body["tools"][0]["function"]["parameters"]
    wanted = body.get("response_format")
    return wanted["json_schema"]["schema"] if wanted and wanted["type"] == "json_schema" else None


def _check_schema(schema: Any) -> None:
    """Hold a schema against what strict schemas may be."""

    def refuse(why: str) -> None:
        raise Refusal(400, f"Invalid schema for response_format: {why}", None, param="response_format")

    if schema.get("type") != "object" or schema.get("additionalProperties") is not False:
        refuse("an object without further properties is wanted")
    if set(schema["required"]) != set(schema["properties"]):
        refuse("every property has to be required")
    enum = schema["properties"]["label"]["enum"]
    if len(enum) > 1000 or len(set(enum)) < len(enum) or (len(enum) > 250 and sum(map(len, enum)) > 15_000):
        refuse("the enum is too large or names a value twice")


def _names_in(system: str) -> list[str]:
    """Return the labels that a task in words lists, one a line, as a model would read them."""
    lines = system.splitlines()
    begin = next((n for n, line in enumerate(lines) if line.startswith(("The labels are", "Answer with the id"))), None)
    if begin is None:
        return ["banana"]
    names = []
    for line in lines[begin + 1 :]:
        if line.startswith(("Whatever", "What is asked")):
            break
        if line.strip():
            names.append(line.partition(": ")[0] if lines[begin].startswith("Answer") else line)
    return names


def _self_report(schema: Any, score: float) -> dict[str, int]:
    return {"confidence": round(100 * score)} if "confidence" in schema["properties"] else {}


def _tokens_with_logprobs(text: str, name: str, score: float) -> list[dict[str, Any]]:
    import math

    if name not in text:
        return [{"token": text, "bytes": None, "logprob": -3.0, "top_logprobs": []}]
    begin = text.index(name)
    parts = [(text[:begin], 0.0), (name, math.log(score)), (text[begin + len(name) :], 0.0)]
    return [{"token": part, "bytes": None, "logprob": value, "top_logprobs": []} for part, value in parts if part]
