"""Capture or arrays -> matrices of numbers. No torch import, no user interface."""
