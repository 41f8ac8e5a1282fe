"""Hugging Face as a provider of automl-bench."""
