"""Whether a JSON value is what a parameter type of the package `openai` allows; unknown fields are not."""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict


@cache
def hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def mismatch(value: Any, kind: Any, at: str = "") -> str:
    """Return the path of the first field that does not fit and why, or ""."""
    origin = get_origin(kind)
    if kind is Any or kind is object:
        return ""
    if origin in (Annotated, Required, NotRequired):
        return mismatch(value, get_args(kind)[0], at)
    if origin in (Union, types.UnionType):
        found = [mismatch(value, choice, at) for choice in get_args(kind)]
        return "" if "" in found else max(found, key=lambda text: text.partition(" ")[0].count("."))
    if origin is Literal:
        return "" if value in get_args(kind) else f"{at} is {value!r}, not one of {get_args(kind)}"
    if is_typeddict(kind):
        return _object(value, kind, at)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            return f"{at} is no object"
        inner = get_args(kind)[1]
        return next((found for name, one in value.items() if (found := mismatch(one, inner, f"{at}.{name}"))), "")
    if origin is not None and isinstance(origin, type) and issubclass(origin, collections.abc.Iterable):
        if not isinstance(value, list):
            return f"{at} is no list"
        inner = get_args(kind)[0]
        return next((found for n, one in enumerate(value) if (found := mismatch(one, inner, f"{at}.{n}"))), "")
    if kind is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif kind is type(None) or kind is None:
        fits = value is None
    elif isinstance(kind, type) and kind in (str, bool):
        fits = isinstance(value, kind)
    else:
        return f"{at} has a type that this reader does not know: {kind}"
    return "" if fits else f"{at} is {value!r}, not {getattr(kind, '__name__', kind)}"


def _object(value: Any, kind: type, at: str) -> str:
    if not isinstance(value, dict):
        return f"{at} is no object"
    fields = hints(kind)
    for name in value:
        if name not in fields:
            return f"{at}.{name} is not a known field"
    required = getattr(kind, "__required_keys__", frozenset())
    for name, inner in fields.items():
        if name not in value:
            if name in required or get_origin(inner) is Required:
                return f"{at}.{name} is missing"
            continue
        if found := mismatch(value[name], inner, f"{at}.{name}"):
            return found
    return ""
