"""The command `observe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmt_spikes.cli.options import AsJson, Explain, Overrides, Top, present, read_setting
from rmt_spikes.console.exits import reporting
from rmt_spikes.errors import CaseError, DomainError


def observe(
    arrays: Annotated[
        Path, typer.Argument(metavar="ARRAYS.npz", help="Arrays of numpy, by the names of `rs.observe`.")
    ],
    setting: Annotated[
        Path | None, typer.Option(metavar="SETTING.toml", help="The setting of the network, if it is known.")
    ] = None,
    overrides: Overrides = None,
    ridge: Annotated[float | None, typer.Option(help="Ridge.  [default: that of the setting]")] = None,
    center: Annotated[float, typer.Option(help="Number that is subtracted from all features.")] = 0.0,
    top: Top = None,
    as_json: AsJson = False,
    explain: Explain = False,
) -> None:
    """Measure a network from its own matrices: the same quantities, and what lies beyond the bulk."""
    with reporting():
        from rmt_spikes.console.documents import read_arrays
        from rmt_spikes.console.tables import print_measurement
        from rmt_spikes.simulation.observe import ARRAYS
        from rmt_spikes.simulation.observe import observe as observe_arrays

        if setting is None and overrides:
            raise DomainError("--set", "needs a setting to change", overrides[0])
        what = None if setting is None else read_setting(setting, overrides)
        given = read_arrays(arrays, ARRAYS)
        if "features" not in given:
            raise CaseError(arrays, "features", "must be among the arrays")
        measured = observe_arrays(**given, ridge=ridge, center=center, top=top, setting=what)
        present(measured.to_dict(), as_json, print_measurement, explain)
