"""Evaluation: metrics, greedy evaluation and reports."""
