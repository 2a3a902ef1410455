"""The covariance of trained rows as a pencil that is linear in the samples of the first batch."""
