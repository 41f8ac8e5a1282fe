"""Reading TOML files into checked models, with errors that name file, line or key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from automl_bench.border.names import did_you_mean
from automl_bench.border.texts import clean
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
        raise InvalidSetting(f"{path} is not valid TOML: {error}.", remedy="Correct that line.") from error
    except RecursionError as error:
        raise InvalidSetting(f"{path} is nested too deeply.", remedy="Correct the brackets in it.") from error
    except ValueError as error:
        # Python itself refuses to read whole numbers of thousands of digits.
        raise InvalidSetting(
            f"{path} holds a number that is too long ({_longest_digits(text):,} digits).", remedy="Correct that number."
        ) from error


def _longest_digits(text: str) -> int:
    return max(map(len, re.findall(r"[0-9_]+", text)), default=0)


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
    # A misspelt key is missing as well; the key itself is what the user can find in the file.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, first["loc"][:-1])
        remedy = did_you_mean(str(first["loc"][-1]), known, f"Known keys there: {', '.join(known)}.")
        return UnknownSetting(f"{path}: {key!r} is not a setting.", remedy=remedy)
    if first["type"] == "missing":
        return InvalidSetting(f"{path}: {key!r} is missing.", remedy="Add it.")
    given = first.get("input")
    shown = f", not {clean(repr(given), longest=80)}" if isinstance(given, (str, int, float, bool)) else ""
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    what = f"{message[:1].lower() + message[1:]}{shown}"
    return InvalidSetting(f"{path}: {key!r}: {what}.", remedy="Correct that setting.")


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    from pydantic import BaseModel

    current: Any = model
    for part in location:
        field = getattr(current, "model_fields", {}).get(part)
        inner = getattr(field, "annotation", None)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            current = inner
    return sorted(getattr(current, "model_fields", {}))
