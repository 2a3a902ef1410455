"""The theories of what spikes carry: corrected, and those that leave something out."""

from __future__ import annotations

from enum import Enum, StrEnum, auto

from rmt_spikes.arguments import choice


class Rows(Enum):
    """Treatment of the covariance of a trained row (docs/theory.md section 4.1)."""

    ISOTROPIC = auto()
    """A multiple of the identity."""

    PENCIL = auto()
    """All orders in the step, with degree two, lengths of rows and few dimensions (sections 9 and 10)."""

    LEVELS = auto()
    """Levels of the coherent part of the gradient, one size for the incoherent part."""


class Features(StrEnum):
    """Theories of the features that spikes carry.

    Attributes
    ----------
    CORRECTED
        Spike ``k`` carries the heat-evolved monomial, and rows grow along each direction in its own way.
    ISOTROPIC
        Corrected, for rows that grow in all directions alike.
    PUBLISHED
        The bare monomial, without the growth of the rows.
    FIRST_ORDERS
        Corrected, for rows to the first orders of the step (docs/theory.md section 4.1).
    EQUAL_LENGTHS
        Corrected, but all rows of a readout weight are equally long.
    BLIND_GRADIENT
        Corrected, but the incoherent part of the gradient does not depend on its own neuron.
    BULK_TRACE
        Corrected, but the special directions add nothing to the length of a row.
    DEGREE_TWO_AS_NOISE
        Corrected, but the part of degree two is noise (``n_ridge`` far below ``d^2``), with a fresh batch
        or the same.
    LEARNT_DIRECTION
        Corrected, but of a teacher's directions the regression sees the learnt one alone.

    NO_SELF_TERM
        A sample's own label is not in its features (one batch for the step and the regression).
    MEAN_SELF_TERM
        It is, but equally in all neurons.
    FIRST_POWER
        Mean features are linear in the readout weight.
    LEAVE_ONE_OUT
        The test loss is that of samples left out of the regression, but not of the step.
    NO_NEURON_MODES
        A neuron's own noise does not move all samples at once.
    FIXED_NORMS
        Inputs have equal norms, and a step that changes all of them alike.

    All but the first are for comparison: what they leave out is seen in simulations. Those from
    `FIRST_ORDERS` to `LEARNT_DIRECTION` differ from the first in ``method="uniform"`` only, but for
    `DEGREE_TWO_AS_NOISE`. Those from `NO_SELF_TERM` on are of ``method="one_batch"``, which knows no others.
    """

    CORRECTED = "corrected"
    ISOTROPIC = "isotropic"
    PUBLISHED = "published"
    FIRST_ORDERS = "first_orders"
    EQUAL_LENGTHS = "equal_lengths"
    BLIND_GRADIENT = "blind_gradient"
    BULK_TRACE = "bulk_trace"
    DEGREE_TWO_AS_NOISE = "degree_two_as_noise"
    LEARNT_DIRECTION = "learnt_direction"
    NO_SELF_TERM = "no_self_term"
    MEAN_SELF_TERM = "mean_self_term"
    FIRST_POWER = "first_power"
    LEAVE_ONE_OUT = "leave_one_out"
    NO_NEURON_MODES = "no_neuron_modes"
    FIXED_NORMS = "fixed_norms"

    @classmethod
    def of(cls, name: object) -> Features:
        """Member of a name.

        Raises
        ------
        DomainError
            If there is no such member.
        """
        return cls(choice("features", name, cls))

    @property
    def rows_grow(self) -> bool:
        """Whether rows grow apart from the shift."""
        return self is not Features.PUBLISHED

    @property
    def rows(self) -> Rows:
        """How the covariance of a row is treated."""
        return ROWS.get(self, Rows.PENCIL)

    @property
    def first_orders(self) -> Rows:
        """How it is treated by the first orders of the step, which standard deviations are read off."""
        return Rows.LEVELS if self.rows is Rows.PENCIL else self.rows

    @property
    def dropped(self) -> tuple[str, ...]:
        """Terms of order ``1/d`` that are left out (docs/theory.md sections 9 and 10)."""
        return DROPPED.get(self, ())

    @property
    def batches(self) -> tuple[str, ...]:
        """Second batches that they say something of: ``"fresh"``, ``"same"`` or both."""
        if self in (Features.CORRECTED, Features.DEGREE_TWO_AS_NOISE):
            return ("fresh", "same")
        return ("same",) if self in ONE_BATCH else ("fresh",)

    @property
    def limit(self) -> Features:
        """Features as ``n`` grows in a regime, where the direction in which rows grow does not matter."""
        return Features.CORRECTED if self.rows_grow else Features.PUBLISHED

    @classmethod
    def limits(cls) -> tuple[Features, ...]:
        """Features that differ as ``n`` grows in a regime."""
        return tuple(member for member in cls if member.limit is member)


ROWS = {
    Features.ISOTROPIC: Rows.ISOTROPIC,
    Features.PUBLISHED: Rows.ISOTROPIC,
    Features.FIRST_ORDERS: Rows.LEVELS,
}
"""Treatment of rows by the theories that have no pencil."""

DROPPED = {
    Features.EQUAL_LENGTHS: ("length",),
    Features.BLIND_GRADIENT: ("own",),
    Features.BULK_TRACE: ("trace",),
    Features.DEGREE_TWO_AS_NOISE: ("degree_two",),
    Features.LEARNT_DIRECTION: ("directions",),
}
"""Terms that a theory leaves out."""

ONE_BATCH = (
    Features.NO_SELF_TERM,
    Features.MEAN_SELF_TERM,
    Features.FIRST_POWER,
    Features.LEAVE_ONE_OUT,
    Features.NO_NEURON_MODES,
    Features.FIXED_NORMS,
)
"""Theories of one batch for the step and the regression."""
