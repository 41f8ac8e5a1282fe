"""One border for values: what a plugin hands over is held against its own type, before anything else sees it.

The nouns of the contract say of each field what it may be; `fault_of` reads that, so that no field is forgotten. What a
type cannot say stands in `RULES`. Predictions and requests come by the thousand and have quick checks of their own.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from automl_bench.border.names import is_name
from automl_bench.border.texts import holds_secret
from automl_bench.contract import (
    LONGEST_ANSWER,
    AccessReport,
    DatasetSource,
    HttpRequest,
    Limits,
    Operation,
    OperationState,
    Prediction,
    Price,
    ProviderDescription,
    ProviderManifest,
    ReportSection,
    Resource,
    Setting,
    Usage,
)

LONGEST_LABEL = 1000
"""Characters of a label that a prediction may name."""
LONGEST_WORD = 300
"""Characters of a served model's name, and of the word for how an answer ended."""
MOST_USED = 10**12
"""Tokens, images or dollars that one answer may say it used."""
MOST_JSON_BYTES = 4 * 1024 * 1024
"""Most bytes of JSON that a result or a resource's details may take."""
SHOWN = 60
"""Characters shown of a value that is not what it should be."""


def fault_of(value: Any, kind: Any) -> str:
    """Say what is wrong with a value that a plugin handed over, or "" if nothing is.

    Args:
        value: What came.
        kind: What it should be: a noun of the contract, or any type that its fields may have.

    Returns:
        The rest of a sentence that begins with the hook: "returned an Operation whose token is 7, not str".
    """
    found = _mismatch(value, kind)
    return f"returned {found}" if found else ""


def prediction_fault(prediction: Any) -> str:
    """Say what is wrong with one prediction, or "". Quick: it runs once a call, after the clock has stopped."""
    if type(prediction) is not Prediction:
        return f"returned {_shown(prediction)}, not a Prediction"
    label, confidence = prediction.label, prediction.confidence
    if label is not None and (type(label) is not str or len(label) > LONGEST_LABEL):
        return f"returned a Prediction whose label is {_shown(label)}, not a label or None"
    # The comparison also refuses NaN.
    if confidence is None:
        return _answer_fault(prediction)
    if type(confidence) is not float and (isinstance(confidence, bool) or not isinstance(confidence, (int, float))):
        return _confidence_fault(confidence)
    if not 0.0 <= confidence <= 1.0:
        return _confidence_fault(confidence)
    return _answer_fault(prediction)


def _answer_fault(prediction: Prediction) -> str:
    if prediction.scores and (fault := _scores_fault(prediction.scores)):
        return fault
    return "" if prediction.usage is None else _usage_fault(prediction.usage)


def _usage_fault(usage: Any) -> str:
    if type(usage) is not Usage:
        return f"returned a Prediction whose usage is {_shown(usage)}, not a Usage"
    if found := _mismatch(usage, Usage):
        return f"returned a Prediction whose usage is {found}"
    if len(usage.text) > LONGEST_ANSWER:
        return (
            f"returned a Prediction whose usage has a text of {len(usage.text):,} characters, over {LONGEST_ANSWER:,}"
        )
    return ""


def _confidence_fault(confidence: Any) -> str:
    return f"returned a Prediction whose confidence is {_shown(confidence)}, not a number from 0 to 1"


def _scores_fault(scores: Any) -> str:
    if not isinstance(scores, Mapping):
        return f"returned a Prediction whose scores are {_shown(scores)}, not a mapping"
    for label, score in scores.items():
        if not isinstance(label, str) or isinstance(score, bool) or not isinstance(score, (int, float)):
            return f"returned a Prediction whose scores hold {_shown(label)}: {_shown(score)}"
        if not math.isfinite(score):
            return f"returned a Prediction whose score of {_shown(label)} is {score}"
    return ""


