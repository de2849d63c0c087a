"""frames -> a picture in a cell. anywidget lives here."""
