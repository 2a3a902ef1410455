"""Poles of the finite-rank part."""