def request_fault(request: Any) -> str:
    """Say what is wrong with one request, or "". Quick: it runs once a call, before the clock starts."""
    if type(request) is not HttpRequest:
        return f"returned {_shown(request)}, not an HttpRequest"
    url, method, body, headers = request.url, request.method, request.body, request.headers
    if type(url) is not str or not url.startswith(("http://", "https://")) or _breaks_a_line(url):
        return "returned an HttpRequest whose url is not an http or https address"
    if type(method) is not str or not method.isalpha():
        return f"returned an HttpRequest whose method is {_shown(method)}"
    if type(body) is not bytes and not isinstance(body, bytes):
        return f"returned an HttpRequest whose body is {type(body).__name__}, not bytes"
    if type(headers) is not tuple and not isinstance(headers, (tuple, list)):
        return f"returned an HttpRequest whose headers are {type(headers).__name__}, not pairs"
    for pair in headers:
        # Values are never shown: they may be a token.
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            return "returned an HttpRequest whose headers are not all pairs of name and value"
        name, text = pair
        if type(name) is not str or type(text) is not str or _breaks_a_line(name) or _breaks_a_line(text):
            return f"returned an HttpRequest whose header {_shown(name)} is not one line of text"
    for limit in (request.timeout_seconds, request.valid_for_seconds):
        if limit is not None and (
            isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 < limit < math.inf
        ):
            return f"returned an HttpRequest with a time limit of {_shown(limit)}, not seconds above 0"
    return "" if request.timeout_seconds is not None else "returned an HttpRequest without a time limit"


def _breaks_a_line(text: str) -> bool:
    return "\n" in text or "\r" in text or "\0" in text


# --- any value against any type ---------------------------------------------------------------------------


@functools.cache
def _fields(kind: type) -> dict[str, Any]:
    """Return the types of a noun's fields."""
    return typing.get_type_hints(kind)


def _mismatch(value: Any, kind: Any) -> str:
    """Return what a value is and should be, or ""."""
    if kind is Any:
        return ""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        choices = typing.get_args(kind)
        if value is None and type(None) in choices:
            return ""
        found = [_mismatch(value, choice) for choice in choices if choice is not type(None)]
        return "" if "" in found else found[0]
    if origin is not None:
        return _container_mismatch(value, origin, typing.get_args(kind))
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"{_shown(value)}, not a number"
        return "" if math.isfinite(value) else f"{value}, not a finite number"
    if kind is int:
        return "" if isinstance(value, int) and not isinstance(value, bool) else f"{_shown(value)}, not a whole number"
    if not isinstance(kind, type):
        return ""
    if not isinstance(value, kind):
        return f"{_shown(value)}, not {_a(kind)}"
    return _noun_mismatch(value, kind) if dataclasses.is_dataclass(kind) else ""


def _container_mismatch(value: Any, origin: Any, inner: Sequence[Any]) -> str:
    if issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            return f"{_shown(value)}, not a mapping"
        if inner[1] is Any:
            return _json_mismatch(value)
        if not isinstance(value, (dict, types.MappingProxyType)):
            return ""  # it may work its values out when asked, which is not for here
        pairs = ((part, kind) for item in value.items() for part, kind in zip(item, inner, strict=True))
        return next((found for part, kind in pairs if (found := _mismatch(part, kind))), "")
    if origin in (Callable, typing.get_origin(Callable[..., Any])):
        return "" if callable(value) else f"{_shown(value)}, not a function"
    wanted = Sequence if origin is typing.get_origin(Sequence[Any]) else origin
    if not isinstance(value, (wanted, set) if wanted is frozenset else wanted) or isinstance(value, (str, bytes)):
        return f"{_shown(value)}, not a {'sequence' if wanted is Sequence else wanted.__name__}"
    if wanted is tuple and inner[-1] is not ...:
        if len(value) != len(inner):
            return f"{_shown(value)}, not {len(inner)} values"
        return next((found for part, kind in zip(value, inner, strict=True) if (found := _mismatch(part, kind))), "")
    return next((found for part in value if (found := _mismatch(part, inner[0]))), "")


def _noun_mismatch(value: Any, kind: type) -> str:
    for name, field_kind in _fields(kind).items():
        found = _mismatch(getattr(value, name, None), field_kind)
        if found:
            return f"{_a(kind)} whose {name} is {found}"
    rule = RULES.get(kind)
    found = rule(value) if rule else ""
    return f"{_a(kind)} {found}" if found else ""


