"""The requests of each mode, and what their answers say: decisions (two dialects), chat, tool call, plain text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_bench.toolkit.answers import read_json
from automl_bench_openai.options import Options
from automl_bench_openai.prompts import Naming

FUNCTION = "label"
QUESTION = "label"
OPTIONAL = ("logprobs", "seed", "reasoning_effort", "store", "temperature")
"""Fields that an address may refuse and that can be left out, in the order in which that is tried."""

DECISIONS = "decisions"
SYSTEMONE = "systemone"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a sample: its words, or its image, and, for an example, the answer that is right.

    Attributes:
        text: Words of a text or a row.
        image: Data URL of an image.
        answer: Name of its label, for an example.
    """

    text: str | None = None
    image: str | None = None
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says, before it is held against the labels.

    Attributes:
        name: The name that the model answered with; None where it named none.
        ending: How the answer ended, one word.
        confidence: Its score, or None.
        scores: Scores by name.
        text: What it was read from.
    """

    name: str | None
    ending: str
    confidence: float | None = None
    scores: Mapping[str, float] | None = None
    text: str = ""


# --- chat, tool call, plain text ---------------------------------------------------------------------------------


def chat_body(
    options: Options,
    mode: str,
    task: str,
    naming: Naming,
    turns: Sequence[Turn],
    *,
    left_out: frozenset[str] = frozenset(),
    logprobs: bool = False,
) -> dict[str, Any]:
    """Return the body of `POST /chat/completions`; the last turn is the sample that is asked about."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": task}]
    for turn in turns:
        messages.append({"role": "user", "content": _content(turn, options)})
        if turn.answer is not None:
            messages.append(_example_answer(turn.answer, mode, len(messages)))
            if mode == "tool":
                call_id = messages[-1]["tool_calls"][0]["id"]
                messages.append({"role": "tool", "tool_call_id": call_id, "content": "noted"})
    body: dict[str, Any] = {
        "model": options.model,
        "messages": messages,
        options.preset.output_limit: options.max_output_tokens,
        "temperature": options.temperature,
        "seed": options.seed,
        **dict(options.preset.extra),
    }
    if options.reasoning:
        body["reasoning_effort"] = options.reasoning
    if logprobs:
        body["logprobs"] = True
    schema = _schema(naming, self_report=options.confidence == "self")
    if mode == "chat":
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": FUNCTION, "strict": True, "schema": schema},
        }
    elif mode == "tool":
        function = {"name": FUNCTION, "description": "Say the label.", "parameters": schema, "strict": True}
        body["tools"] = [{"type": "function", "function": function}]
        body["tool_choice"] = {"type": "function", "function": {"name": FUNCTION}}
    return {name: value for name, value in body.items() if name not in left_out}


def _content(turn: Turn, options: Options) -> Any:
    if turn.image is None:
        return turn.text or ""
    return [{"type": "image_url", "image_url": {"url": turn.image, "detail": options.image_detail}}]


