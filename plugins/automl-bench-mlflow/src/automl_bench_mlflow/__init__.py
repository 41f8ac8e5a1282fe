"""Every trial as a run in MLflow."""
