"""Realised latent variables of a trial."""

from dataclasses import dataclass

from rmt_spikes.simulation.network.sampling import Array
from rmt_spikes.simulation.values import ArrayValue


@dataclass(frozen=True)
class FirstStage:
    """Realised latent variables of the first stage: `RealisedLatent` without the second batch."""

    beta_norm2: float
    beta_cosine: float
    label_energy: float
    alpha: Array
    q: None = None
    labels: None = None
    residuals: Array | None = None
    teacher: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RealisedLatent(ArrayValue):
    """Realised values of the latent variables of a trial (docs/theory.md section 2).

    A prediction can take them as given; `first_stage` leaves out the second batch.

    Attributes
    ----------
    beta_norm2, beta_cosine : float
        ``||beta||^2`` with ``beta = X^T r / n`` and the exact residual `r`, and the correlation of
        ``<beta, x>`` with the teacher variable that is learnt, ``<m, u>/||m||`` with ``m = E[y u]``: the
        signed cosine of `beta` and the teacher direction where inputs are isotropic.
    label_energy : float
        Mean of ``r^2`` over the first batch.
    alpha : ndarray of shape (width,)
        Readout weights of the neurons.
    q, labels : ndarray of shape (n_ridge,)
        ``<beta, x>``, scaled to variance 1, and labels of the samples of the second batch. The variance is
        that of the setting's inputs, of other inputs the mean square over these samples.
    residuals : ndarray of shape (n,), or None
        Exact residuals of the samples of the first batch. None in trials over a whole cluster, and in those
        stored by versions that did not keep them.
    teacher : ndarray of shape (n,) or (directions, n), or None
        Teacher variables of these samples, of one direction or of several.
    """

    beta_norm2: float
    beta_cosine: float
    label_energy: float
    alpha: Array
    q: Array
    labels: Array
    residuals: Array | None = None
    teacher: Array | None = None

    def first_stage(self) -> FirstStage:
        """Return the same without the second batch."""
        return FirstStage(
            self.beta_norm2,
            self.beta_cosine,
            self.label_energy,
            self.alpha,
            residuals=self.residuals,
            teacher=self.teacher,
        )
