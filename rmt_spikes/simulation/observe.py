"""Measuring a network from elsewhere: features, labels and directions as arrays."""

import math
from typing import Any, NamedTuple

import numpy as np

from rmt_spikes.arguments import integer, number, real_array
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.setting import Setting, checked, require_setting
from rmt_spikes.simulation.latent import RealisedLatent
from rmt_spikes.simulation.linalg.alignment import DEGREES, POLYNOMIALS, closest, row_signs
from rmt_spikes.simulation.linalg.decomposition import Decomposition, decompose, layer_spectrum
from rmt_spikes.simulation.measurement import Measurement
from rmt_spikes.simulation.memory import DEFAULT_TOP
from rmt_spikes.simulation.network.feature_matrix import FeatureMatrix
from rmt_spikes.simulation.network.first_batch import Collector, FirstBatch
from rmt_spikes.simulation.network.sampling import BLOCK_ROWS, Array, Block
from rmt_spikes.simulation.products import multiply, multiply_transposed, project
from rmt_spikes.simulation.test_loss.estimate import UNKNOWN, LossEstimate, mean_square
from rmt_spikes.simulation.trial import compose_trial

ARRAYS = (
    *("features", "labels", "direction", "inputs", "beta", "first_inputs", "residuals", "weights_before"),
    *("weights_after", "teacher", "readout", "untrained", "test_features", "test_labels"),
)
"""Arguments of `observe` that are arrays."""


class Fit(NamedTuple):
    """Ridge regression of the features, and the distribution whose polynomials describe the readout."""

    n_ridge: int
    ridge: float
    readout: str


class Learnt(NamedTuple):
    """The learnt direction, and what it makes of the samples.

    `beta`, of shape (d,), is None when only the components of the samples are known, `norm` NaN when its
    length says nothing; `columns`, of shape (n_ridge, count), are the components along all directions, the
    learnt one first; NaN when unknown.
    """

    beta: Array | None
    norm: float
    columns: Array


