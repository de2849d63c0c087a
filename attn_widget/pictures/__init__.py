"""numbers -> exactly what one drawing needs."""
