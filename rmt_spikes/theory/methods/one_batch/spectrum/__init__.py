"""Bulk and spikes of one batch for the gradient step and the ridge regression."""
