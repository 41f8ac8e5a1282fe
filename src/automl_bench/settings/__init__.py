"""Layered settings and secrets."""
