"""The command `predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmt_spikes.cli.options import AsJson, Explain, Overrides, SettingFile, present, read_setting
from rmt_spikes.console.exits import reporting
from rmt_spikes.loading import load_on_use

if TYPE_CHECKING:
    from rmt_spikes.theory.prediction import Prediction

UNUSED = ("numpy.f2py", "numpy.testing")
"""Modules that scipy loads with every name of numpy, for 50 ms, and that no prediction uses."""


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
        load_on_use(*UNUSED)
        from rmt_spikes.console.tables import print_precise, print_prediction
        from rmt_spikes.execution.threads import one_blas_thread
        from rmt_spikes.theory import predict as predict_setting

        what = read_setting(setting, overrides)
        options: dict[str, Any] = {"method": method, "features": features, "digits": digits}
        # The matrices are small, and more threads wait for each other: on two busy cores 37 s of CPU were
        # measured, and 5.6 s with one.
        with one_blas_thread():
            prediction = predict_setting(what, **options)
            if as_json or digits is not None:
                document = prediction.compute(weights=weights).to_dict()
            else:
                document = _shown(prediction, weights)
        present(document, as_json, print_prediction if digits is None else print_precise, explain)


def _shown(prediction: Prediction, weights: bool) -> dict[str, Any]:
    """The sections of the JSON document that tables show: no other part is computed."""
    # What a method may refuse comes first.
    layer = {"weights": prediction.weights.to_dict()} if weights else {}
    bulk, spikes, limits = prediction.bulk, prediction.spikes, prediction.limits
    return {
        "method": prediction.method,
        "features": str(prediction.features),
        "latent": prediction.latent.to_dict(),
        "regime": prediction.regime.to_dict(),
        "bulk": bulk.to_dict(),
        "spikes": [spike.to_dict() for spike in spikes],
        "losses": prediction.losses.to_dict(),
        "limits": None if limits is None else {name: each.to_dict() for name, each in limits.items()},
        "certificate": prediction.certificate.to_dict(),
        **layer,
    }
