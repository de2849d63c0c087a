"""model + input -> Capture. torch lives here, and nowhere below."""
