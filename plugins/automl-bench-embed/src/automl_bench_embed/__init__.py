"""Embeddings of an OpenAI-compatible address with a head fitted here, as a provider of automl-bench."""
