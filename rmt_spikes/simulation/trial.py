"""One trial: a network, its gradient step, and everything that is read off its features."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from rmt_spikes.arguments import integer
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import carried
from rmt_spikes.simulation.data import Data
from rmt_spikes.simulation.latent import RealisedLatent
from rmt_spikes.simulation.linalg.alignment import (
    POLYNOMIALS,
    closest,
    readout_alignment,
    row_signs,
    squared_correlations,
)
from rmt_spikes.simulation.linalg.decomposition import Spectrum, decompose, layer_spectrum
from rmt_spikes.simulation.linalg.density import gram_density
from rmt_spikes.simulation.linalg.edge import fitted_edge
from rmt_spikes.simulation.network.inputs import InputSpace
from rmt_spikes.simulation.network.layer import FirstLayer
from rmt_spikes.simulation.network.model import Model, Regression
from rmt_spikes.simulation.network.sampling import Array, Draws
from rmt_spikes.simulation.network.second_batch import IN_MEMORY, Plan, SecondBatch
from rmt_spikes.simulation.products import Precision, project
from rmt_spikes.simulation.test_loss.estimate import (
    LossEstimate,
    generalization_loss,
    sign_error,
    wrong_signs,
)
from rmt_spikes.simulation.values import ArrayValue, histogram, part, plain

SIMULATION_VERSION = 1
"""To be raised when the same setting, seed and number give another trial than before, beyond rounding.

