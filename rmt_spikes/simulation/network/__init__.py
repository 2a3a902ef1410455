"""The network: random draws, gradient step, features."""
