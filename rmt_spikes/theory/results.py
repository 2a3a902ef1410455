"""What a prediction consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.latent import Latent

Array = NDArray[np.float64]

SCHEMA = "rmt-spikes/prediction/1"
MASS_TOLERANCE = 1e-5
RESIDUAL_TOLERANCE = 1e-8
EDGE_TOLERANCE = 1e-6
ORDER_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Losses of the ridge regression, per sample (docs/conventions.md).

    Attributes
    ----------
    objective
        Minimum of ``||y - F a||^2 / n_ridge + ridge ||a||^2``.
    train
        Its first term.
    test
        Squared error on a fresh sample, label noise included.
    """

    objective: float
    train: float
    test: float

    def to_dict(self) -> dict[str, float]:
        """Plain dictionary of the losses."""
        return asdict(self)


def ordered(losses: Losses, energy: float) -> Losses:
    """Return losses that are in their order to rounding of the label energy.

    Raises
    ------
    ConvergenceError
        If ``0 <= train <= objective`` or ``0 <= test`` fails, as it can where realised latent variables
        are given of very few samples.
    """
    worst = max(-losses.train, losses.train - losses.objective, -losses.test)
    if not worst <= ORDER_TOLERANCE * energy:
        raise ConvergenceError(
            "the losses are not in their order 0 <= train <= objective, 0 <= test: take more samples, or "
            "leave out the second batch",
            residual=worst / energy,
            last=losses,
        )
    return losses


@dataclass(frozen=True, kw_only=True, eq=False)
class Spike:
    """One singular value outside the bulk, and what its singular vectors carry.

    Attributes
    ----------
    singular_value
        Of ``F / sqrt(n_ridge)``.
    distance
        From the upper edge of the bulk, in units of the Tracy-Widom fluctuations there (`Bulk.edge_scale`).
    alignment
        Squared correlations of the left singular vector with ``He_0(q), ..., He_4(q)``; shape ``(5,)``. Their
        sum may exceed one when `n_ridge` is small (1.09 at 56, 1.56 at 4): the polynomials are orthonormal
        under the limiting law of ``q``, not under that of few samples.
    feature
        Coefficients of the left singular vector in the normalised ``He_k(q) / sqrt(k!)``, shape ``(5,)``;
        their squares are the alignments, the first that is not zero is positive.
    right_alignment
        Squared correlations of the right singular vector with the orthonormal polynomials of the readout
        law (``He_k(alpha) / sqrt(k!)`` for a Gaussian readout), shape ``(5,)``.
    """

    singular_value: float
    distance: float
    alignment: Array
    feature: Array
    right_alignment: Array
    profile_function: Callable[[Array], Array] = field(repr=False)
    right_profile_function: Callable[[Array], Array] = field(repr=False)
    threshold: Callable[[], float] = field(repr=False)

    @cached_property
    def critical_step_size(self) -> float:
        """Smallest step size at which a spike of this rank exists; 0 when it exists without a step.

        Computed on first use.
        """
        return self.threshold()

    def profile(self, q: ArrayLike) -> Array:
        """``E[sqrt(n_ridge) u_i | q_i = q]`` at `q` (any shape), with the sign of `feature`."""
        return self.profile_function(np.asarray(q, dtype=float))

    def right_profile(self, alpha: ArrayLike) -> Array:
        """``E[sqrt(N) v_j | alpha_j = alpha]`` at `alpha` (any shape), with the sign of `feature`."""
        return self.right_profile_function(np.asarray(alpha, dtype=float))

    def to_dict(self) -> dict[str, Any]:
        """Numbers of the spike, JSON-ready."""
        return {
            "singular_value": self.singular_value,
            "distance": self.distance,
            "alignment": self.alignment.tolist(),
            "feature": self.feature.tolist(),
            "right_alignment": self.right_alignment.tolist(),
            "critical_step_size": self.critical_step_size,
        }


