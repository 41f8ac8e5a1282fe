"""What the exit status of every command means; `automl_bench.errors` hands it on beside the errors."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means. Documented in docs/exit-codes.md."""

    OK = 0
    """All that was asked for was done."""
    UNEXPECTED = 1
    """A bug in automl-bench; the traceback is in the workspace's log folder."""
    USAGE = 2
    """The command line is wrong: an unknown option, provider or dataset."""
    SETTINGS = 3
    """A settings file, an environment variable or a secret is missing or wrong."""
    DATASET = 4
    """The data cannot be read, are too few, or leak between training and test."""
    PLUGIN = 5
    """A provider's plugin does not load, lacks a dependency or breaks the contract."""
    PROVIDER = 6
    """The service refused, or a training, deployment or trial failed."""
    UNFINISHED = 7
    """Work still runs at the provider; the same command continues it."""
    BUDGET = 8
    """The budget given with --max-cost would have been passed."""
    INVALID_MEASUREMENT = 9
    """Numbers exist but may not be compared: a load run is not VALID."""
    RESOURCES_LEFT = 10
    """Something that costs money may remain at a provider. Outranks every other failure."""
    GATE_FAILED = 11
    """A condition given to `results check` holds."""
    NO_RESULTS = 12
    """There are no results yet, or none that match what was asked for."""
    PROVIDER_CHANGED = 13
    """`watch` found that a service answers otherwise than in the reference look, or with another model."""
    NOT_LOOKED = 14
    """`watch` could not look, so that nothing is known: network, login, quota."""
    NOT_REPRODUCED = 15
    """`reproduce` found other answers than were recorded."""
    INTERRUPTED = 130
    """Ctrl-C, SIGTERM or a closed terminal, after teardown."""
