"""What a second local process gains: time of a campaign's trials in one process over that in two, in turn."""

import argparse
import os
import statistics
import time

from rmt_spikes.execution.tasks import work_through
from rmt_spikes.validation import Case
from rmt_spikes.validation.campaign.schedule import Ensemble, _run

AIM = 1.6


def seconds(ensemble: Ensemble, jobs: int) -> float:
    """Wall time of the trials of an ensemble."""
    start = time.perf_counter()
    finished = sum(1 for _ in work_through(_run, ensemble.tasks(), jobs))
    assert finished == ensemble.count
    return time.perf_counter() - start


def main() -> None:
    """Print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=12)
    arguments = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("needs two processors")
    ensemble = Ensemble(Case.built_in().points()[-1], arguments.trials)
    seconds(Ensemble(ensemble.point, 2), 2)  # The processes are started once for a campaign.
    pairs = [(seconds(ensemble, 1), seconds(ensemble, 2)) for _ in range(arguments.rounds)]
    low, middle, high = statistics.quantiles([one / two for one, two in pairs], n=4)
    print(f"reference: {arguments.trials} trials of the headline case in one process, ", end="")
    print(f"{statistics.median(one for one, _ in pairs):.1f} s")
    print(f"{'one process / two':<40}{middle:>9.2f}{f'{low:.2f} to {high:.2f}':>19}{AIM:>8g}")


if __name__ == "__main__":
    main()