Stored trials are known by it, and never by the text of the code.
"""

STAGES = ("gradient step", "spectrum", "test loss")
"""Of a trial, in their order; at equal sizes the second takes most of the time."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Trial(ArrayValue):
    """What one simulated network shows (docs/theory.md section 1).

    Attributes
    ----------
    index : int
        Number of the trial, from 0.
    objective, train, test : float
        Ridge objective at its minimum, its first term, and the expected squared error on a fresh sample
        (label noise included).
    test_error : float
        Standard error of `test` due to the finite number of test samples, or the bound on its error.
    beta_norm2, beta_cosine : float
        As in `latent`.
    singular_values : ndarray of shape (width,)
        Of ``F / sqrt(n_ridge)``, descending; zeros fill up when ``n_ridge < width``. NaN beyond the top ones
        unless the full spectrum was asked for.
    alignment : ndarray of shape (top, 5)
        Squared correlation of left singular vector `j` with ``He_k(q)``, `q` as realised.
    feature : ndarray of shape (top, 5)
        ``<u_j, h_k(q)> / sqrt(n_ridge)`` with ``h_k = He_k / sqrt(k!)``. The first entry above 0.05 in
        absolute value (the largest when there is none) is positive.
    right_alignment : ndarray of shape (top, 5)
        Squared correlation of right singular vector `j` with the orthogonal polynomials of the readout
        distribution at the realised weights; zero for degrees that the distribution does not have.
    latent : RealisedLatent
        Realised latent variables.
    left_vectors, right_vectors : ndarray of shape (n_ridge, top) and (width, top), or None
        Matching singular vectors, with the signs of `feature`; only with ``keep_vectors=True``.
    rank_one_error : float or None
        ``||G - c_1 a beta^T|| / ||c_1 a beta^T||`` in operator norm; only with ``gradient_error=True``.
    test_samples : int or None
        Number of fresh samples behind `test`; 0 when it was computed, and `test_error` is a bound.
    method : str or None
        How the features were decomposed: ``"gram"``, ``"svd"`` or ``"lanczos"``.
    residual : float or None
        The largest of ``||A^T u - s v|| / s_1`` over the singular vectors (``A = F / sqrt(n_ridge)``) and of
        the relative residual of the normal equations of the ridge regression.
    density : ndarray of shape (points, 3) or None
        Singular value, smoothed density of the singular values there, and its standard error; only with
        ``spectrum="density"``.
    sample : ndarray of shape (top,), or None
        Index in the first batch of the sample whose direction left singular vector `j` is closest to, among
        those with the largest residuals (docs/theory.md section 11). None as in `latent`.
    sample_alignment : ndarray of shape (top,), or None
        Squared correlation of left singular vector `j` with ``<x_i, x>`` for that sample, `x_i` without its
        part along `beta`.
    directions : ndarray of shape (n_ridge, count), or None
        Components of the samples along the directions given to `observe`, the learnt one first.
    untrained : ndarray of shape (width,), or None
        Singular values of the features of the untrained network, where `observe` was given them.
    weights : ndarray of shape (min(width, d),), or None
        Singular values of the trained first layer, descending; only with ``weights=True``, or where `observe`
        was given it.
    weights_alignment : ndarray of shape (top,), or None
        Squared cosines of its leading right singular vectors with the teacher direction, of several that
        along ``E[y u]``.
    sign_error : ndarray of shape (2,), or None
        Shares of the samples of the second batch, and of fresh ones, whose label has not the sign of the
        fitted value; only where labels are -1 and 1.
    sign_error_se : float or None
        Standard error of the second of them, due to the finite number of fresh samples.
    """

    index: int
    objective: float
    train: float
    test: float
    test_error: float
    beta_norm2: float
    beta_cosine: float
    singular_values: Array
    alignment: Array
    feature: Array
    right_alignment: Array
    latent: RealisedLatent
    left_vectors: Array | None = None
    right_vectors: Array | None = None
    rank_one_error: float | None = None
    test_samples: int | None = None
    method: str | None = None
    residual: float | None = None
    density: Array | None = None
    sample: Array | None = None
    sample_alignment: Array | None = None
    directions: Array | None = None
    untrained: Array | None = None
    weights: Array | None = None
    weights_alignment: Array | None = None
    sign_error: Array | None = None
    sign_error_se: float | None = None

    @property
    def origin(self) -> tuple[str, ...] | None:
        """What makes each of the top singular vectors; None where `sample` is.

        ``"learnt"``: it is a function of the learnt latent variable `q`; ``"sample"``: it belongs to a single
        sample of the first batch; ``"bulk"``: neither.
        """
        if self.sample_alignment is None:
            return None
        learnt = self.alignment.sum(axis=1)
        return tuple(map(carried.origin_of, learnt, self.sample_alignment))

    def beyond(self, bulk: Any = None) -> tuple[carried.Beyond, ...]:
        """List the singular values beyond the edge of the bulk, largest first, with what they carry.

        Parameters
        ----------
        bulk : Bulk, optional
            The predicted bulk, `Prediction.bulk`. Without it the edge is fitted to the largest singular
            values of the untrained features, if `observe` was given them.

        Raises
        ------
        DomainError
            If there is neither, or the untrained features have no edge.
        """
        if bulk is not None:
            return carried.beyond(self, *carried.upper_edge(bulk, self.singular_values.size))
        if self.untrained is None:
            advice = "give a predicted bulk, or observe with untrained features"
            raise DomainError("bulk", "must be known for an edge", Word("none"), advice)
        return carried.beyond(self, *fitted_edge(self.untrained))

    def profile(self, index: int, *, bins: int = 16, direction: int = 0) -> carried.Profile:
        """Average left singular vector `index` over bins of a latent variable of the samples.

        Parameters
        ----------
        index : int
            Number of the vector, from 0.
        bins : int
            Number of bins; each has equally many samples, at least two.
        direction : int
            Number of the direction given to `observe`; 0 is the learnt one.

        Raises
        ------
        DomainError
            If vectors were not kept, or an argument is out of range.
        """
        if self.left_vectors is None:
            raise DomainError("keep_vectors", "must be True for a profile", False)
        along = self.latent.q[:, None] if self.directions is None else self.directions
        if np.isnan(along).any():
            raise DomainError("direction", "must be known for a profile", Word("none"))
        index = integer("index", index, 0, self.left_vectors.shape[1] - 1)
        direction = integer("direction", direction, 0, along.shape[1] - 1)
        bins = integer("bins", bins, 1, len(along) // 2)
        return carried.profile(self.left_vectors[:, index], along[:, direction], bins)

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """Build the trial that `to_arrays` describes."""
        return cls(latent=RealisedLatent.from_arrays(part(arrays, "latent")), **plain(arrays))

    def _repr_html_(self) -> str:
        return histogram(self.singular_values, f"singular values of trial {self.index}")

    def to_dict(self) -> dict[str, Any]:
        """Return the reported numbers, ready for JSON (neither vectors nor per-sample latents).

        Of the singular values, only those that are known.
        """
        losses = ("objective", "train", "test", "test_error", "test_samples")
        scalars = ("index", *losses, "beta_norm2", "beta_cosine", "method", "residual")
        arrays = ("alignment", "feature", "right_alignment")
        known = self.singular_values[~np.isnan(self.singular_values)]
        return (
            {name: getattr(self, name) for name in scalars}
            | {"singular_values": known.tolist()}
            | {name: getattr(self, name).tolist() for name in arrays}
        )


def simulation_version() -> int:
    """Return `SIMULATION_VERSION` where it is called: workers must have that of their caller."""
    return SIMULATION_VERSION


def run_trial(
    setting: Setting,
    seed: int,
    index: int,
    *,
    top: int,
    test_samples: int | None,
    keep_vectors: bool,
    gradient_error: bool = False,
    precision: Precision = "double",
    spectrum: Spectrum = "full",
    plan: Plan = IN_MEMORY,
    data: Data | None = None,
    weights: bool = False,
    on_stage: Callable[[str], object] = str,
) -> Trial:
    """Simulate one network: the trial `index` of a seed.

    Parameters
    ----------
    top, test_samples, keep_vectors, precision, spectrum
        As for `simulate`.
    gradient_error : bool
        Whether the distance of the gradient from rank one is measured.
    plan : Plan
        How the memory is used.
    data : Data, optional
        Inputs and labels in place of random ones; there is no teacher direction then.
    weights : bool
        Whether the trained first layer is decomposed as well.
    on_stage : callable
        Called with each of `STAGES` as it begins.
    """
    step_begins, spectrum_begins, test_begins = (partial(on_stage, each) for each in STAGES)
    step_begins()
    model = Model.of(setting)
    if data is not None:
        # What the covariance of a setting says of its axes is not true of these.
        model = replace(model, inputs=InputSpace.plain(model.teacher.directions))
    draws = Draws(model, seed, index) if data is None else data.draws(model, seed, index)
    alpha, rows = draws.network()
    layer = FirstLayer(model.activation, rows, precision)
    readout = alpha / np.sqrt(model.width)
    step = layer.train(model, readout, draws.first_batch(plan.block_rows), gradient_error)
    norm = float(np.linalg.norm(step.beta))
    if norm == 0.0:
        raise DomainError("target", "must leave a first gradient that is not zero", setting.target)
    draw = partial(draws.second_batch, plan.block_rows)
    first = step.batch
    learnt, dual = model.inputs.learnt(step.beta) if data is None else data.learnt(step.beta)
    others = first.directions(learnt, dual)
    batch = SecondBatch(draw, layer, learnt, others, model.n_ridge, plan)
    del layer
    spectrum_begins()
    densities: list[Array] = []

    def estimate(gram: Array) -> None:
        densities.append(gram_density(gram, model.width, (seed, index)))

    result = decompose(
        batch.source, model.ridge, top, spectrum, on_gram=estimate if spectrum == "density" else None
    )
    q, labels = batch.q, batch.labels
    sample, sample_alignment = closest(project(batch.along, result.left), batch.along)
    del batch
    values, right = layer_spectrum(rows, top) if weights else (None, None)
    test_begins()
    if data is None:
        stream = draws.streams.test_inputs
        whitened, beta = model.inputs.by_root(rows), model.inputs.whitened(step.beta)
        loss = generalization_loss(model, whitened, result.coefficients, beta, test_samples, stream)
        toward = model.inputs.direction(model.teacher.first, model.d)
    else:
        loss = data.loss(model, rows, result.coefficients)
        toward = np.full(model.d, math.nan)
    known: dict[str, Any] = {}
    if (model if data is None else data).sign_labels:
        if data is None:
            tested = sign_error(model, whitened, result.coefficients, test_samples, stream)
        else:
            tested = data.sign_error(model, rows, result.coefficients)
        known["sign_error"] = np.array([wrong_signs(labels, result.misfits), tested[0]])
        known["sign_error_se"] = tested[1]
    overlaps = (normalized_hermite(POLYNOMIALS - 1, q) @ result.left).T
    trial = compose_trial(
        model,
        index=index,
        loss=loss,
        train=result.train,
        coefficients=result.coefficients,
        singular_values=result.singular_values,
        overlaps=overlaps,
        right=result.right,
        latent=RealisedLatent(
            beta_norm2=norm**2,
            beta_cosine=model.inputs.cosine(step.beta, model.teacher.first) if data is None else math.nan,
            label_energy=step.residual_energy,
            alpha=alpha,
            q=q,
            labels=labels,
            residuals=first.residuals if data is None else None,
            teacher=first.teacher,
        ),
        method=result.method,
        residual=result.residual,
        density=densities[0] if densities else None,
        rank_one_error=step.rank_one_error,
        sample=first.candidates[sample],
        sample_alignment=sample_alignment,
        weights=values,
        weights_alignment=None if right is None else (toward @ right) ** 2,
        **known,
    )
    if not keep_vectors:
        return trial
    signs = row_signs(overlaps / np.sqrt(model.n_ridge))
    return replace(trial, left_vectors=result.left * signs, right_vectors=result.right * signs)


def compose_trial(
    model: Regression,
    latent: RealisedLatent,
    loss: LossEstimate,
    coefficients: Array,
    overlaps: Array,
    right: Array,
    **known: Any,
) -> Trial:
    """Put a trial together from what was computed, without singular vectors.

    `coefficients` is the ridge solution; `overlaps`, of shape (top, 5), are the inner products of the left
    singular vectors with ``h_k(q)``; `right`, of shape (width, top), are the right singular vectors; `known`
    are fields of `Trial` that are known already, `train` among them.
    """
    feature = overlaps / np.sqrt(model.n_ridge)
    return Trial(
        objective=known["train"] + model.ridge * float(coefficients @ coefficients),
        test=loss.value,
        test_error=loss.error,
        test_samples=loss.samples,
        beta_norm2=latent.beta_norm2,
        beta_cosine=latent.beta_cosine,
        alignment=squared_correlations(overlaps, normalized_hermite(POLYNOMIALS - 1, latent.q)),
        feature=feature * row_signs(feature)[:, None],
        right_alignment=readout_alignment(model.readout, latent.alpha, right),
        latent=latent,
        **known,
    )
