"""Looks that follow each other sooner, for whole commands in a fork server: import it before they run.

No deadline and no bound is shorter than users have it: see `compressed_time` for that.
"""

from __future__ import annotations

from automl_bench.trials import ledger, teardown, waiting

for module in (waiting, teardown):
    module.FIRST_DELAY = 0.05
waiting.LONGEST_LOOK = 0.2  # plugins ask for looks that are seconds and minutes apart
ledger.LOOK_AGAIN = 0.1
