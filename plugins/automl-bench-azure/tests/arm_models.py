"""Holds bodies to the SDK's own model classes: unknown, missing and mistyped fields, enumerations, read-only fields.

The classes are those that azure-ai-ml generates from the service's definition. `make azure-tests` unpacks that package
beside the environment, without its sixty dependencies; only the modules of the classes are loaded. They do not refuse
anything by themselves: their annotations are read here.
"""

from __future__ import annotations

import importlib
import re
import sys
import types
import typing
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

INSTALLED = Path(__file__).resolve().parents[3] / ".venv" / "azure-models"
FOLDER = INSTALLED / "azure" / "ai" / "ml" / "_restclient" / "arm_ml_service"
ALIAS = "arm_ml_service_of_azure_ai_ml"
DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")


class Mismatch(Exception):
    """A body is not what the definition says; the message names the place."""


def missing() -> str:
    """Return why the model classes cannot be loaded, or ""."""
    return "" if FOLDER.is_dir() else "azure-ai-ml's model classes are not there: make azure-tests"


@cache
def models() -> Any:
    """Return the SDK's module of model classes."""
    package = types.ModuleType(ALIAS)  # stands for the SDK's own package, which would load its client too
    package.__path__ = [str(FOLDER)]
    sys.modules[ALIAS] = package
    return importlib.import_module(f"{ALIAS}.models")


def check(name: str, body: Any, moment: str) -> None:
    """Hold a body to a model class.

    Args:
        name: Name of the class.
        body: The JSON value.
        moment: "create" for what a client sends, "read" for what the service answers.

    Raises:
        Mismatch: If it does not fit.
    """
    _check_model(getattr(models(), name), body, moment, name)


@cache
def _fields(model: type) -> dict[str, tuple[Any, Any]]:
    """Return field and annotation by JSON name."""
    model.__new__(model)  # the class fills its table of fields when the first instance is made
    hints = typing.get_type_hints(model, localns={"_models": models()})
    table: dict[str, Any] = model._attr_to_rest_field  # type: ignore[attr-defined]
    return {field._rest_name: (field, hints[attribute]) for attribute, field in table.items()}


def _concrete(model: Any, body: dict[str, Any], at: str) -> Any:
    """Return the child class that the discriminator of a body names."""
    mapping = model.__dict__.get("__mapping__")
    if not mapping:
        return model
    key = next(field._rest_name for field, _ in _fields(model).values() if field._is_discriminator)
    if body.get(key) not in mapping:
        raise Mismatch(f"{at}.{key} is {body.get(key)!r}, not one of {sorted(mapping)}")
    return _concrete(mapping[body[key]], body, at)


def _check_model(model: Any, body: Any, moment: str, at: str) -> None:
    if not isinstance(body, dict):
        raise Mismatch(f"{at} is no object")
    fields = _fields(_concrete(model, body, at))
    unknown = sorted(set(body) - set(fields))
    if unknown:
        raise Mismatch(f"{at}.{unknown[0]} is not known")
    for key, (field, kind) in fields.items():
        if body.get(key) is None:
            if not _optional(kind) and moment in (field._visibility or [moment]):
                raise Mismatch(f"{at}.{key} is missing")
        elif moment not in (field._visibility or [moment]):
            raise Mismatch(f"{at}.{key} is read-only" if moment == "create" else f"{at}.{key} is never shown")
        else:
            _check_value(kind, body[key], moment, f"{at}.{key}")


def _optional(kind: Any) -> bool:
    return kind is Any or type(None) in get_args(kind)


def _check_value(kind: Any, value: Any, moment: str, at: str) -> None:
    origin, arguments = get_origin(kind), [each for each in get_args(kind) if each is not type(None)]
    if kind is Any:
        return
    if origin in (Union, types.UnionType):
        enums = [each for each in arguments if isinstance(each, type) and issubclass(each, Enum)]
        _check_value(enums[0] if enums else arguments[0], value, moment, at)
    elif origin is Literal:
        if value not in [getattr(each, "value", each) for each in arguments]:
            raise Mismatch(f"{at} is {value!r}")
    elif origin is list:
        if not isinstance(value, list):
            raise Mismatch(f"{at} is no list")
        for index, each in enumerate(value):
            _check_value(arguments[0], each, moment, f"{at}[{index}]")
    elif origin is dict:
        if not isinstance(value, dict):
            raise Mismatch(f"{at} is no object")
        for key, each in value.items():
            _check_value(arguments[1], each, moment, f"{at}.{key}")
    else:
        _check_plain(kind, value, moment, at)


def _check_plain(kind: Any, value: Any, moment: str, at: str) -> None:
    if isinstance(kind, type) and issubclass(kind, Enum):
        if value not in [each.value for each in kind]:
            raise Mismatch(f"{at} is {value!r}, not one of {[each.value for each in kind]}")
    elif kind is timedelta:
        if not isinstance(value, str) or not DURATION.fullmatch(value):
            raise Mismatch(f"{at} is {value!r}, no ISO 8601 duration")
    elif kind is datetime:
        try:
            datetime.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise Mismatch(f"{at} is {value!r}, no time") from error
    elif kind in (str, int, float, bool):
        fits = isinstance(value, (int, float) if kind is float else kind)
        if not fits or (isinstance(value, bool) and kind is not bool):
            raise Mismatch(f"{at} is {value!r}, not {kind.__name__}")
    else:
        _check_model(kind, value, moment, at)
