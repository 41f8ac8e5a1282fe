"""Embeddings, of an address or computed here, with a head fitted here, as a provider of automl-bench."""
