"""The theories of what spikes carry: corrected, isotropic, published."""

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

    SPREAD = auto()
    """Levels of both parts, the incoherent one cut to two: sizes what `LEVELS` leaves out."""


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
    """

    CORRECTED = "corrected"
    ISOTROPIC = "isotropic"
    PUBLISHED = "published"

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
        return Rows.PENCIL if self is Features.CORRECTED else Rows.ISOTROPIC

    @property
    def first_orders(self) -> Rows:
        """How it is treated by the first orders of the step, which standard deviations are read off."""
        return Rows.LEVELS if self is Features.CORRECTED else Rows.ISOTROPIC

    @property
    def limit(self) -> Features:
        """Features as ``n`` grows in a regime, where the direction in which rows grow does not matter."""
        return Features.CORRECTED if self.rows_grow else Features.PUBLISHED

    @classmethod
    def limits(cls) -> tuple[Features, ...]:
        """Features that differ as ``n`` grows in a regime."""
        return tuple(member for member in cls if member.limit is member)
