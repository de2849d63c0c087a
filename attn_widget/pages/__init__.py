"""Pages that show pictures without a kernel: a capture's frames in one HTML file."""
