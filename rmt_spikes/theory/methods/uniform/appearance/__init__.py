"""Step sizes at which spikes appear."""
