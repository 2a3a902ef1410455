"""Predictions over ranges of the keys of a setting."""
