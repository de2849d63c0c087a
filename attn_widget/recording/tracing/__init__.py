"""Watch one forward pass and record every attention call in it."""
