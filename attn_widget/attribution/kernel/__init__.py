"""The maximum flow of a layered graph. Does not depend on the rest of the package."""
