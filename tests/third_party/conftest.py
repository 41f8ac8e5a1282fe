"""A third party's own tests run where its package is installed, not here."""

collect_ignore = ["automl-bench-majority"]
