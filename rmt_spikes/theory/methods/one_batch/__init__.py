"""The method for a ridge regression on the samples of the gradient step."""
