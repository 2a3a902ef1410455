"""Exact simulation of the network: sampling, gradient step, features, spectra, losses.

Nothing here knows a prediction.
"""

from rmt_spikes.simulation.carried import Beyond, Profile
from rmt_spikes.simulation.data import Data
from rmt_spikes.simulation.latent import RealisedLatent
from rmt_spikes.simulation.measurement import Measurement
from rmt_spikes.simulation.observation import Observation
from rmt_spikes.simulation.observe import observe
from rmt_spikes.simulation.simulate import simulate
from rmt_spikes.simulation.trial import SIMULATION_VERSION, Trial

__all__ = [
    "SIMULATION_VERSION",
    "Beyond",
    "Data",
    "Measurement",
    "Observation",
    "Profile",
    "RealisedLatent",
    "Trial",
    "observe",
    "simulate",
]
