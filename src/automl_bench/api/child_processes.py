"""Child processes of ours do not run the script that opened a workspace once more."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

OF_THE_SCRIPT = ("__file__", "__spec__")
"""By what Python's multiprocessing finds the script to import again in a child."""


@contextmanager
def script_stays_out() -> Iterator[None]:
    """Hide from child processes that begin in the block where the running script is.

    They need nothing from it, and a script without `if __name__ == "__main__"` would otherwise begin anew in each.
    """
    main = vars(sys.modules["__main__"])
    hidden = {name: main[name] for name in OF_THE_SCRIPT if main.get(name) is not None}
    main.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        main.update(hidden)
