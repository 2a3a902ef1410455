"""Step sizes at which spikes leave the bulk of the uniform method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.thresholds import Scan, close_crossing, nearby_crossing
from rmt_spikes.theory.methods.uniform.appearance.margins import Margins
from rmt_spikes.theory.methods.uniform.samples import Separated
from rmt_spikes.theory.methods.uniform.spectrum import Spectrum
from rmt_spikes.theory.population.coverage import is_plain


@dataclass(frozen=True, eq=False)
class Appearance:
    """Appearance of spikes as the step size grows.

    Parameters
    ----------
    spectrum, on_nodes
        As for `Margins`.
    closed
        The closed form, exact for small steps, where it holds.
    largest
        Largest step size.
    """

    spectrum: Callable[[float], Spectrum]
    on_nodes: Callable[[float, int | None], Spectrum]
    closed: ClosedForm
    largest: float
    _similar: list[Separated] = field(default_factory=list, init=False, repr=False)

    @cached_property
    def _scan(self) -> Scan | None:
        """The closed form over the step size; None where it does not hold."""
        setting = self.closed.setting
        known = setting.output_scale == "mean_field" and is_plain(setting)
        return self.closed.scan(self.largest) if known else None

    def crossing(self, index: int) -> float:
        """Step size at which spike `index` (from 0) appears."""
        guess = self.largest if self._scan is None else self._scan.guess(index)
        margins = Margins(index, self.spectrum, self.on_nodes, self._similar[-1] if self._similar else None)
        find = close_crossing if is_plain(self.closed.setting) else nearby_crossing
        found = find(margins, guess, self.largest)
        if margins.last is not None:
            self._similar.append(margins.last)
        return found
