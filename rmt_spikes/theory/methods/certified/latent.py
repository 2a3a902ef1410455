"""Latent variables of a setting in balls (docs/theory.md section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import mpmath
from flint import arb, ctx, fmpq

from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting, built
from rmt_spikes.theory import formulas
from rmt_spikes.theory.bulk.balls import ball, midpoint, square
from rmt_spikes.theory.bulk.certified_curve import CertifiedCurve
from rmt_spikes.theory.latent import Latent
from rmt_spikes.theory.methods.certified.expansion import BallExpansion, expansion
from rmt_spikes.theory.methods.certified.moments import LatticeMoments, Moments, closed_form


@dataclass(frozen=True, eq=False)
class BallLatent:
    """What the gradient step learns, to a number of digits; the precision in use must be higher.

    Parameters
    ----------
    setting, moved
        What is predicted, its numbers the decimals that they spell, and a step size instead of its own.
    corrected
        Whether rows grow apart from the shift.

    Raises
    ------
    DomainError
        At the standard output scale.
    """

    setting: Setting
    corrected: bool
    digits: int
    moved: arb | None = None
    _lattices: dict[str, LatticeMoments] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.setting.output_scale != "mean_field":
            raise DomainError(
                "output_scale",
                "must be 'mean_field' for the closed form",
                self.setting.output_scale,
                "use the uniform method, in double precision",
            )

    @cached_property
    def activation(self) -> BallExpansion:
        """Expansion of the activation."""
        setting = self.setting
        function = built(setting.activation, "activation", False, setting.row_norm)
        return expansion(function, setting.center, self.digits, ctx.prec)

    @cached_property
    def target(self) -> BallExpansion:
        """Expansion of the target."""
        return expansion(self.setting.target_function, False, self.digits, ctx.prec)

    @cached_property
    def ridge(self) -> arb:
        """Ridge penalty."""
        return ball(self.setting.ridge)

    @cached_property
    def step(self) -> arb:
        """Step size."""
        if self.moved is not None:
            return self.moved
        if self.setting.step_size is not None:
            return ball(self.setting.step_size)
        return arb(self.setting.n) ** ball(self.setting.step_exponent or 0.0)

    @property
    def exponent(self) -> Any:
        """Step exponent as an mpmath number; minus infinity without a step, nan at ``n = 1``."""
        if self.setting.step_exponent is not None:
            return midpoint(ball(self.setting.step_exponent))
        if self.step.is_zero():
            return mpmath.ninf
        return midpoint(self.step.log() / arb(self.setting.n).log()) if self.setting.n > 1 else mpmath.nan

    @cached_property
    def label_energy(self) -> arb:
        """``E y^2``."""
        return self.target.second_moment + ball(self.setting.noise_std) ** 2

    @cached_property
    def residual(self) -> tuple[arb, arb]:
        """Mean and second moment of the residual that drives the step."""
        offset = self.activation.coefficient(0) if self.setting.readout == "constant" else arb(0)
        return formulas.residual_moments(self.target.coefficient(0), self.label_energy, offset)

    @cached_property
    def learnt(self) -> Latent:
        """The latent variables, each a ball; a drift with a factor that may be zero is exactly so."""
        activation, target_1 = self.activation, self.target.coefficient(1)
        c_1, c_2 = activation.coefficient(1), activation.coefficient(2)
        mean, energy = self.residual
        phi = fmpq(self.setting.d, self.setting.n)
        theta = self.step / arb(self.setting.width).sqrt() / ball(self.setting.row_norm) ** 2
        norm2: Any = formulas.beta_norm2(square(target_1), phi, energy)
        shift = formulas.shift(c_1, theta, norm2.sqrt())
        chi: Any = arb(0)
        if self.corrected:
            chi = formulas.chi(phi, energy, activation.derivative_variance, c_1**2 * norm2)
        grows = self.corrected and not (c_2.contains(0) or mean.contains(0))
        numbers: dict[str, Any] = {
            "beta_norm2": norm2,
            "beta_cosine": target_1 / norm2.sqrt(),
            "shift": shift,
            "inflation": formulas.inflation(chi, shift),
            "chi": chi,
            "drift": formulas.drift(c_2, mean, theta) if grows else arb(0),
            "residual_energy": energy,
            "initial_overlap": arb(0),
        }
        return Latent(**numbers)

    @cached_property
    def curve(self) -> CertifiedCurve:
        """Bulk of the untrained features."""
        return CertifiedCurve.of(self.setting, self.activation.coefficient(1) ** 2, self.activation.tail)

    def moments(self, field: str, pairs: Sequence[tuple[arb, arb]]) -> list[Moments]:
        """Gaussian moments of the activation or the target at pairs of mean and scale.

        One lattice rule serves all numbers of nodes of a function without a closed form.
        """
        function = getattr(self, field).function
        formula = closed_form(function)
        if formula is None:
            top = max(abs(float(m)) for m, _ in pairs)
            formula = self._lattices.get(field)
            if formula is None or formula.top < top:
                # Nodes of finer rules reach a little further.
                formula = LatticeMoments(function, [arb(1.02 * top)], [t for _, t in pairs], self.digits)
                self._lattices[field] = formula
        return [formula(m, t) for m, t in pairs]
