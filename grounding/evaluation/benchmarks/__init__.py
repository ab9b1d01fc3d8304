"""Benchmarks: one file each for its files and figures, and the table of all of them in `table`."""
