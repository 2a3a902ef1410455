"""Comparison of predictions with observations, and verdicts."""
