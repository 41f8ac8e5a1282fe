"""The local scikit-learn baseline of automl-bench."""
