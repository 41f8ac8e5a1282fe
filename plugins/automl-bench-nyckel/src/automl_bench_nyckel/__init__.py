"""Nyckel as a provider of automl-bench."""
