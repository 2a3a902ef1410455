"""Spectra, singular vectors and ridge solutions of a feature matrix."""
