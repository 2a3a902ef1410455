"""The command `predict`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rmt_spikes.cli.options import AsJson, Explain, Overrides, SettingFile, present, read_setting
from rmt_spikes.console.exits import reporting


def predict(
    setting: SettingFile,
    overrides: Overrides = None,
    method: Annotated[str | None, typer.Option(help="uniform, closed_form, limit or one_batch.")] = None,
    features: Annotated[
        str, typer.Option(help="corrected, or a theory that leaves out something.")
    ] = "corrected",
    digits: Annotated[
        int | None, typer.Option(help="Significant digits, 16 to 300, of the closed form.  [default: double]")
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Predict the spectrum of the trained first layer as well.")
    ] = False,
    as_json: AsJson = False,
    explain: Explain = False,
) -> None:
    """Predict spectrum, spikes, features and losses of a setting."""
    with reporting():
        from rmt_spikes.console.tables import print_precise, print_prediction
        from rmt_spikes.execution.threads import one_blas_thread
        from rmt_spikes.theory import predict as predict_setting

        what = read_setting(setting, overrides)
        options: dict[str, Any] = {"method": method, "features": features, "digits": digits}
        # The matrices are small, and more threads wait for each other: on two busy cores 37 s of CPU were
        # measured, and 5.6 s with one.
        with one_blas_thread():
            document = predict_setting(what, **options).compute(weights=weights).to_dict()
        present(document, as_json, print_prediction if digits is None else print_precise, explain)
