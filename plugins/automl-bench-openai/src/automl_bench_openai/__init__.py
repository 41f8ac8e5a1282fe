"""Prompted models behind any OpenAI-compatible address, as a provider of automl-bench."""
