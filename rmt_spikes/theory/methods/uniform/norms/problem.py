"""The equations of the uniform method with norms as latent variables, on product nodes.

Nodes of neurons are pairs of a readout weight and the component of the initial row along the learnt
direction; those of samples are pairs of ``q`` and the norm off it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.latent import Latent, LatentGrid, readout_rule
from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks
from rmt_spikes.theory.methods.uniform.channels import Channel, LevelChannel
from rmt_spikes.theory.methods.uniform.density.nodes import DENSITY_NODES, readout_nodes
from rmt_spikes.theory.methods.uniform.norms.degrees import Corrected
from rmt_spikes.theory.methods.uniform.norms.finite_rank import NormFiniteRank
from rmt_spikes.theory.methods.uniform.norms.growths import pair_growths
from rmt_spikes.theory.methods.uniform.norms.nodes import LOSS_NODES, OF_BULK, OF_LOSSES, ProductNodes
from rmt_spikes.theory.methods.uniform.norms.pencil import ProductPencil
from rmt_spikes.theory.methods.uniform.norms.rows import GrownRows, SampleNorms, sample_norms
from rmt_spikes.theory.methods.uniform.norms.share import share_of_norms
from rmt_spikes.theory.methods.uniform.norms.sphere import (
    NORMAL,
    coordinate,
    coordinate_rule,
    norm_rule,
    second,
    third,
    third_norm,
)
from rmt_spikes.theory.methods.uniform.pencil.batch import ResidualLaw, first_batch
from rmt_spikes.theory.methods.uniform.pencil.channel import PencilChannel, PencilDirections
from rmt_spikes.theory.methods.uniform.pencil.directions import SpecialDirections
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms, lost_by_output
from rmt_spikes.theory.quadrature_rules import ReadoutLaw, gaussian_draws
from rmt_spikes.theory.realisation import Realisation

Array = NDArray[np.float64]

FEW_TRIPLES = 1e-3
"""Samples or neurons for each harmonic of degree three from which it is a channel."""

FLAT = 3.0
"""Least dimensions of a row that sees a sample: in three a coordinate is uniform, in fewer it piles up at
the ends of its interval."""


@dataclass(frozen=True, eq=False)
class NormProblem:
    """A setting with norms as latent variables.

    Parameters
    ----------
    setting, variables, readout
        What is predicted, its latent variables, and the rule of its readout weights.
    nodes
        Numbers of nodes.
    terms
        Terms that are kept.
    deviations
        Standard deviations by which the mean residual of the first batch is off its expectation.
    """

    setting: Setting
    variables: Latent
    readout: ReadoutLaw
    nodes: ProductNodes = OF_LOSSES
    terms: Terms = field(default_factory=Terms)
    deviations: float = 0.0

    @property
    def dimensions(self) -> int:
        """Off the learnt direction."""
        return self.setting.d - 1

    @cached_property
    def samples(self) -> SampleNorms:
        """Nodes of samples of the second batch."""
        return self._nodes(self.setting.n_ridge, self.nodes)

    def _nodes(self, count: int, nodes: ProductNodes) -> SampleNorms:
        """Nodes of a number of samples."""
        square = np.ones(1), np.ones(1)
        if self.terms.sample_norms:
            square = norm_rule(self.dimensions, nodes.norm)
        q = gaussian_draws(count, nodes.q)
        return sample_norms(self.setting, self.variables.beta_cosine, q, square, float(self.dimensions))

    @cached_property
    def rows(self) -> GrownRows:
        """Nodes of neurons."""
        w = np.zeros(1), np.ones(1)
        if self.terms.components and not self.alike:
            w = coordinate_rule(self.setting.d, self.nodes.component)
        batch = first_batch(self.setting, self.variables, self.readout)
        special = SpecialDirections(batch.drawn(self.deviations) if self.deviations else batch)
        return GrownRows(self.setting, special, self.terms, *w)

    @cached_property
    def law(self) -> ReadoutLaw:
        """Rule of the pairs."""
        n_w = self.rows.w.size
        weights = np.outer(self.readout.weights, self.rows.w_weights).ravel()
        return ReadoutLaw(self.readout.name, np.repeat(self.readout.nodes, n_w), weights)

    @cached_property
    def norms(self) -> tuple[Array, Array, Array]:
        """What the norm of a sample does to neurons of each readout weight.

        The power of it, the covariance between neurons of what is left, and the dimensions of a row.
        """
        d, weights = self.setting.d, np.sqrt(self.readout.weights)
        count = self.rows.special.batch.directions + 1
        covariance = self.rows.lengths.norm_covariance * d / 2.0 / (1.0 - count / d)
        values, vectors = np.linalg.eigh(weights[:, None] * covariance * weights)
        power = np.sqrt(values[-1]) * np.abs(vectors[:, -1]) / weights
        left = covariance - np.outer(power, power)
        return power, 2.0 / d * left, np.maximum(d / np.diagonal(covariance) - 1.0, FLAT)

    @cached_property
    def uneven(self) -> tuple[Array, Array]:
        """What is left of the norms: most of it, a form of the sample, on readout weights, and the rest.

        The form is ``x' H x`` to first order in the step.
        """
        left, weights = self.norms[1], np.sqrt(self.readout.weights)
        values, vectors = np.linalg.eigh(weights[:, None] * left * weights)
        form = math.sqrt(max(0.0, values[-1])) * vectors[:, -1] / weights
        return form, left - np.outer(form, form)

    @property
    def has_form(self) -> bool:
        """Whether that form is a direction of degree two which samples single out."""
        return self.readout.nodes.size > 1 and self.terms.sample_norms and self.terms.forms

    @cached_property
    def _at_pairs(self) -> NDArray[np.intp]:
        """Readout node of each pair."""
        return np.repeat(np.arange(self.readout.nodes.size), self.rows.w.size)

    @cached_property
    def harmonics(self) -> tuple[Array, Array, Array, Array, Array, Array]:
        """Activation on the nodes: degrees 0 to 3, what of its energy is left, and the norm's share of it."""
        rows, samples, at_pairs = self.rows, self.samples, self._at_pairs
        power, _, dimensions = self.norms
        squares = samples.square ** power[:, None]
        squares = squares / (squares @ samples.weights)[:, None]
        shift = self.variables.shift * self.readout.nodes[:, None] + rows.component
        mean = shift.reshape(-1, 1) * samples.q
        scale = np.sqrt(rows.square.reshape(-1, 1) * squares[at_pairs])
        dims = dimensions[at_pairs, None] if self.terms.sphere else np.full((at_pairs.size, 1), NORMAL)
        zero, one, two, three, energy = _moments(self.setting, mean, scale, dims)
        norm = 0.5 * two * np.sqrt(second(dims)) * (1.0 + 2.0 / dims)
        three *= self.has_degree_three
        rest = np.maximum(energy - zero**2 - one**2 - two**2 - three**2, 0.0)
        return zero, one, two, three, rest, norm

    @cached_property
    def growth(self) -> Array:
        """Growth of rows in the bulk of the directions, without the initial components, ``(n,)``."""
        growth = self.rows.lengths.growth[0][self._at_pairs]
        return np.asarray(growth if self.alike else growth * (1.0 - 1.0 / self.setting.d))

    @property
    def triples(self) -> int:
        """Number of harmonics of degree three."""
        off = self.setting.d - (not self.alike)
        return math.comb(off + 2, 3) - off

    @property
    def has_degree_three(self) -> bool:
        """Whether degree three is a channel, not noise."""
        kept = self.terms.degree_two and self.terms.degree_three
        return kept and max(self.setting.n_ridge, self.setting.width) > FEW_TRIPLES * self.triples

    @property
    def alike(self) -> bool:
        """Whether components along the learnt direction are in the bulk like those along any other."""
        return self.nodes.component == 1

    @cached_property
    def pair_growths(self) -> tuple[Array, Array]:
        """Levels of degree two, relative to their mean square, ``(n_levels, n)``, and their shares."""
        special = self.rows.special
        kept = self.terms.pair_growths and special.pencil.grows
        levels, shares = pair_growths(special.batch, share_of_norms(self.setting) if kept else 0.0)
        return levels[:, self._at_pairs], shares

    def equations(self, directions: int, rest: ResidualLaw | None = None, forms: int = 1) -> Corrected:
        """Equations of the bulk.

        Parameters
        ----------
        directions, forms
            Numbers of directions of degrees one and two that are not in the bulk.
        rest
            Samples of the first batch that are; all by default.
        """
        setting, rows = self.setting, self.rows
        _, one, two, three, noise, _ = self.harmonics
        free, pairs = setting.d - directions, setting.d * (setting.d - 1) / 2 - 1
        pairs += setting.d if self.alike else 0
        batch = replace(rows.special.batch, law=self.law)
        pencil = ProductPencil(
            batch if rest is None else replace(batch, residuals=rest),
            readout=self.readout,
            other=rows.w,
            other_weights=rows.w_weights,
            few=self.nodes.pencil,
            powers=self.nodes.powers,
        )
        linear = one / np.sqrt(self.growth)[:, None] * math.sqrt(free / setting.d)
        degree_two = LevelChannel(
            two * math.sqrt(1.0 - forms / pairs),
            setting.width / (pairs - forms),
            *self.pair_growths,
        )
        channels: tuple[Channel, ...] = (PencilChannel(linear, setting.width / free, pencil), degree_two)
        if self.has_degree_three:
            alike = np.ones((1, self._at_pairs.size)), np.ones(1)
            channels += (LevelChannel(three, setting.width / self.triples, *alike),)
        return Corrected(
            q_weights=self.samples.weights,
            a_weights=self.law.weights,
            noise=noise,
            ratio=setting.ridge_ratio,
            channels=channels,
        )

    @cached_property
    def parts(self) -> tuple[Corrected, NormFiniteRank]:
        """Equations of the bulk without the learnt and the teacher's direction, and the finite-rank part."""
        setting, rows, at_pairs = self.setting, self.rows, self._at_pairs
        d, width = setting.d, setting.width
        zero, one, two, three, _, norm = self.harmonics
        equations = self.equations(2, forms=1 + self.has_form)
        pair = width / (d * (d - 1) / 2 - 1)
        more = [width / self.triples] * self.has_degree_three + [pair] * self.has_form
        left = self.uneven[1] if self.has_form else self.norms[1]
        degree_one = equations.channels[0]
        assert isinstance(degree_one, PencilChannel)
        finite = NormFiniteRank(
            equations=equations,
            functions=self._functions(at_pairs, zero, one / np.sqrt(self.growth)[:, None], two, three, norm),
            norm=norm,
            norm_covariance=left[at_pairs][:, at_pairs] * float(self.terms.sample_norms),
            scales=np.array([width, width / d, width, pair, *more]),
            directions=PencilDirections(
                degree_one, SpecialDirections(replace(rows.special.batch, law=self.law))
            ),
            readout_coupling=self._readout_coupling,
            w=np.tile(rows.w, self.readout.nodes.size),
            along=np.sqrt(rows.own[:, 0, 0]),
            rest=(d - 2) / d,
        )
        return equations, finite

    @property
    def _readout_coupling(self) -> Array | None:
        """As for rows whose norms are linearised."""
        lost = lost_by_output(self.setting, self.rows.special.batch) if self.terms.output else 0.0
        own = self.readout.nodes * np.sqrt(self.rows.lengths.coherent) / self.rows.lengths.tau
        own = own[self._at_pairs]
        return lost * np.outer(own, own) / self.setting.width if lost else None

    def _over_components(self, functions: Array) -> Array:
        """Mean over the components along ``q``, at each readout weight."""
        values = functions.reshape(-1, self.rows.w.size, functions.shape[1])
        return np.repeat(np.einsum("w,awq->aq", self.rows.w_weights, values), values.shape[1], axis=0)

    def _functions(
        self, at_pairs: NDArray[np.intp], zero: Array, linear: Array, two: Array, three: Array, norm: Array
    ) -> Array:
        """Functions of samples by ``1``, ``t``, degrees two and three of it, a form: ``(5, blocks n, n_s)``.

        Of the trained component along ``t`` a part goes with that along ``q``, and is known at its nodes.
        """
        rows, lengths, q, d = self.rows, self.rows.lengths, self.samples.q, self.setting.d
        nothing, two_root, tau2 = np.zeros_like(zero), math.sqrt(2.0), lengths.tau[at_pairs] ** 2
        growth = (rows.own[:, 1, 1] - lengths.growth[0])[at_pairs]
        form = rows.length_form[at_pairs] / tau2[:, None, None]
        # Degree two has the incoherent part at all pairs of directions.
        coherent = np.sum(rows.special.coherent[:, :, 1] ** 2, axis=1)[at_pairs, None]
        known, apart = rows.root[at_pairs][:, 1, :2].T[..., None]
        w, steep = np.tile(rows.w, self.readout.nodes.size)[:, None] / math.sqrt(d), 2.0 * norm
        square = (growth[:, None] / d + known**2 * (w**2 - 1.0 / d)) / tau2[:, None]
        unlike = linear - self._over_components(linear)  # The rest is in the stiffness of w.
        mean = [zero, unlike * known * w, two_root * norm * square]
        mixed = [steep * form[:, :1, 1] / apart * w, linear, two_root * steep * known * w / tau2[:, None]]
        pair = [two * form[:, 1:2, 1] / two_root, nothing, two * (coherent - known**2) / tau2[:, None]]
        spread = [norm * np.sqrt(rows.spread[at_pairs])[:, None], nothing, nothing]
        blocks = [[*each, nothing, nothing] for each in (mean, mixed, spread, pair)]
        if self.has_degree_three:
            g, h = rows.special.coherent[at_pairs][:, :, 1].T[..., None] / np.sqrt(tau2)[:, None]
            g, size = g * q, (lengths.coherent[at_pairs] / tau2)[:, None]
            triple = [
                (g**3 + 3.0 * g * (h**2 - size)) / math.sqrt(6.0),
                (g**2 + h**2 - size) * h * math.sqrt(1.5),
                math.sqrt(3.0) * g * h**2,
                h**3,
            ]
            blocks.append([*(three * each for each in triple), nothing])
        if self.has_form:
            blocks[0][4] = norm * self.uneven[0][at_pairs, None]
            blocks.append([nothing] * 4 + [two])
        return np.array([np.concatenate([block[v] for block in blocks]) for v in range(5)])


