"""Experiments: one file a paper, which says what to train, how, and which of it the paper states."""
