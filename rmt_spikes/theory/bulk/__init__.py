"""The bulk: population and sample resolvent, distribution of singular values."""
