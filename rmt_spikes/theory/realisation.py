"""Realised latent variables that a prediction takes as given: which of them are fit for it."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import LARGEST, array, number
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.setting import Setting
from rmt_spikes.theory.population.labels import labels_of

Array = NDArray[np.float64]


class Realisation(Protocol):
    """Realised latent variables of one trial, which a prediction may take as given.

    Attributes
    ----------
    beta_norm2, beta_cosine
        ``||beta||^2`` and ``cos(beta, beta_*)`` of the realised step.
    label_energy
        Mean square of the residuals of the first batch.
    alpha
        Readout weights, shape ``(width,)``.
    q, labels
        Latent variable and label of each sample of the second batch, shape ``(n_ridge,)``, or None.

    Notes
    -----
    It may also have `residuals` and `teacher`, of shape ``(n,)``: the residual of each sample of the first
    batch, and its component along the teacher direction; along several directions, `teacher` has the shape
    ``(r, n)``. The values of these samples are then predicted.
    """

    @property
    def beta_norm2(self) -> float: ...  # noqa: D102

    @property
    def beta_cosine(self) -> float: ...  # noqa: D102

    @property
    def label_energy(self) -> float: ...  # noqa: D102

    @property
    def alpha(self) -> Array: ...  # noqa: D102

    @property
    def q(self) -> Array | None: ...  # noqa: D102

    @property
    def labels(self) -> Array | None: ...  # noqa: D102


def check_realisation(setting: Setting, given: Realisation) -> None:
    """Refuse realised latent variables that lack something, or do not fit a setting, with a `DomainError`."""
    names = ("beta_norm2", "beta_cosine", "label_energy", "alpha", "q", "labels")
    missing = [name for name in names if not hasattr(given, name)]
    if missing:
        what = Word(f"{type(given).__name__} without {', '.join(missing)}")
        raise DomainError("given", f"must have {', '.join(names)}", what, "take the latent of a trial")
    sizes = {"alpha": setting.width}
    if (given.q is None) != (given.labels is None):
        raise DomainError("given", "must have both q and labels, or neither", Word("one of them"))
    if given.q is not None:
        sizes |= {"q": setting.n_ridge, "labels": setting.n_ridge}
    teacher = getattr(given, "teacher", None)
    if (getattr(given, "residuals", None) is None) != (teacher is None):
        raise DomainError("given", "must have both residuals and teacher, or neither", Word("one of them"))
    if first_batch_of(given) is not None:
        sizes |= {"residuals": setting.n}
        _check_teacher(setting, teacher)
    for name, size in sizes.items():
        array(f"given.{name}", getattr(given, name), size)
    standard = setting.output_scale == "standard"
    least = float(setting.activation_expansion.coefficients[1]) ** 2 if standard else 0.0
    for name, domain, low, high in (
        ("beta_norm2", f"above {least:.4g}", math.nextafter(least, math.inf), LARGEST),
        ("beta_cosine", "from -1 to 1", -1.0, 1.0),
        ("label_energy", "from 0 on", 0.0, LARGEST),
    ):
        number(f"given.{name}", getattr(given, name), low, high, f"must be a finite number {domain}")


def _check_teacher(setting: Setting, u: Any) -> None:
    """Refuse realised variables of the teacher that do not fit it."""
    count = labels_of(setting).directions
    if count == 1:
        array("given.teacher", u, setting.n)
    elif not (isinstance(u, np.ndarray) and u.shape == (count, setting.n)):
        required = f"must be an array of finite real numbers, of shape ({count}, {setting.n})"
        raise DomainError("given.teacher", required, Word(f"one of shape {np.shape(u)}"))
    else:
        for row in u:
            array("given.teacher", row, setting.n)


def first_batch_of(given: Realisation | None) -> tuple[Array, Array] | None:
    """Residuals of the first batch, and its teacher's variables of shape ``(r, n)``.

    None if they are not given.
    """
    residuals, teacher = getattr(given, "residuals", None), getattr(given, "teacher", None)
    if residuals is None or teacher is None:
        return None
    return np.asarray(residuals), np.atleast_2d(np.asarray(teacher))
