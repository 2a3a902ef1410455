"""One trial: a network, its gradient step, and everything that is read off its features."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt_spikes.errors import DomainError
from rmt_spikes.hermite import normalized_hermite
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.decomposition import decompose
from rmt_spikes.simulation.generalization import expected_loss
from rmt_spikes.simulation.network import features, first_step, output_factor
from rmt_spikes.simulation.rank_one import rank_one_error
from rmt_spikes.simulation.sampling import Array, draw_batch, draw_readout, draw_weights, open_streams

POLYNOMIALS = 5
"""Number of polynomials (degrees 0 to 4) that singular vectors are compared with."""

SIGN_THRESHOLD = 0.05
"""A coefficient below this does not decide the sign of a singular vector: it may be noise."""


@dataclass(frozen=True, kw_only=True)
class FirstStage:
    """Realised latent variables of the first stage: `RealisedLatent` without the second batch."""

    beta_norm2: float
    beta_cosine: float
    label_energy: float
    alpha: Array
    q: None = None
    labels: None = None


@dataclass(frozen=True, kw_only=True)
class RealisedLatent:
    """Realised values of the latent variables of a trial (docs/theory.md section 2).

    Attributes
    ----------
    beta_norm2 : float
        ``||beta||^2`` with ``beta = X^T r / n`` and the exact residual `r`.
    beta_cosine : float
        Signed cosine of `beta` and the teacher direction.
    label_energy : float
        Mean of ``r^2`` over the first batch.
    alpha : ndarray of shape (width,)
        Readout weights of the neurons.
    q : ndarray of shape (n_ridge,)
        ``<beta / ||beta||, x>`` of the samples of the second batch.
    labels : ndarray of shape (n_ridge,)
        Labels of the second batch.

    Notes
    -----
    A prediction can take them as given; `first_stage` leaves out the second batch.
    """

    beta_norm2: float
    beta_cosine: float
    label_energy: float
    alpha: Array
    q: Array
    labels: Array

    def first_stage(self) -> FirstStage:
        """Return the same without the second batch."""
        return FirstStage(
            beta_norm2=self.beta_norm2,
            beta_cosine=self.beta_cosine,
            label_energy=self.label_energy,
            alpha=self.alpha,
        )


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one simulated network shows (docs/theory.md section 1).

    Attributes
    ----------
    index : int
        Number of the trial, from 0.
    objective, train, test : float
        Ridge objective at its minimum, its first term, and the expected squared error on a fresh sample
        (label noise included).
    test_error : float
        Standard error of `test` due to the finite number of test samples.
    beta_norm2, beta_cosine : float
        Squared norm of `beta` and its signed cosine with the teacher direction.
    singular_values : ndarray of shape (width,)
        Of ``F / sqrt(n_ridge)``, descending; zeros fill up when ``n_ridge < width``.
    alignment : ndarray of shape (top, 5)
        Squared correlation of left singular vector `j` with ``He_k(q)``, `q` as realised.
    feature : ndarray of shape (top, 5)
        ``<u_j, h_k(q)> / sqrt(n_ridge)`` with ``h_k = He_k / sqrt(k!)``. The first entry above 0.05 in
        absolute value (the largest when there is none) is positive.
    right_alignment : ndarray of shape (top, 5)
        Squared correlation of right singular vector `j` with the orthogonal polynomials of the readout
        law at the realised readout weights; zero for degrees that the law does not have.
    latent : RealisedLatent
        Realised latent variables.
    left_vectors : ndarray of shape (n_ridge, top) or None
        Left singular vectors, with the signs of `feature`; only with ``keep_vectors=True``.
    right_vectors : ndarray of shape (width, top) or None
        Matching right singular vectors.
    rank_one_error : float or None
        ``||G - c_1 a beta^T|| / ||c_1 a beta^T||`` in operator norm; only with ``gradient_error=True``.
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

    def to_dict(self) -> dict[str, Any]:
        """Return the reported numbers, ready for JSON (neither vectors nor per-sample latents)."""
        scalars = ("index", "objective", "train", "test", "test_error", "beta_norm2", "beta_cosine")
        arrays = ("singular_values", "alignment", "feature", "right_alignment")
        return {name: getattr(self, name) for name in scalars} | {
            name: getattr(self, name).tolist() for name in arrays
        }


def run_trial(
    setting: Setting,
    seed: int,
    index: int,
    *,
    top: int,
    test_samples: int,
    keep_vectors: bool,
    gradient_error: bool = False,
) -> Trial:
    """Simulate one network.

    Parameters
    ----------
    setting : Setting
        What to simulate.
    seed, index : int
        Together they determine every random number of the trial.
    top : int
        Number of singular vectors examined.
    test_samples : int
        Number of fresh samples behind `Trial.test`.
    keep_vectors : bool
        Whether the trial keeps its singular vectors.
    gradient_error : bool
        Whether the distance of the gradient from rank one is measured.

    Returns
    -------
    Trial
        The result.
    """
    streams = open_streams(seed, index)
    activation = setting.activation_function
    alpha = draw_readout(setting, streams.readout)
    weights = draw_weights(setting, streams.weights)
    first = draw_batch(setting, setting.n, streams.first_inputs, streams.first_noise)
    readout = alpha / np.sqrt(setting.width)
    step = first_step(activation, weights, readout, output_factor(setting), first)
    gradient = step.gradient
    slope = float(setting.activation_expansion.coefficients[1])
    error = rank_one_error(gradient, slope, readout, step.beta) if gradient_error else None
    gradient *= setting.step
    weights += gradient
    beta, residual_energy = step.beta, step.residual_energy
    # Frees the gradient before the features are allocated.
    del step, gradient

    norm = float(np.linalg.norm(beta))
    if norm == 0.0:
        raise DomainError("target", "must leave a first gradient that is not zero", setting.target)
    q = np.empty(setting.n_ridge)
    labels = np.empty(setting.n_ridge)
    matrix = np.empty((setting.n_ridge, setting.width))
    for block in draw_batch(setting, setting.n_ridge, streams.second_inputs, streams.second_noise):
        features(activation, weights, block.inputs, out=matrix[block.rows])
        q[block.rows] = block.inputs @ beta / norm
        labels[block.rows] = block.labels

    result = decompose(matrix, labels, setting.ridge, top)
    residual = labels - matrix @ result.coefficients
    train = float(residual @ residual) / setting.n_ridge
    penalty = setting.ridge * float(result.coefficients @ result.coefficients)
    del matrix
    test, test_error = expected_loss(
        setting, weights, result.coefficients, beta, test_samples, streams.test_inputs
    )

    polynomials = normalized_hermite(POLYNOMIALS - 1, q)
    feature = (polynomials @ result.left).T / np.sqrt(setting.n_ridge)
    signs = row_signs(feature)
    return Trial(
        index=index,
        objective=train + penalty,
        train=train,
        test=test,
        test_error=test_error,
        beta_norm2=norm**2,
        beta_cosine=float(beta[0]) / norm,
        singular_values=result.singular_values,
        alignment=squared_correlations(result.left, polynomials),
        feature=feature * signs[:, None],
        right_alignment=squared_correlations(result.right, readout_polynomials(setting.readout, alpha)),
        latent=RealisedLatent(
            beta_norm2=norm**2,
            beta_cosine=float(beta[0]) / norm,
            label_energy=residual_energy,
            alpha=alpha,
            q=q,
            labels=labels,
        ),
        left_vectors=result.left * signs if keep_vectors else None,
        right_vectors=result.right * signs if keep_vectors else None,
        rank_one_error=error,
    )


def row_signs(rows: Array) -> Array:
    """Return the signs that make the leading entry of each row positive.

    Parameters
    ----------
    rows : ndarray of shape (top, 5)
        Coefficients, of arbitrary sign.

    Returns
    -------
    ndarray of shape (top,)
        The sign of the first entry above 0.05 in absolute value, or of the largest when there is none.
    """
    size = np.abs(rows)
    large = size > SIGN_THRESHOLD
    leading = np.where(large.any(axis=1), large.argmax(axis=1), size.argmax(axis=1))
    entries = np.take_along_axis(rows, leading[:, None], axis=1)[:, 0]
    return np.where(entries < 0.0, -1.0, 1.0)


def readout_polynomials(readout: str, alpha: Array) -> Array:
    """Evaluate the orthonormal polynomials of the readout law.

    Parameters
    ----------
    readout : {"gaussian", "rademacher", "constant"}
        The law of the readout weights.
    alpha : ndarray of shape (width,)
        Realised weights.

    Returns
    -------
    ndarray of shape (5, width)
        Degrees 0 to 4. A law on one or two points has only one or two polynomials: the others are zero.
    """
    table = normalized_hermite(POLYNOMIALS - 1, alpha)
    degrees = {"gaussian": POLYNOMIALS, "rademacher": 2, "constant": 1}[readout]
    table[degrees:] = 0.0
    return table


def squared_correlations(vectors: Array, functions: Array) -> Array:
    """Square the correlations of unit vectors with functions of a latent variable.

    Parameters
    ----------
    vectors : ndarray of shape (size, top)
        Columns of norm 1.
    functions : ndarray of shape (5, size)
        Values of the functions, which are not centred.

    Returns
    -------
    ndarray of shape (top, 5)
        ``<v, f>^2 / ||f||^2``, and 0 where `f` is zero.
    """
    energy = np.einsum("ki,ki->k", functions, functions)
    return (functions @ vectors).T ** 2 / np.where(energy > 0.0, energy, 1.0)
