"""Latent variables of a setting in balls (docs/theory.md section 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import mpmath
from flint import arb, ctx, fmpq

from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.theory import formulas
from rmt_spikes.theory.bulk.balls import ball, midpoint, square
from rmt_spikes.theory.bulk.certified_curve import CertifiedCurve
from rmt_spikes.theory.methods.certified.expansion import BallExpansion, expansion

Moments = tuple[arb, arb, arb]


class BallLatent:
    """What the gradient step learns, to any precision.

    Parameters
    ----------
    setting
        What is predicted; its numbers are the decimals that they spell.
    corrected
        Whether rows grow apart from the shift.
    digits
        Digits of the computation; the precision in use must be higher.
    step
        Step size instead of the setting's.

    Raises
    ------
    DomainError
        At the standard output scale.
    """

    def __init__(self, setting: Setting, corrected: bool, digits: int, step: arb | None = None) -> None:
        if setting.output_scale != "mean_field":
            raise DomainError(
                "output_scale",
                "must be 'mean_field' for the closed form",
                setting.output_scale,
                "use the uniform method, in double precision",
            )
        self.setting, self.corrected, self.digits = setting, corrected, digits
        self._step = step
        self._lattices: dict[str, Any] = {}

    def moved(self, step: arb) -> BallLatent:
        """The same setting with another step size."""
        return BallLatent(self.setting, self.corrected, self.digits, step)

    @cached_property
    def activation(self) -> BallExpansion:
        """Expansion of the activation."""
        setting = self.setting
        return expansion(setting.activation, "activation", setting.center, self.digits, int(ctx.prec))

    @cached_property
    def target(self) -> BallExpansion:
        """Expansion of the target."""
        return expansion(self.setting.target, "target", False, self.digits, int(ctx.prec))

    @cached_property
    def ridge(self) -> arb:
        """Ridge penalty."""
        return ball(self.setting.ridge)

    @cached_property
    def step(self) -> arb:
        """Step size."""
        if self._step is not None:
            return self._step
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
    def theta(self) -> arb:
        """``eta / sqrt(N)``."""
        return self.step / arb(self.setting.width).sqrt()

    @cached_property
    def label_energy(self) -> arb:
        """``E y^2``."""
        return self.target.second_moment + ball(self.setting.noise_std) ** 2

    @cached_property
    def residual(self) -> tuple[arb, arb]:
        """Mean and second moment of the residual that drives the step."""
        mean = self.target.coefficient(0)
        offset = self.activation.coefficient(0) if self.setting.readout == "constant" else arb(0)
        return formulas.residual_moments(mean, self.label_energy, offset)

    @cached_property
    def beta_norm2(self) -> arb:
        """``||beta||^2``."""
        phi = fmpq(self.setting.d, self.setting.n)
        value: arb = formulas.beta_norm2(square(self.target.coefficient(1)), phi, self.residual[1])
        return value

    @cached_property
    def cosine(self) -> arb:
        """``cos(beta, beta_*)``."""
        return self.target.coefficient(1) / self.beta_norm2.sqrt()

    @cached_property
    def shift(self) -> arb:
        """``s``."""
        value: arb = formulas.shift(self.activation.coefficient(1), self.theta, self.beta_norm2.sqrt())
        return value

    @cached_property
    def chi(self) -> arb:
        """``nu / s^2``, zero for published features."""
        if not self.corrected:
            return arb(0)
        phi = fmpq(self.setting.d, self.setting.n)
        slope2 = self.activation.coefficient(1) ** 2 * self.beta_norm2
        value: arb = formulas.chi(phi, self.residual[1], self.activation.derivative_variance, slope2)
        return value

    @cached_property
    def inflation(self) -> arb:
        """``nu``."""
        value: arb = formulas.inflation(self.chi, self.shift)
        return value

    @cached_property
    def drift(self) -> arb:
        """``2 c_2 E[r] theta``, exactly zero when a factor cannot be told from it."""
        c_2, mean = self.activation.coefficient(2), self.residual[0]
        if not self.corrected or c_2.contains(0) or mean.contains(0):
            return arb(0)
        value: arb = formulas.drift(c_2, mean, self.theta)
        return value

    def scale(self, alpha: arb) -> arb:
        """Norm ``tau`` of a trained row, apart from the shift."""
        value: arb = formulas.row_norm2(self.drift, self.inflation, alpha).sqrt()
        return value

    @cached_property
    def curve(self) -> CertifiedCurve:
        """Bulk of the untrained features."""
        setting, activation = self.setting, self.activation
        return CertifiedCurve(
            activation.coefficient(1) ** 2,
            activation.tail,
            fmpq(setting.width, setting.d),
            fmpq(setting.width, setting.n_ridge),
        )

    def lattice(
        self,
        field: str,
        pairs: Sequence[tuple[arb, arb]],
        build: Callable[..., Callable[[arb, arb], Moments]],
    ) -> Callable[[arb, arb], Moments]:
        """Moments of a function without a closed form; one rule serves all numbers of nodes."""
        top = max(abs(float(m)) for m, _ in pairs)
        known = self._lattices.get(field)
        if known is None or known[0] < top:
            # Nodes of finer rules reach a little further.
            means = [arb(1.02 * top)]
            scales = [t for _, t in pairs]
            self._lattices[field] = known = (
                1.02 * top,
                build(getattr(self, field).function, means, scales, self.digits),
            )
        rule: Callable[[arb, arb], Moments] = known[1]
        return rule
