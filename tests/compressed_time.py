"""Patience in fractions of a second, for whole commands in a fork server: import it before they run."""

from __future__ import annotations

from dataclasses import replace

from automl_bench.simulation import plugin as simulated
from automl_bench.trials import conductor, sweeping, teardown, trial, waiting, waking

BOUND = 1.5
"""Seconds that stand for the half hour of a control call or a deletion."""

for module in (waiting, teardown):
    module.FIRST_DELAY = 0.02
    module.LONGEST_DELAY = 0.1
for module in (waiting, trial):
    module.CONTROL_SECONDS = BOUND
    module.LAG_SECONDS = BOUND
waiting.Insistence.patience.__defaults__ = (BOUND,)
waiting.TELL_SECONDS = 0.2
waiting.LONGEST_LOOK = 0.1  # plugins ask for looks that are seconds and minutes apart
sweeping.sweep.__kwdefaults__["seconds"] = BOUND
conductor.SWEEP_EVERY_SECONDS = 0.5
waking.SETTLED_SECONDS = 5.0
simulated.DESCRIPTION = replace(simulated.DESCRIPTION, deletion_seconds=BOUND)