def _moments(setting: Setting, mean: Array, scale: Array, dims: Array) -> tuple[Array, ...]:
    """Harmonics of degree 0 to 3 of the activation on a sphere, and its second moment, at the nodes."""
    f = setting.activation_function
    found = np.zeros((5, *mean.shape))
    for i in range(mean.shape[0]):
        z, weights = coordinate(mean[i], scale[i], dims[i], f.splits)
        values = f(mean[i][:, None] + scale[i][:, None] * z)
        square, weighted, odd = z * z, weights * values, weights * values * z
        found[0, i], found[1, i] = weighted.sum(axis=-1), odd.sum(axis=-1)
        found[2, i] = np.sum(weighted * (square - 1.0), axis=-1) / np.sqrt(second(dims[i]))
        cubic = np.sum(odd * (square - third(dims[i])[..., None]), axis=-1)
        found[3, i] = cubic / np.sqrt(third_norm(dims[i]))
        found[4, i] = np.sum(weighted * values, axis=-1)
    return tuple(found)


def norm_problem(
    setting: Setting, variables: Latent, given: Realisation | None, terms: Terms, nodes: ProductNodes
) -> NormProblem:
    """Problem of a setting with norms as latent variables; without a step no readout weight matters."""
    law = ReadoutLaw("constant", np.ones(1), np.ones(1))
    if setting.theta > 0.0:
        law = readout_rule(setting, nodes.readout, finite=True, given=given)
    return NormProblem(setting, variables, law, nodes, terms)


def loss_problem(
    blocks: PencilBlocks, grid: LatentGrid, untrained: BulkEquivalent, given: Realisation | None
) -> NormProblem:
    """Problem that losses are read off."""
    count = readout_nodes(blocks, grid, untrained, LOSS_NODES)[0]
    nodes = OF_LOSSES.with_readout(count)
    return norm_problem(blocks.setting, blocks.variables, given, blocks.terms, nodes)


def bulk_problem(
    blocks: PencilBlocks, grid: LatentGrid, untrained: BulkEquivalent, given: Realisation | None
) -> NormProblem | None:
    """Problem that the density is read off; None where its norms are linearised."""
    nodes = next((nodes for d, nodes in OF_BULK if blocks.setting.d < d), None)
    if nodes is None:
        return None
    count = readout_nodes(blocks, grid, untrained, DENSITY_NODES[nodes.component])[0]
    return norm_problem(blocks.setting, blocks.variables, given, blocks.terms, nodes.with_readout(count))
