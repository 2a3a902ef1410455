"""Measuring a network from elsewhere: features, labels and directions as arrays."""

import math
from typing import Any, NamedTuple, Self

import numpy as np

from rmt_spikes.arguments import LARGEST_ENTRY, integer, number, real_array
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
from rmt_spikes.simulation.network.inputs import scaled
from rmt_spikes.simulation.network.sampling import BLOCK_ROWS, Array, Block
from rmt_spikes.simulation.network.shown_teacher import ShownTeacher, unit_vector
from rmt_spikes.simulation.products import multiply, multiply_transposed, project
from rmt_spikes.simulation.test_loss.estimate import (
    UNKNOWN,
    LossEstimate,
    mean_square,
    share_with_error,
    wrong_signs,
)
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

    `beta`, of shape (d,), is scaled so that ``<beta, x>`` has variance 1, and `dual` is its covariance with
    the inputs; both are None when only the components of the samples are known. `norm` is the length of what
    was learnt, NaN when it is not known; `columns`, of shape (n_ridge, count), are the components along all
    directions, the learnt one first; NaN when unknown.
    """

    beta: Array | None
    dual: Array | None
    norm: float
    columns: Array

    @classmethod
    def nothing(cls, samples: int) -> Self:
        """Of what was learnt nothing is known."""
        return cls(None, None, math.nan, np.full((samples, 1), math.nan))

    @classmethod
    def along(cls, vector: Array, norm: float, inputs: Array, isotropic: bool) -> Self:
        """Components of samples along a vector, scaled by them unless they are known to be isotropic."""
        unit = dual = unit_vector("beta", vector, inputs.shape[1])
        if not isotropic:
            unit, dual = scaled("inputs", unit, inputs)
        return cls(unit, dual, norm, multiply(inputs, unit)[:, None])


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
        The learnt direction; the samples' components are ``X @ beta / ||beta||`` where the setting says that
        inputs are isotropic, and are divided by their root mean square elsewhere. Needs `inputs`. Without it
        and `direction` it is ``X^T r / n`` of the first batch, or else the leading right singular vector of
        ``weights_after - weights_before``, with the sign of its correlation with the labels.
    first_inputs, residuals : arrays of shape (n, d) and (n,)
        Inputs of the first batch, and residuals of the untrained network there: with `inputs` and a direction
        in their space, singular vectors are compared with single samples. Both or neither.
    weights_before, weights_after : arrays of shape (width, d)
        First layer before and after the step. Both or neither.
    teacher : array of shape (d,) or (directions, d)
        Direction of the teacher, of several all or that along ``E[y u]``, for its cosine with the learnt one.
        Where the setting does not say that inputs are isotropic, this is the correlation of their components
        along both, which needs `inputs`.
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
    center = number("center", center, -LARGEST_ENTRY, LARGEST_ENTRY)
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
    isotropic = setting is not None and setting.inputs is None
    shown = None if teacher is None else ShownTeacher.of(teacher, d, setting, None if isotropic else x)
    first = _first_batch(first_inputs, residuals, shown, d, setting)
    update = None
    if weights_before is not None:
        after = real_array("weights_after", weights_after, (width, d))
        update = after - real_array("weights_before", weights_before, after.shape)
    learnt = _learnt(direction, beta, x, first_inputs, first, update, y, samples, isotropic)
    fit = Fit(samples, _regulariser(ridge, matrix), _readout_name(setting, readout, width))
    source = FeatureMatrix.held(matrix, np.zeros(samples) if y is None else y, BLOCK_ROWS)
    result = decompose(source, fit.ridge, top)
    q = np.ascontiguousarray(learnt.columns[:, 0])
    overlaps = (normalized_hermite(POLYNOMIALS - 1, q) @ result.left).T
    signs = row_signs(np.nan_to_num(overlaps) / math.sqrt(samples))
    loses = y is not None and ridge is not None
    tested, known = UNKNOWN, dict[str, Any]()
    if y is not None and ridge is not None:
        tested, known = _tested(y, test_features, test_labels, result, center)
    if first is not None and x is not None and learnt.beta is not None and learnt.dual is not None:
        others = first.directions(learnt.beta, learnt.dual)
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
        if shown is not None:
            share = project(right, unit_vector("teacher", shown.toward, len(right))) ** 2
        known["weights_alignment"] = share
    trial = compose_trial(
        fit,
        latent=_latent(learnt, first, shown, readout, y, width, samples),
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
    inputs: Any, residuals: Any, teacher: ShownTeacher | None, d: int | str, setting: Setting | None
) -> FirstBatch | None:
    """Collect the first batch, with its teacher variables; None when they are not known."""
    if inputs is None:
        return None
    x = real_array("first_inputs", inputs, ("n" if setting is None else setting.n, d))
    r = real_array("residuals", residuals, (len(x),))
    batch = Collector(x.shape[1]).add(Block(slice(0, len(x)), x, r), r).batch()
    if teacher is None or teacher.rows is None:
        return batch._replace(teacher=None)
    variables = np.array([multiply(x, row) for row in teacher.rows])
    return batch._replace(teacher=variables if len(variables) > 1 else variables[0])


def _learnt(
    direction: Any,
    beta: Any,
    inputs: Array | None,
    first_inputs: Any,
    first: FirstBatch | None,
    update: Array | None,
    labels: Array | None,
    samples: int,
    isotropic: bool,
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
        if first is None:
            return Learnt.nothing(samples)._replace(columns=columns / size)
        own = _gradient(first_inputs, first)
        norm = float(np.linalg.norm(own))
        if inputs is None:
            unit = own / norm if isotropic and norm > 0.0 else None
            return Learnt(unit, unit, norm, columns / size)
        return Learnt.along(own, norm, inputs, isotropic)._replace(columns=columns / size)
    if inputs is None:
        return Learnt.nothing(samples)
    if beta is not None:
        vector = real_array("beta", beta, (inputs.shape[1],))
    elif first is not None:
        vector = _gradient(first_inputs, first)
    elif update is not None and update.any():
        vector = np.ascontiguousarray(np.linalg.svd(update, full_matrices=False)[2][0])
        if labels is not None and float(labels @ multiply(inputs, vector)) < 0.0:
            vector = -vector
        return Learnt.along(vector, math.nan, inputs, isotropic)
    else:
        return Learnt.nothing(samples)
    return Learnt.along(vector, float(np.linalg.norm(vector)), inputs, isotropic)


def _gradient(inputs: Any, first: FirstBatch) -> Array:
    """``X^T r / n`` of the first batch."""
    x = real_array("first_inputs", inputs, (len(first.residuals), "d"))
    return project(x, first.residuals) / len(x)


def _latent(
    learnt: Learnt,
    first: FirstBatch | None,
    teacher: ShownTeacher | None,
    readout: Any,
    labels: Array | None,
    width: int,
    samples: int,
) -> RealisedLatent:
    """Measure the latent variables; `first_stage` of them can be given to a prediction if all are known."""
    cosine, energy = math.nan, math.nan
    if learnt.dual is not None and teacher is not None:
        cosine = float(learnt.dual @ teacher.toward) * teacher.scale
    if first is not None:
        energy = float(first.residuals @ first.residuals) / len(first.residuals)
    shown = first is not None and first.teacher is not None
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


def _tested(
    y: Array, features: Any, labels: Any, result: Decomposition, center: float
) -> tuple[LossEstimate, dict[str, Any]]:
    """Mean squared error on other samples, and classification errors where all labels are -1 and 1."""
    loss, wrong, others = UNKNOWN, (math.nan, math.nan), np.ones(1)
    if features is not None:
        matrix = real_array("test_features", features, ("m", result.coefficients.size)) - center
        others = real_array("test_labels", labels, (len(matrix),))
        misfits = others - multiply(matrix, result.coefficients)
        loss, wrong = mean_square(misfits), share_with_error(wrong_signs(others, misfits), misfits.size)
    if not (np.all(np.abs(y) == 1.0) and np.all(np.abs(others) == 1.0)):
        return loss, {}
    shares = np.array([wrong_signs(y, result.misfits), wrong[0]])
    return loss, {"sign_error": shares, "sign_error_se": wrong[1]}
