"""Figures of predictions and simulations.

Each function takes `ax`, or makes a figure of its own, and returns the axes. Matplotlib is imported when
the first figure is drawn.
"""

from rmt_spikes.plot.conditional import given
from rmt_spikes.plot.curves import losses
from rmt_spikes.plot.files import save
from rmt_spikes.plot.forest import residuals
from rmt_spikes.plot.phase import phase_diagram
from rmt_spikes.plot.profiles import features
from rmt_spikes.plot.rates import scaling
from rmt_spikes.plot.spectra import spectrum
from rmt_spikes.plot.style import style

__all__ = [
    "features",
    "given",
    "losses",
    "phase_diagram",
    "residuals",
    "save",
    "scaling",
    "spectrum",
    "style",
]
