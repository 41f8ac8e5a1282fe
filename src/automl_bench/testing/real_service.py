"""The real service in the place of a stand-in: nothing can be looked into and nothing can be injected."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from automl_bench.simulation.loopback_service import Fault, SeenRequest, Target


class RealService:
    """A `LoopbackService` that leaves the environment as it is: the user's own credentials are at work."""

    def environment(self) -> Mapping[str, str]:
        """Change nothing."""
        return {}

    def requests(self) -> Sequence[SeenRequest]:
        """Nothing can be seen."""
        return []

    def predictions(self) -> int:
        """Nothing can be counted."""
        return 0

    def resources(self) -> Sequence[str]:
        """Only the plugin itself can tell."""
        return []

    def billing(self) -> Sequence[str]:
        """Only the plugin itself can tell."""
        return []

    def creations(self) -> Sequence[str]:
        """Only the plugin itself can tell."""
        return []

    def training_samples(self) -> Sequence[tuple[str, str]]:
        """Only the plugin itself can tell."""
        return []

    def stranger(self) -> str | None:
        """Never touch a real account for it."""
        return None

    def strangers(self) -> Sequence[str]:
        """Nobody is known."""
        return []

    def faults(self, target: Target) -> Collection[Fault]:
        """Nothing can be injected."""
        return ()

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        """Refuse: `faults` offers nothing."""
        raise ValueError("the real service makes no faults on demand")

    def heal(self) -> None:
        """There is nothing to heal."""
