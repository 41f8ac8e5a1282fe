"""First looks and repetitions after hundredths of a second: a stand-in's work is done by then.

Import it in a fork server before its commands run. The live tier does without: a real service is asked at real pace.
"""

from __future__ import annotations

from automl_bench.trials import teardown, waiting

FIRST_DELAY = 0.02
"""Seconds before the first repetition or look; each later one waits half as long again, as in the product."""

for module in (waiting, teardown):
    vars(module)["FIRST_DELAY"] = FIRST_DELAY
