"""Holding requests and answers to Amazon's own service model, as botocore ships it.

botocore checks required members, types and minima; it leaves out maxima, patterns and enumerations, which the service
does check. Both together are what a real request must pass.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

PROTOCOL_ERRORS = frozenset(
    {
        "ThrottlingException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "IncompleteSignatureException",
        "ExpiredTokenException",
        "AccessDeniedException",
        "SubscriptionRequiredException",
        "SerializationException",
        "UnknownOperationException",
        "ValidationException",
        "ServiceUnavailableException",
        "InternalFailure",
    }
)
"""Errors that AWS's front end answers with for any operation; no service model lists them."""


class InvalidShape(Exception):
    """A value does not fit its shape."""


@cache
def service() -> ServiceModel:
    """Return Rekognition's model."""
    return ServiceModel(Loader().load_service_model("rekognition", "service-2"))


def operation(name: str) -> OperationModel:
    """Return one operation's model.

    Raises:
        InvalidShape: If the service has no such operation.
    """
    if name not in service().operation_names:
        raise InvalidShape(f"Rekognition has no operation {name}")
    return service().operation_model(name)


def declared_errors(name: str) -> set[str]:
    """Return the codes that an operation may answer with."""
    return {shape.name for shape in operation(name).error_shapes} | PROTOCOL_ERRORS


def is_fault(name: str, code: str) -> bool:
    """Whether the model marks an error as the server's fault: such a one comes as 500, others as 400."""
    return any(shape.name == code and shape.metadata.get("fault") for shape in operation(name).error_shapes)


def parse(name: str, content: Any) -> dict[str, Any]:
    """Return the parameters of a request from its JSON.

    Raises:
        InvalidShape: Naming what the service would refuse.
    """
    shape = operation(name).input_shape
    value = _decoded(content, shape)
    _check(value, shape)
    return dict(value)


def render(name: str, value: Mapping[str, Any]) -> Any:
    """Return an answer as JSON, after holding it to the model: a stand-in that answers otherwise is wrong."""
    shape = operation(name).output_shape
    _check(value, shape)
    return _encoded(value, shape)


def _check(value: Any, shape: Any) -> None:
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        raise InvalidShape(report.generate_report())
    _check_more(value, shape, shape.name)


def _check_more(value: Any, shape: Any, where: str) -> None:
    limits = shape.metadata
    if shape.type_name == "structure":
        for key, inner in value.items():
            _check_more(inner, shape.members[key], f"{where}.{key}")
        return
    if shape.type_name == "list":
        _check_most(len(value), limits, where)
        for index, inner in enumerate(value):
            _check_more(inner, shape.member, f"{where}[{index}]")
        return
    if shape.type_name == "map":
        for key, inner in value.items():
            _check_more(key, shape.key, f"{where}[{key}]")
            _check_more(inner, shape.value, f"{where}[{key}]")
        return
    if shape.type_name in ("string", "blob"):
        _check_most(len(value), limits, where)
    elif shape.type_name in ("integer", "long", "float", "double"):
        _check_most(value, limits, where)
    if shape.type_name == "string":
        if "pattern" in limits and not re.fullmatch(_in_python(limits["pattern"]), value):
            raise InvalidShape(f"{where}: {value!r} does not match {limits['pattern']}")
        if limits.get("enum") and value not in limits["enum"]:
            raise InvalidShape(f"{where}: {value!r} is none of {', '.join(limits['enum'])}")


def _in_python(pattern: str) -> str:
    """Return a pattern with Java's classes of characters as Python writes them."""
    for java, python in ((r"\p{L}", r"\w"), (r"\p{N}", r"\w"), (r"\p{Z}", r"\s")):
        pattern = pattern.replace(java, python)
    return pattern


def _check_most(size: float, limits: Mapping[str, Any], where: str) -> None:
    if "max" in limits and size > limits["max"]:
        raise InvalidShape(f"{where}: {size} is more than {limits['max']}")


def _decoded(content: Any, shape: Any) -> Any:
    if shape.type_name == "structure" and isinstance(content, dict):
        known = shape.members
        return {key: _decoded(value, known[key]) if key in known else value for key, value in content.items()}
    if shape.type_name == "list" and isinstance(content, list):
        return [_decoded(value, shape.member) for value in content]
    if shape.type_name == "blob" and isinstance(content, str):
        try:
            return base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise InvalidShape(f"{shape.name}: not base64") from error
    return content


def _encoded(value: Any, shape: Any) -> Any:
    if shape.type_name == "structure":
        return {key: _encoded(inner, shape.members[key]) for key, inner in value.items()}
    if shape.type_name == "list":
        return [_encoded(inner, shape.member) for inner in value]
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    if shape.type_name == "timestamp":
        return value.timestamp() if isinstance(value, datetime) else value
    return value
