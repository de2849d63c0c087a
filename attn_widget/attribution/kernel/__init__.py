"""The maximum flow of a layered graph. Knows nothing of attention."""
