"""Frames -> a page that needs no kernel."""
