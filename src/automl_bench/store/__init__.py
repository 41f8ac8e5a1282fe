"""What is kept: one SQLite file, migrations, exports."""

from automl_bench.store.store import Store, open_store

__all__ = ["Store", "open_store"]