def _example_answer(name: str, mode: str, place: int) -> dict[str, Any]:
    if mode == "plain":
        return {"role": "assistant", "content": name}
    text = json.dumps({"label": name}, ensure_ascii=False)
    if mode == "chat":
        return {"role": "assistant", "content": text}
    function = {"name": FUNCTION, "arguments": text}
    call = {"id": f"call_{place}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _schema(naming: Naming, *, self_report: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {"label": {"type": "string", "enum": list(naming.shown.values())}}
    if self_report:
        properties["confidence"] = {"type": "integer", "minimum": 0, "maximum": 100}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def read_chat(content: Mapping[str, Any], mode: str) -> Told:
    """Read an answer of `/chat/completions`.

    Raises:
        ValueError: If it is none.
    """
    choices = content.get("choices")
    if choices is None and "usage" not in content and "model" not in content:
        raise ValueError("no choices")
    if not choices:
        return Told(None, "empty")
    choice = choices[0]
    message, ending = choice.get("message") or {}, str(choice.get("finish_reason") or "unknown")
    refusal = message.get("refusal")
    if refusal:
        return Told(None, "refusal", text=str(refusal))
    if ending == "content_filter":
        return Told(None, "content_filter", text=str(message.get("content") or ""))
    text = message.get("content")
    if mode == "tool":
        calls = message.get("tool_calls") or []
        text = calls[0].get("function", {}).get("arguments") if calls else text
    if isinstance(text, list):  # some answer in parts
        text = "".join(str(part.get("text", "")) for part in text if isinstance(part, Mapping))
    if not isinstance(text, str) or not text.strip():
        said = text if isinstance(text, str) else ""
        return Told(None, "length" if ending == "length" else "empty", text=said)
    sure = _certainty(choice.get("logprobs"), text)
    if mode == "plain":
        return Told(plain_name(text), ending, sure, text=text)
    try:
        found = read_json(text)
    except ValueError:
        return Told(None, "length" if ending == "length" else "invalid_json", text=text)
    name = found.get("label") if isinstance(found, dict) else None
    if not isinstance(name, str):
        return Told(None, "invalid_json", text=text)
    told = found.get("confidence")
    if isinstance(told, (int, float)) and not isinstance(told, bool) and 0 <= told <= 100:
        sure = told / 100
    # A forced call of a function ends with "stop" at some services and with "tool_calls" at others.
    return Told(name, "stop" if ending == "tool_calls" else ending, sure, text=text)


def plain_name(text: str) -> str:
    """Return the name in a plain answer: without blanks, a code fence, one pair of quotes and a full stop; no more."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```") and len(text) > 6:
        text = text[3:-3].strip()
    if text.startswith("{"):
        try:
            found = read_json(text)
        except ValueError:
            found = None
        if isinstance(found, dict) and isinstance(found.get("label"), str):
            return str(found["label"])
    text = text.removesuffix(".")
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'`" else text


def _certainty(logprobs: Any, text: str) -> float | None:
    """Return the probability of the tokens that spell the label in an answer, or None where it is not told."""
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not tokens:
        return None
    begin, end = _span_of_label(text)
    place, total = 0, 0.0
    for token in tokens:
        word, value = token.get("token"), token.get("logprob")
        if not isinstance(word, str) or not isinstance(value, (int, float)):
            return None
        if place < end and place + len(word) > begin:
            total += value
        place += len(word)
    return min(1.0, math.exp(total)) if math.isfinite(total) and total <= 0 else None


def _span_of_label(text: str) -> tuple[int, int]:
    key = text.find('"label"')
    begin = text.find('"', text.find(":", key)) + 1 if key >= 0 else 0
    end = text.find('"', begin) if key >= 0 else len(text)
    return begin, end if end > begin else len(text)


# --- decisions ---------------------------------------------------------------------------------------------------


def decision_path(dialect: str) -> str:
    """Return the path of a dialect of the decision endpoint."""
    return f"/{dialect}"


def decision_body(
    options: Options, dialect: str, task: str, naming: Naming, turns: Sequence[Turn], names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the body of a decision: one question whose choices are the labels.

    Args:
        options: The variant.
        dialect: `DECISIONS` or `SYSTEMONE`.
        task: What is asked.
        naming: How labels are called.
        turns: Examples, then the sample.
        names: Name → description of the label.
    """
    if dialect == SYSTEMONE:
        lines = [f"{turn.text or ''}\n-> {turn.answer}" for turn in turns[:-1]]
        body: dict[str, Any] = {
            "model": options.model,
            "state": "\n\n".join([*lines, turns[-1].text or ""]),
            "questions": {QUESTION: {"type": "choice", "instructions": task, "criteria": dict(names)}},
        }
        images = [turn.image for turn in turns if turn.image is not None]
        return {**body, "images": images} if images else body
    messages: list[dict[str, Any]] = []
    for turn in turns:
        part: dict[str, Any] = {"type": "input_text", "text": turn.text or ""}
        if turn.image is not None:
            part = {"type": "input_image", "image_url": turn.image, "detail": options.image_detail}
        messages.append({"role": "user", "content": [part]})
        if turn.answer is not None:
            messages.append({"role": "assistant", "content": [{"type": "output_text", "text": turn.answer}]})
    choices = [
        {"value": name, "description": words} if words != name else {"value": name} for name, words in names.items()
    ]
    question = {"type": "choice", "name": QUESTION, "instructions": task, "choices": choices}
    return {"model": options.model, "input": messages, "questions": [question]}


def read_decision(content: Mapping[str, Any]) -> Told:
    """Read the answer of either dialect.

    Raises:
        ValueError: If it is none.
    """
    answers = content.get("answers")
    answer = answers.get(QUESTION) if isinstance(answers, Mapping) else (answers or [None])[0]
    if not isinstance(answer, Mapping):
        if answers is not None:
            return Told(None, "empty")
        raise ValueError("no answers")
    if answer.get("type") == "refusal":
        return Told(None, "refusal")
    name, given = answer.get("choice"), answer.get("probabilities")
    pairs = (
        given.items()
        if isinstance(given, Mapping)
        else ((one.get("value"), one.get("probability")) for one in given or ())
    )
    scores = {
        str(value): float(score)
        for value, score in pairs
        if isinstance(score, (int, float)) and not isinstance(score, bool) and 0 <= score <= 1
    }
    if not isinstance(name, str):
        return Told(None, "empty", scores=scores)
    # The probability of the label, not "confidence": services reckon that each in its own way.
    sure = scores.get(name)
    return Told(name, "stop", None if sure is None else min(1.0, max(0.0, sure)), scores, text=name)
