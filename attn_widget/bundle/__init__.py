"""The built front end: what js/build.mjs writes."""
