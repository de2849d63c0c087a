"""frames -> a file, a figure, a picture in a mime bundle. Takes frames, never a widget."""
