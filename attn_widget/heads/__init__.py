"""Which heads matter: metrics, searches over texts, and tests of what a head does."""
