"""Trials on a dask cluster."""
