"""Test loss of a fitted network."""
