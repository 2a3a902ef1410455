"""The method for every step size: one resolvent."""
