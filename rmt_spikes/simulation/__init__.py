"""Exact simulation of the network: sampling, gradient step, features, spectra, losses.

Nothing here knows a prediction.
"""

from rmt_spikes.simulation.observation import Observation
from rmt_spikes.simulation.runner import simulate
from rmt_spikes.simulation.trial import RealisedLatent, Trial

__all__ = ["Observation", "RealisedLatent", "Trial", "simulate"]
