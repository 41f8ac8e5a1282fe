"""Reading TOML files into checked models, with errors that name file, line or key."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from automl_bench.errors import InvalidSetting, SettingsError, UnknownSetting

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    M = TypeVar("M", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's content.

    Raises:
        SettingsError: If it cannot be read.
        InvalidSetting: If it is not TOML; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsError(f"there is no file {path}.", remedy="Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.", remedy="It must be a readable UTF-8 file.") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"{path} is not valid TOML: {error}.", remedy="Mend that line.") from error


def parse_model(model: type[M], content: dict[str, Any], path: Path) -> M:
    """Check a file's content against a model.

    Raises:
        UnknownSetting: If it holds a key that the model does not have.
        InvalidSetting: If a value has the wrong type or range.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _explain(error, model, path) from error


def _explain(error: ValidationError, model: type[BaseModel], path: Path) -> SettingsError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"Known keys there: {', '.join(known)}."
        return UnknownSetting(f"{path}: {key!r} is not a setting.", remedy=remedy)
    if first["type"] == "missing":
        return InvalidSetting(f"{path}: {key!r} is missing.", remedy="Add it.")
    given = first.get("input")
    shown = f", not {given!r}" if isinstance(given, (str, int, float, bool)) else ""
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    return InvalidSetting(f"{path}: {key!r}: {message[:1].lower() + message[1:]}{shown}.", remedy="Mend that setting.")


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    from pydantic import BaseModel

    current: Any = model
    for part in location:
        field = getattr(current, "model_fields", {}).get(part)
        inner = getattr(field, "annotation", None)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            current = inner
    return sorted(getattr(current, "model_fields", {}))
