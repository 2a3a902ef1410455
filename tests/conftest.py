"""Settings that make every run of the tests the same run."""

import os

from hypothesis import settings

# Before numpy is loaded, and inherited by the processes that tests start. One thread a process: results do
# not depend on the number of cores, and the small matrices of the tests are faster without a thread pool.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"
# The terminal of whoever runs the tests must not decide what a command prints.
for _variable in (
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "PY_COLORS",
    "CLICOLOR_FORCE",
    "GITHUB_ACTIONS",
):
    os.environ.pop(_variable, None)

settings.register_profile("deterministic", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("deterministic")