def _json_mismatch(value: Mapping[Any, Any]) -> str:
    try:
        text = json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"a mapping that is no JSON ({type(error).__name__}: {error})"
    if any(not isinstance(key, str) for key in value):
        return "a mapping whose keys are not all text"
    if len(text) > MOST_JSON_BYTES:
        return f"{len(text):,} bytes of JSON, more than {MOST_JSON_BYTES:,}"
    return "a mapping that holds a secret" if holds_secret(text) else ""


def _a(kind: type) -> str:
    name = kind.__name__
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}" if name[0].isupper() else name


def _shown(value: Any) -> str:
    """Show a value without calling code of the plugin more than needed, and without much of it."""
    if isinstance(value, (str, int, float, bool, type(None))) and not isinstance(value, Enum):
        text = repr(value)
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return f"a value of type {type(value).__name__}"


# --- what a type cannot say ------------------------------------------------------------------------------


def _operation(value: Operation) -> str:
    for name in ("queue_seconds", "work_seconds", "billable_seconds", "poll_after", "usd"):
        seconds = getattr(value, name)
        if seconds is not None and seconds < 0:
            return f"whose {name} is {seconds}, less than 0"
    if value.state is OperationState.RUNNING and not value.token:
        return "that is running and has no token"
    return "whose token holds a secret" if holds_secret(value.token) else ""


def _resource(value: Resource) -> str:
    if not value.kind or not value.name:
        return "without a kind or a name"
    if value.hourly_usd is not None and value.hourly_usd < 0:
        return f"whose hourly_usd is {value.hourly_usd}, less than 0"
    held = holds_secret(" ".join((value.name, value.resource_id, value.delete_by_hand)))
    return "whose texts hold a secret" if held else ""


def _price(value: Price) -> str:
    if not value.item:
        return "without an item"
    for name in ("usd", "per_trial", "units_each", "included"):
        amount = getattr(value, name)
        if amount is not None and amount < 0:
            return f"of {value.item!r} whose {name} is {amount}, less than 0"
    return ""


def _usage(value: Usage) -> str:
    for name in ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "images", "usd"):
        amount = getattr(value, name)
        if amount is not None and amount < 0:
            return f"whose {name} is {amount}, less than 0"
        if amount is not None and amount > MOST_USED:
            return f"whose {name} is {amount}, more than {MOST_USED:,}"
    long = [name for name in ("model", "finish_reason") if len(getattr(value, name)) > LONGEST_WORD]
    return f"whose {long[0]} has over {LONGEST_WORD} characters" if long else ""


def _limits(value: Limits) -> str:
    for name in _fields(Limits):
        bound = getattr(value, name)
        if isinstance(bound, (int, float)) and bound <= 0:
            return f"whose {name} is {bound}, not above 0"
    return ""


def _setting(value: Setting) -> str:
    return (
        "without a name"
        if not value.name
        else "that is a secret and has a default"
        if (value.secret and value.default is not None)
        else ""
    )


def _manifest(value: ProviderManifest) -> str:
    if value.file_format not in ("csv", "jsonl"):
        return f"whose file_format is {_shown(value.file_format)}, not csv or jsonl"
    return "" if value.label_at else "whose label_at is empty"


def _source(value: DatasetSource) -> str:
    if not is_name(value.name):
        return f"whose name is {_shown(value.name)}: letters, digits, dots, dashes and underscores"
    return "" if (value.path is None) is not (value.build is None) else "that has not exactly one of path and build"


def _description(value: ProviderDescription) -> str:
    odd = [name for name in value.variants if not is_name(name)]
    return f"with a variant named {_shown(odd[0])}: letters, digits, dots, dashes and underscores" if odd else ""


RULES: Mapping[type, Callable[[Any], str]] = {
    Operation: _operation,
    Resource: _resource,
    Price: _price,
    Limits: _limits,
    Setting: _setting,
    ProviderManifest: _manifest,
    DatasetSource: _source,
    ProviderDescription: _description,
    AccessReport: lambda value: "whose account holds a secret" if holds_secret(value.account) else "",
    Usage: _usage,
    ReportSection: lambda value: "" if value.title else "without a title",
}
"""What a type alone does not say of a noun."""
