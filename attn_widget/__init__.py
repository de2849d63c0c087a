"""What is this model looking at? Attention, rollout and flow of any transformer, live in a notebook."""

__version__ = "0.1.0"
