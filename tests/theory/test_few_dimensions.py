"""Losses in few dimensions and with constant readouts, against an independent program."""

import pytest
from observed import FEW, LOSSES, independent

import rmt_spikes as rs

NORMS = {
    "few-relu-d50-a40": "4.4 % high",
    "few-relu-d50-rad": "3.1 % high",
    "few-relu-d30-rad": "6.9 % high",
    "few-relu-d30-wide": "7.6 % high",
}
"""Rows in which norms of samples and components along ``q`` fluctuate too much to be linearised."""


def is_far(seen, features):
    """Whether a loss is beyond 2.5 standard errors and 1 % of what is left out at these sizes."""
    losses = rs.predict_losses(seen.setting, features=features)
    return any(seen.excess(getattr(losses, name), name) > 0.01 * seen.mean_se[name][0] for name in LOSSES)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[pytest.mark.xfail(reason=NORMS[name], strict=True)] if name in NORMS else []
        )
        for name in FEW
    ],
)
def test_losses(name):
    """Within 2.5 standard errors and 1 %. Measured: at most 1.1 %, but for rows that are known to fail."""
    assert not is_far(independent(name), "corrected")


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("const-relu-theta12", "first_orders"),
        ("const-relu-theta12", "blind_gradient"),
        ("const-gelu-theta10", "blind_gradient"),
        ("few-relu-d90-rad", "first_orders"),
        ("few-relu-d90-rad", "blind_gradient"),
        ("few-relu-d90-rad", "isotropic"),
        ("few-relu-d50-a0", "degree_two_as_noise"),
        ("few-softplus-d40-rad", "first_orders"),
    ],
)
def test_wrong_theories_are_rejected(name, features):
    """Negative controls: without one ingredient a loss is off by 3 to 27 %."""
    assert is_far(independent(name), features)


@pytest.mark.parametrize("name", NORMS)
def test_what_is_neglected_covers_the_rows_that_fail(name):
    """The certificate says that these are off: by more than they are."""
    seen = independent(name)
    prediction = rs.predict(seen.setting)
    relative = prediction.certificate.neglected
    assert all(
        seen.excess(getattr(prediction.losses, loss), loss) < relative * seen.mean_se[loss][0]
        for loss in LOSSES
    )
