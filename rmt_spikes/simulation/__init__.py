"""Exact simulation of the network: sampling, gradient step, features, spectra, losses.

Nothing here knows a prediction.
"""

from rmt_spikes.simulation.observation import Observation
from rmt_spikes.simulation.simulate import simulate
from rmt_spikes.simulation.trial import RealisedLatent, Trial

__all__ = ["SIMULATION_VERSION", "Observation", "RealisedLatent", "Trial", "simulate"]

SIMULATION_VERSION = 1
"""To be raised when the same setting, seed and number give another trial than before, beyond rounding.

Stored trials are known by it, and never by the text of the code.
"""
