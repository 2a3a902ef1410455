"""Standard deviations of spikes and losses between networks."""
