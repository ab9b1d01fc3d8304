"""Datasets: an annotation file (or a generator) becomes samples, one file a dataset."""
