"""One painter per view: a frame in, marks on a sheet out."""
