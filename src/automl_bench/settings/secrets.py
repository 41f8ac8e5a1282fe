"""Secrets come from the environment only and are handed out one by one; the border for texts knows each of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from automl_bench.border.texts import remember
from automl_bench.contract import Setting
from automl_bench.errors import MissingSecret, UsageError


class Secrets:
    """The declared secrets of one provider.

    Args:
        provider: Provider's name, for messages.
        declared: All settings the provider declares.
        environment: Where values come from; by default this process's environment.
    """

    def __init__(
        self, provider: str, declared: Iterable[Setting], environment: Mapping[str, str] | None = None
    ) -> None:
        self._provider = provider
        self._declared = {setting.name: setting for setting in declared if setting.secret}
        self._environment = os.environ if environment is None else environment
        for setting in self._declared.values():
            remember(self._environment.get(setting.env, ""))

    def __call__(self, name: str) -> str:
        """Return a secret's value.

        Raises:
            UsageError: If the provider declares no such secret.
            MissingSecret: If its environment variable is not set.
        """
        if name not in self._declared:
            raise UsageError(f"{self._provider} declares no secret named {name!r}.")
        variable = self._declared[name].env
        value = self._environment.get(variable, "")
        if not value:
            raise MissingSecret(f"{self._provider} needs {variable}, which is not set.", remedy=f"export {variable}=…")
        remember(value)
        return value

    def missing(self) -> list[str]:
        """Return the environment variables of required secrets that are not set."""
        return [
            setting.env
            for setting in self._declared.values()
            if setting.required and not self._environment.get(setting.env)
        ]
