"""Figure of what falls with the number of samples, and how fast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rmt_spikes.errors import DomainError, Word
from rmt_spikes.plot.names import in_words
from rmt_spikes.plot.style import MINUS, Theme, decades, drawing, legend_outside, marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^v<>PX*"


class Series(Protocol):
    """Values of one quantity at several sizes, with their standard errors and the theoretical slope."""

    @property
    def quantity(self) -> str: ...  # noqa: D102

    @property
    def n(self) -> Sequence[int]: ...  # noqa: D102

    @property
    def values(self) -> Sequence[float]: ...  # noqa: D102

    @property
    def value_ses(self) -> Sequence[float]: ...  # noqa: D102

    @property
    def expected(self) -> float: ...  # noqa: D102

    @property
    def slope(self) -> float | None: ...  # noqa: D102


def scaling(rates: Iterable[Series], *, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Draw errors of the theory, or scatter between networks, against the number of samples.

    Parameters
    ----------
    rates
        Fitted rates, such as ``report.cases[0].scaling.rates`` or those of `fit_rates`.
    ax
        Axes to draw on; those of a new figure when None.
    legend
        Whether there is a legend, with the fitted slopes.

    Returns
    -------
    matplotlib.axes.Axes
        With markers and standard errors at each size, and power laws of the theoretical slope through their
        geometric means.

    Raises
    ------
    DomainError
        For anything else, and without any rate.
    """
    try:
        fits = [(fit, np.array(fit.n, dtype=float), np.array(fit.values, dtype=float)) for fit in rates]
    except (AttributeError, TypeError):
        advice = "give report.cases[0].scaling.rates of a case with [scaling]"
        raise DomainError("rates", "must be fitted rates", Word(type(rates).__name__), advice) from None
    if not fits:
        raise DomainError("rates", "must be at least one", Word("none"))
    with drawing(ax) as (axis, theme):
        for marker, (fit, n, values) in zip(cycle(MARKERS), fits, strict=False):
            _series(axis, theme, fit, n, values, marker)
        axis.set(xscale="log", yscale="log", xlabel="samples n", ylabel="relative to the scale of a quantity")
        axis.set_xticks(sorted({size for fit, _, _ in fits for size in fit.n}))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.minorticks_off()
        decades(axis, "y")
        if legend:
            legend_outside(axis, columns=1 if len(fits) < 3 else 2)
    return axis


def _series(axis: Axes, theme: Theme, fit: Series, n: Any, values: Any, marker: str) -> None:
    slope = "not resolved" if fit.slope is None else f"slope {fit.slope:.2g}".replace("-", MINUS)
    look: dict[str, Any] = {"markersize": 4.5, "markerfacecolor": "none", "elinewidth": 0.8, "capsize": 2.0}
    label = f"{in_words(fit.quantity)}: {slope}"
    shown = values > 0.0
    errors = np.array(fit.value_ses, dtype=float)
    # A bar that would reach zero ends at the foot of a logarithmic axis.
    lower = np.minimum(errors, 0.999 * values)
    bars = np.stack([lower, errors])[:, shown]
    marks(axis, n[shown], values[shown], marker, yerr=bars, color=theme.ink, label=label, **look)
    if shown.any():
        level = np.exp(np.mean(np.log(values[shown]) - fit.expected * np.log(n[shown])))
        axis.plot(n, level * n**fit.expected, color=theme.corrected, linewidth=1.0, zorder=0)
