"""Traced calls -> Capture."""
