"""Curricula: which samples a run draws, when, and how they are changed."""
