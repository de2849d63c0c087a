"""Frames to matplotlib figures and still PNG pictures. Takes frames, never a widget."""
