"""Why a case is inconclusive, and how many trials would tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.report.notation import label
from rmt_spikes.validation.verdicts.scaling import LimitFit, RateFit
from rmt_spikes.validation.verdicts.statistics import MOST_TRIALS, trials_to_tell
from rmt_spikes.verdict import Verdict


def undecided(result: CaseResult) -> list[str]:
    """Sentences that say what of a case could not be told, and what would tell it; none where all was."""
    said = [*_rows(result), *_fits(result)]
    for point in result.points:
        if point.prediction is None:
            said.append(f"no prediction at {label(point.point.values)}: {point.error}")
    for control in result.controls:
        if not control.rejected:
            why = f", as it gives no prediction: {control.error}" if control.error else ""
            said.append(f"the wrong theory {control.control.name} was not rejected{why}")
    return said


def _rows(result: CaseResult) -> list[str]:
    rows = [row for point in result.points for row in point.comparison.rows]
    untold = [row for row in rows if row.verdict is Verdict.INCONCLUSIVE and row.exception is None]
    if not untold:
        return []
    needed = [row.trials_needed for row in untold if row.trials_needed is not None]
    made = sorted({row.trials for row in untold})
    had = f"{made[0]}" if len(made) == 1 else f"{made[0]} to {made[-1]}"
    text = f"{len(untold)} of {len(rows)} comparisons could not be told with {had} trials: "
    hopeless = len(untold) - len(needed)
    more = f"more than {MOST_TRIALS:,} trials"
    if not needed:
        return [f"{text}{more} would be needed"]
    text += f"{max(needed):,} trials a point would tell"
    return [f"{text} {len(needed)} of them, the others would need {more}" if hopeless else text]


def _fits(result: CaseResult) -> list[str]:
    if result.scaling is None:
        return []
    fits: Sequence[RateFit | LimitFit] = (*result.scaling.rates, *result.scaling.limits)
    untold = [fit for fit in fits if fit.verdict is Verdict.INCONCLUSIVE]
    if not untold:
        return []
    fewest = min(point.comparison.trials for point in result.points)
    needed = [_needed(fit, fewest, result.scaling.rate) for fit in untold]
    told = [number for number in needed if number is not None]
    text = f"{len(untold)} of {len(fits)} fits over sizes could not be told"
    if told:
        some = "" if len(told) == len(untold) else f" {len(told)} of them"
        text += f": {max(told) / fewest:.2g} times as many trials at every size would tell{some}"
    return [text]


def _needed(fit: RateFit | LimitFit, fewest: int, rate: float) -> int | None:
    """Number of trials at the size with the fewest that would have told, if the others grow alike."""
    found = fit.slope if isinstance(fit, RateFit) else fit.limit
    if found is None or fit.se is None:
        return None
    difference = found - fit.expected if isinstance(fit, RateFit) else found
    return trials_to_tell(difference, fit.se * math.sqrt(fewest), fit.allowance, fit.margin, rate)
