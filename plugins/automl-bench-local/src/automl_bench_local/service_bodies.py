"""What may be sent to `POST /predict` of a service, read and checked; and the same in words of JSON Schema."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automl_bench.contract import Modality

JSON = "application/json"
BYTES = "application/octet-stream"
IMAGE_TYPES = "image/*"
PLAIN = "text/plain"


class Refused(Exception):
    """A request that is answered with a 4xx status.

    Args:
        status: The HTTP status.
        detail: One sentence that says what is wrong.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Bodies:
    """What a model takes.

    Attributes:
        modality: What one sample is.
        columns: Names of a table's columns; empty for other modalities.
        most: Samples in one batch, at most.
    """

    modality: Modality
    columns: tuple[str, ...]
    most: int

    def read(self, body: bytes, content_type: str) -> tuple[list[bytes], bool]:
        """Return each sample as the model takes it, and whether they came as a batch.

        Raises:
            Refused: If the body is not what `schema` says.
        """
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type == JSON:
            return self._read_json(body)
        if self.modality is Modality.IMAGE and (media_type == BYTES or media_type.startswith("image/")):
            return [body], False
        if self.modality is Modality.TEXT and media_type == PLAIN:
            return [body], False
        takes = " or ".join(self.schema())
        raise Refused(415, f"the content type is {media_type or 'missing'}; send {takes}")

    def _read_json(self, body: bytes) -> tuple[list[bytes], bool]:
        try:
            given = json.loads(body.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise Refused(400, f"the body is not JSON in UTF-8: {error}") from error
        if not isinstance(given, list):
            return [self._sample(given, "the body", body)], False
        if not 1 <= len(given) <= self.most:
            raise Refused(422, f"a batch has 1 to {self.most} samples, this one has {len(given)}")
        return [self._sample(one, f"sample {number}") for number, one in enumerate(given)], True

    def _sample(self, given: Any, where: str, written: bytes | None = None) -> bytes:
        if self.modality is Modality.TABULAR:
            self._check_row(given, where)
            return json.dumps(given).encode() if written is None else written
        key = self.modality.value
        if not isinstance(given, dict) or given.keys() != {key} or not isinstance(given[key], str):
            raise Refused(422, f'{where} is not an object {{"{key}": "…"}}')
        if self.modality is Modality.TEXT:
            return _utf8(given[key], where)
        try:
            return base64.b64decode(given[key], validate=True)
        except (binascii.Error, ValueError) as error:
            raise Refused(422, f"{where} is not base64: {error}") from error

    def _check_row(self, given: Any, where: str) -> None:
        if not isinstance(given, dict):
            raise Refused(422, f"{where} is not a row: an object with a cell by column")
        unknown = sorted(given.keys() - set(self.columns))
        if unknown:
            raise Refused(422, f"{where} has the column {unknown[0]!a}; columns are {', '.join(self.columns)}")
        for name, cell in given.items():
            if isinstance(cell, str):
                _utf8(cell, where)
            elif isinstance(cell, dict | list):
                raise Refused(422, f"{where}: the cell of {name} is no text, number, true, false or null")
            elif cell is not None and not _is_finite(cell):
                raise Refused(422, f"{where}: the cell of {name} is no finite number")

    def schema(self) -> dict[str, Any]:
        """Return the `content` of the request body in OpenAPI, by media type."""
        if self.modality is Modality.TABULAR:
            cell = {"type": ["string", "number", "boolean", "null"]}
            cells = dict.fromkeys(self.columns, cell)
            one: dict[str, Any] = {"type": "object", "properties": cells, "additionalProperties": False}
        else:
            key = self.modality.value
            kind = {"type": "string"} | ({"contentEncoding": "base64"} if self.modality is Modality.IMAGE else {})
            one = {"type": "object", "properties": {key: kind}, "required": [key], "additionalProperties": False}
        batch = {"type": "array", "items": one, "minItems": 1, "maxItems": self.most}
        content: dict[str, Any] = {JSON: {"schema": {"anyOf": [one, batch]}}}
        if self.modality is Modality.IMAGE:
            content |= {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (BYTES, IMAGE_TYPES)}
        if self.modality is Modality.TEXT:
            content[PLAIN] = {"schema": {"type": "string"}}
        return content


def answer_schema(labels: Sequence[str]) -> dict[str, Any]:
    """Return the schema of an answer: one prediction, or one for each sample of a batch in its order."""
    score = {"type": "number", "minimum": 0, "maximum": 1}
    one = {
        "type": "object",
        "properties": {
            "label": {"type": "string", "enum": list(labels)},
            "confidence": score,
            "scores": {"type": "object", "additionalProperties": score},
        },
        "required": ["label", "confidence", "scores"],
    }
    return {"anyOf": [one, {"type": "array", "items": one}]}


def _utf8(text: str, where: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Refused(422, f"{where} has half of a surrogate pair, which is no text") from error


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond the range of floats
        return False
