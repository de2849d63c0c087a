"""One painter per view: it draws a frame on a `Sheet`."""