def observe(
    *,
    features: Any,
    labels: Any = None,
    direction: Any = None,
    inputs: Any = None,
    beta: Any = None,
    first_inputs: Any = None,
    residuals: Any = None,
    weights_before: Any = None,
    weights_after: Any = None,
    teacher: Any = None,
    readout: Any = None,
    untrained: Any = None,
    test_features: Any = None,
    test_labels: Any = None,
    ridge: float | None = None,
    center: float = 0.0,
    top: int | None = None,
    setting: Setting | None = None,
) -> Measurement:
    """Measure a network from its own matrices, in the way in which `simulate` measures its networks.

    Arrays are those of numpy, or anything with ``__array__``, such as a tensor of PyTorch without a graph.
    All but the features may be left out; what is then not known is NaN.

    Parameters
    ----------
    features : array of shape (n_ridge, width)
        Features of the samples: the activations of the hidden layer.
    labels : array of shape (n_ridge,)
        Labels of the samples; with a ridge, the losses are computed.
    direction : array of shape (n_ridge,) or (n_ridge, count)
        Components ``X @ beta`` of the samples along what was learnt, perhaps along further directions as
        well. Each is divided by its root mean square.
    inputs : array of shape (n_ridge, d)
        The samples.
    beta : array of shape (d,)
        The learnt direction; the samples' components are ``X @ beta / ||beta||``. Needs `inputs`. Without it
        and `direction` it is ``X^T r / n`` of the first batch, or else the leading right singular vector of
        ``weights_after - weights_before``, with the sign of its correlation with the labels.
    first_inputs, residuals : arrays of shape (n, d) and (n,)
        Inputs of the first batch, and residuals of the untrained network there: with `inputs` and a direction
        in their space, singular vectors are compared with single samples. Both or neither.
    weights_before, weights_after : arrays of shape (width, d)
        First layer before and after the step. Both or neither.
    teacher : array of shape (d,)
        Direction of the teacher, for its cosine with the learnt one.
    readout : array of shape (width,)
        Weights ``alpha`` of the neurons in the second layer, which is ``alpha / sqrt(width)``.
    untrained : array of shape (n_ridge, width)
        Features of the samples before the step: the edge of the bulk is fitted to their spectrum.
    test_features, test_labels : arrays of shape (m, width) and (m,)
        Features and labels of other samples, for the test loss. Both or neither.
    ridge : float
        Ridge parameter, 0 for the solution of least norm; that of the setting when left out.
    center : float
        Number that is subtracted from all features: ``E sigma(Z)`` for a theory with ``center = true``.
    top : int
        Number of leading singular vectors; 5 when left out, or as many as there are.
    setting : Setting
        What the network is, if it is known: sizes are checked, and `compare` compares nothing else with it.

    Returns
    -------
    Measurement
        With one trial, which has its singular vectors.

    Raises
    ------
    DomainError
        When an argument is no array of real numbers, has another shape than it must, or lacks what it needs.
    ConvergenceError
        When the decomposition fails.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).standard_normal((60, 40))
    >>> q = np.linspace(-2, 2, 60)
    >>> measured = observe(features=noise + np.outer(q, np.ones(40)), direction=q)
    >>> measured.trials[0].alignment[0].argmax()
    np.int64(1)
    """
    if setting is not None:
        require_setting(setting)
    n_ridge: int | str = "n_ridge" if setting is None else setting.n_ridge
    matrix = real_array("features", features, (n_ridge, "width" if setting is None else setting.width))
    samples, width = matrix.shape
    center = number("center", center, -1e100, 1e100)
    matrix = matrix - center
    top = min(DEFAULT_TOP, *matrix.shape) if top is None else integer("top", top, 1, min(matrix.shape))
    if ridge is not None:
        ridge = checked("ridge", ridge)
    elif setting is not None:
        ridge = setting.ridge
    y = None if labels is None else real_array("labels", labels, (samples,))
    for pair in (
        ("first_inputs", first_inputs, "residuals", residuals),
        ("weights_before", weights_before, "weights_after", weights_after),
        ("test_features", test_features, "test_labels", test_labels),
    ):
        _both_or_neither(*pair)
    d: int | str = "d" if setting is None else setting.d
    x = None if inputs is None else real_array("inputs", inputs, (samples, d))
    if x is not None:
        d = x.shape[1]
    first = _first_batch(first_inputs, residuals, teacher, d, setting)
    update = None
    if weights_before is not None:
        after = real_array("weights_after", weights_after, (width, d))
        update = after - real_array("weights_before", weights_before, after.shape)
    learnt = _learnt(direction, beta, x, first_inputs, first, update, y, samples)
    fit = Fit(samples, _regulariser(ridge, matrix), _readout_name(setting, readout, width))
    source = FeatureMatrix.held(matrix, np.zeros(samples) if y is None else y, BLOCK_ROWS)
    result = decompose(source, fit.ridge, top)
    q = np.ascontiguousarray(learnt.columns[:, 0])
    overlaps = (normalized_hermite(POLYNOMIALS - 1, q) @ result.left).T
    signs = row_signs(np.nan_to_num(overlaps) / math.sqrt(samples))
    loses = y is not None and ridge is not None
    tested = _test_loss(test_features, test_labels, result, center) if loses else UNKNOWN
    known: dict[str, Any] = {}
    if first is not None and x is not None and learnt.beta is not None:
        unit = learnt.beta / np.linalg.norm(learnt.beta)
        others = first.directions(unit, unit)
        along = np.empty((samples, len(others)))
        multiply_transposed(x, others, along)
        number_of, known["sample_alignment"] = closest(project(along, result.left), along)
        known["sample"] = first.candidates[number_of]
    if untrained is not None:
        plain = real_array("untrained", untrained, matrix.shape) - center
        still = FeatureMatrix.held(plain, np.zeros(samples), BLOCK_ROWS)
        known["untrained"] = decompose(still, _regulariser(None, plain), 1).singular_values
    if weights_after is not None:
        after = real_array("weights_after", weights_after, (width, d))
        known["weights"], right = layer_spectrum(after, top)
        share = np.full(right.shape[1], math.nan)
        if teacher is not None:
            share = project(right, _unit("teacher", teacher, len(right))) ** 2
        known["weights_alignment"] = share
    trial = compose_trial(
        fit,
        latent=_latent(learnt, first, teacher, readout, y, width, samples),
        loss=tested,
        coefficients=result.coefficients,
        overlaps=overlaps,
        right=result.right,
        index=0,
        train=result.train if loses else math.nan,
        singular_values=result.singular_values,
        method=result.method,
        residual=result.residual,
        directions=learnt.columns,
        left_vectors=result.left * signs,
        right_vectors=result.right * signs,
        **known,
    )
    return Measurement(setting=setting, trials=(trial,))


def _both_or_neither(name: str, given: Any, other: str, other_given: Any) -> None:
    if (given is None) != (other_given is None):
        missing, there = (name, other) if given is None else (other, name)
        raise DomainError(missing, f"must be given together with {there}", None)


def _regulariser(ridge: float | None, matrix: Array) -> float:
    """Ridge of a decomposition; where none was given, one that no number depends on."""
    if ridge is not None:
        return ridge
    energy = float(np.mean(matrix**2))
    return energy if energy > 0.0 else 1.0


def _readout_name(setting: Setting | None, readout: Any, width: int) -> str:
    """Readout distribution of a setting, or that with as many polynomials as the weights have values."""
    if setting is not None:
        return setting.readout
    if readout is None:
        return "gaussian"
    values = np.unique(real_array("readout", readout, (width,))).size
    return next((name for name, degrees in DEGREES.items() if degrees == values), "gaussian")