@dataclass(frozen=True, kw_only=True)
class Regime:
    """Where the step size stands in the theorem's sequence of regimes (docs/theory.md section 6).

    Attributes
    ----------
    step_exponent
        ``log(step_size) / log(n)``; ``-inf`` without a step, ``nan`` at ``n = 1``.
    degree
        ``l`` with ``(l - 1) / (2 l) < step_exponent <= l / (2 l + 2)``; None from 1/2 on and without an
        exponent, where there is none.
    spike_count
        Number of spikes of the theorem: degrees ``1..l`` whose Hermite coefficient is not zero and whose
        power of the readout weight is new. It says what happens as ``n`` grows, not how many spikes
        there are at this ``n``.
    """

    step_exponent: float
    degree: int | None
    spike_count: int | None

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary; an exponent that is infinite or not defined becomes None."""
        exponent = self.step_exponent if np.isfinite(self.step_exponent) else None
        return {"step_exponent": exponent, "degree": self.degree, "spike_count": self.spike_count}


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Evidence that the numbers solve the equations they claim to solve.

    Attributes
    ----------
    mass
        Mass of the bulk with its atom at zero; must be 1.
    residual
        Largest relative residual of the defining equations.
    imaginary_part
        Smallest density of eigenvalues found in the support, in the middle of its intervals and next to
        their edges; must be positive.
    edge_error
        Relative error that the edges (as eigenvalues) have at most. Closed form: proved, for coefficients
        in double precision, by certified enclosures. Uniform: the density is positive at this distance
        inside, and the real resolvent was followed up to the edge from outside.
    neglected
        Relative size of what is left out of the losses: terms beyond docs/theory.md section 4.1, and the
        part of degree two in few dimensions. Held against simulations, not proved. None where it is not
        estimated (closed form).
    """

    mass: float
    residual: float
    imaginary_part: float
    edge_error: float
    neglected: float | None = None

    def check(self) -> None:
        """Raise when the certificate fails.

        Raises
        ------
        ConvergenceError
            If the mass is not 1 to ``1e-5``, the residual above ``1e-8``, the density negative or an edge
            wrong by more than ``1e-6``.
        """
        if not self.edge_error <= EDGE_TOLERANCE:
            raise ConvergenceError("an edge of the bulk is wrong", residual=self.edge_error, last=self)
        if not abs(self.mass - 1.0) <= MASS_TOLERANCE:
            raise ConvergenceError(
                f"the bulk has mass {self.mass:.9g}, not 1", residual=abs(self.mass - 1.0), last=self
            )
        if not self.residual <= RESIDUAL_TOLERANCE:
            raise ConvergenceError("the defining equations are not met", residual=self.residual, last=self)
        if not self.imaginary_part > 0.0:
            raise ConvergenceError("the density is not positive", residual=self.imaginary_part, last=self)

    def to_dict(self) -> dict[str, float | None]:
        """Plain dictionary of the evidence."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Everything the theory says about one setting.

    Attributes
    ----------
    setting, method, features
        What was predicted, and how.
    given
        Realised quantities that were taken as given: ``"none"``, ``"first_stage"`` or ``"both_batches"``.
    latent, regime, bulk, spikes, losses
        The predicted quantities; `spikes` holds those outside the bulk by more than the
        Tracy-Widom fluctuations of its edge, largest first.
    limits
        Losses as ``n`` grows in the regime of the step exponent, for ``"corrected"`` and ``"published"``
        features; None from step exponent 0.49 on, and where there is no exponent.
    certificate
        Evidence that the equations were solved.
    """

    setting: Setting
    method: str
    features: str
    given: str
    latent: Latent
    regime: Regime
    bulk: Bulk
    spikes: tuple[Spike, ...]
    losses: Losses
    limits: dict[str, Losses] | None
    certificate: Certificate

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-ready (schema ``rmt-spikes/prediction/1``)."""
        return {
            "schema": SCHEMA,
            "setting": self.setting.to_dict(),
            "method": self.method,
            "features": self.features,
            "given": self.given,
            "hermite": {
                "activation": self.setting.activation_expansion.coefficients[:9].tolist(),
                "target": self.setting.target_expansion.coefficients[:9].tolist(),
            },
            "latent": self.latent.to_dict(),
            "regime": self.regime.to_dict(),
            "bulk": self.bulk.to_dict(),
            "spikes": [spike.to_dict() for spike in self.spikes],
            "losses": self.losses.to_dict(),
            "limits": None if self.limits is None else {k: v.to_dict() for k, v in self.limits.items()},
            "certificate": self.certificate.to_dict(),
        }
