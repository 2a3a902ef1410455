"""Cases: what is simulated, what is claimed about it, which wrong theories must be rejected."""