def _first_batch(
    inputs: Any, residuals: Any, teacher: Any, d: int | str, setting: Setting | None
) -> FirstBatch | None:
    """Collect the first batch, with its components along the teacher direction (NaN when unknown)."""
    if inputs is None:
        return None
    x = real_array("first_inputs", inputs, ("n" if setting is None else setting.n, d))
    r = real_array("residuals", residuals, (len(x),))
    batch = Collector(x.shape[1]).add(Block(slice(0, len(x)), x, r), r).batch()
    along = np.full(len(x), math.nan)
    if teacher is not None:
        along = multiply(x, _unit("teacher", teacher, x.shape[1]))
    return batch._replace(teacher=along)


def _unit(field: str, given: Any, d: int | str) -> Array:
    vector = real_array(field, given, (d,))
    norm = float(np.linalg.norm(vector))
    if norm == 0.0:
        raise DomainError(field, "must not be zero", Word("zeros"))
    return vector / norm


def _learnt(
    direction: Any,
    beta: Any,
    inputs: Array | None,
    first_inputs: Any,
    first: FirstBatch | None,
    update: Array | None,
    labels: Array | None,
    samples: int,
) -> Learnt:
    """Take the learnt direction from what says it most directly."""
    if beta is not None and inputs is None:
        raise DomainError("beta", "must come with inputs", Word("none"), "or give direction = X @ beta")
    if beta is not None and direction is not None:
        raise DomainError("beta", "must not be given together with direction", Word("both"))
    if direction is not None:
        given = np.asarray(direction)
        columns = real_array("direction", given, (samples,) if given.ndim < 2 else (samples, "count"))
        columns = columns.reshape(samples, -1)
        size = np.sqrt(np.mean(columns**2, axis=0))
        if not size.all():
            raise DomainError("direction", "must not be zero", Word("zeros"))
        own = None if first is None else _gradient(first_inputs, first)
        return Learnt(own, math.nan if own is None else float(np.linalg.norm(own)), columns / size)
    vector = None
    if beta is not None and inputs is not None:
        vector = real_array("beta", beta, (inputs.shape[1],))
    elif inputs is not None and first is not None:
        vector = _gradient(first_inputs, first)
    elif inputs is not None and update is not None:
        return _leading(update, inputs, labels)
    if vector is None or inputs is None:
        return Learnt(None, math.nan, np.full((samples, 1), math.nan))
    q = multiply(inputs, _unit("beta", vector, inputs.shape[1]))
    return Learnt(vector, float(np.linalg.norm(vector)), q[:, None])


def _gradient(inputs: Any, first: FirstBatch) -> Array:
    """``X^T r / n`` of the first batch."""
    x = real_array("first_inputs", inputs, (len(first.residuals), "d"))
    return project(x, first.residuals) / len(x)


def _leading(update: Array, inputs: Array, labels: Array | None) -> Learnt:
    """Leading right singular vector of an update of the weights; its length says nothing."""
    vector = np.ascontiguousarray(np.linalg.svd(update, full_matrices=False)[2][0])
    q = multiply(inputs, vector)
    if labels is not None and float(labels @ q) < 0.0:
        vector, q = -vector, -q
    return Learnt(vector, math.nan, q[:, None])


def _latent(
    learnt: Learnt,
    first: FirstBatch | None,
    teacher: Any,
    readout: Any,
    labels: Array | None,
    width: int,
    samples: int,
) -> RealisedLatent:
    """Measure the latent variables; `first_stage` of them can be given to a prediction if all are known."""
    cosine, energy = math.nan, math.nan
    if learnt.beta is not None and teacher is not None:
        unit = learnt.beta / np.linalg.norm(learnt.beta)
        cosine = float(unit @ _unit("teacher", teacher, unit.size))
    if first is not None:
        energy = float(first.residuals @ first.residuals) / len(first.residuals)
    shown = first is not None and teacher is not None
    return RealisedLatent(
        beta_norm2=learnt.norm**2,
        beta_cosine=cosine,
        label_energy=energy,
        alpha=np.full(width, math.nan) if readout is None else real_array("readout", readout, (width,)),
        q=np.ascontiguousarray(learnt.columns[:, 0]),
        labels=np.full(samples, math.nan) if labels is None else labels,
        residuals=first.residuals if first is not None and shown else None,
        teacher=first.teacher if first is not None and shown else None,
    )


def _test_loss(features: Any, labels: Any, result: Decomposition, center: float) -> LossEstimate:
    """Mean squared error on other samples, with its standard error."""
    if features is None:
        return UNKNOWN
    matrix = real_array("test_features", features, ("m", result.coefficients.size)) - center
    y = real_array("test_labels", labels, (len(matrix),))
    return mean_square(y - multiply(matrix, result.coefficients))
