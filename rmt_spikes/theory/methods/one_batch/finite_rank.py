"""What few directions add to the resolvent: mean features, special directions of inputs, modes of neurons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.one_batch.equations import Equations, Resolvent, State, seeing
from rmt_spikes.theory.methods.one_batch.initial_output import excess
from rmt_spikes.theory.methods.one_batch.modes import Modes
from rmt_spikes.theory.methods.one_batch.readouts import Readouts

Array = NDArray[np.float64]
Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class FiniteRank:
    """Columns ``U`` in the fields of each sample, and their weights.

    The columns are, in this order: mean features on the nodes of `law`; three times those of the inputs,
    along the teacher, the noise of the learnt direction and the residuals, and twice more where the modes of
    neurons go with a second direction of the noise; three times those of degree two, along the first two of
    these; four of the modes of neurons.

    Parameters
    ----------
    equations
        The bulk.
    law
        Readout nodes of the mean features, finer than those of the bulk: their number bounds how many
        functions of a sample the neurons carry.
    means
        Mean features of the batch, and of fresh samples, shape ``(n_r, n_x, n_f)`` each.
    modes
        Modes of neurons, on the nodes of the bulk.
    initial
        Factor of the effect of the initial output: 1, or 0 where it is left out.
    """

    setting: Setting
    equations: Equations
    law: Readouts
    means: tuple[Array, Array]
    modes: Modes
    initial: float = 1.0

    @cached_property
    def slices(self) -> tuple[list[slice], list[slice], list[slice]]:
        """Places of the columns of the inputs, of their functions of degree two and of the modes."""
        n, first = self.equations.step.size, self.law.nodes.size
        inputs = [slice(first + 3 * n * k, first + 3 * n * (k + 1)) for k in range(self._count)]
        first += 3 * n * self._count
        squares = [slice(first + n * k, first + n * (k + 1)) for k in range(3)]
        first += 3 * n
        return inputs, squares, [slice(first + n * k, first + n * (k + 1)) for k in range(4)]

    @property
    def _count(self) -> int:
        """Special directions of the inputs; of a second one of the noise, as of the first, there are two."""
        return 5 if self.modes.apart else 3

    @cached_property
    def _from_bulk(self) -> Array:
        return self.law.from_other(self.equations.law)

    def weights(self, state: State, ridge: Any, fresh: Any) -> Values:
        """Weights ``Nm`` of the columns, a symmetric matrix."""
        equations, n = self.equations, self.equations.step.size
        weight = equations.weight(state)
        inputs, squares, modes = self.slices
        found = np.zeros((modes[-1].stop, modes[-1].stop), dtype=np.result_type(state.inputs, ridge, fresh))
        omega = np.exp(self._from_bulk @ np.log(state.omega))
        means = self.setting.width * self.law.weights * omega
        mean = equations.law.weights @ state.omega
        initial = self.initial * excess(self.setting, mean, ridge, fresh) / self.setting.width
        column, f = means * self.law.nodes, self.law.nodes.size
        found[:f, :f] = np.diag(means)
        found[:f, :f] -= np.outer(column, column) * initial / (1.0 + initial * (column @ self.law.nodes))
        back = -np.linalg.inv(equations.stiffness(weight))
        blocks = (back, back, state.inputs / equations.batch.energy, back, state.inputs)
        for at, block in zip(inputs, blocks[: self._count], strict=True):
            found[at, at] = block
        for at in squares:
            found[at, at] = np.diag(weight) / equations.batch.squares
        kept = self.modes.kept * np.diag(weight)
        for i in range(2):
            for j in range(2):
                found[modes[i], modes[j]] = kept * self.modes.covariance[:, i, j].reshape(1, n)
            found[modes[i], modes[2 + i]] = found[modes[2 + i], modes[i]] = kept
        return found

    def columns(self, found: Resolvent) -> Values:
        """What each column sees of the vector ``h`` of the resolvent, shape ``(n_r, n_x, n_columns)``."""
        tail = found.tail[..., : self.equations.step.size]
        shared = self.modes.shared + self.modes.fields * tail
        seen = found.seen, self.equations.train.squares
        return self._columns(self._special[0], self.means[0], seen, self.modes.moved, shared)

    @cached_property
    def fresh_columns(self) -> Array:
        """The columns at fresh samples, which have a value and no fields."""
        modes, both = self.modes, (self._fresh_seen, self.equations.test.squares)
        return self._columns(self._special[1], self.means[1], both, modes.moved_test, modes.shared_test)

    @cached_property
    def _fresh_seen(self) -> Array:
        fields = self.equations.test.fields
        return np.concatenate([fields, np.zeros_like(fields[..., : self.equations.step.size])], axis=-1)

    @cached_property
    def _special(self) -> tuple[Array, Array]:
        """Components of samples along the special directions, shape ``(n_s, n_r, n_x)``, of both populations.

        The directions are those of the teacher and of the noise of the learnt direction, and the residuals;
        then, if there is one, the second direction of the noise and the squares of residuals. Along it a
        sample has a standard normal coordinate besides, see `_second`.
        Components are over those along another direction of the inputs.
        """
        batch = self.equations.batch
        nothing = np.zeros_like(batch.push)
        push = ((batch.push, batch.second_push), (nothing, nothing))
        return tuple(
            np.stack(
                [
                    each.spread(each.teacher / (root := np.sqrt(each.size))),
                    each.noise / root[:, None],
                    each.spread(known),
                    each.spread(math.sqrt(batch.phi) * second),
                    each.spread(second),
                ][: self._count]
            )
            for each, (known, second) in zip((batch.train, batch.test), push, strict=True)
        )  # type: ignore[return-value]

    @staticmethod
    def _columns(
        special: Array, means: Array, seen: tuple[Values, Values], moved: Array, shared: Values
    ) -> Values:
        along = [each[..., None] * seen[0] for each in special]
        pairs = [each[..., None] * seen[1] for each in _pairs(special)]
        return np.concatenate([means, *along, *pairs, *moved, *shared], axis=-1)

    def _inner(self, found: Resolvent, gram: Values) -> None:
        """Add to ``Sm`` what the columns see of the resolvent beside ``h``."""
        n, train, fields = self.equations.step.size, self.equations.batch.train, self.modes.fields
        w, (inputs, _, modes) = train.weights, self.slices
        special, sight = self._special[0], found.sight
        pairs = np.einsum("rx,irx,jrx->ijr", w, special, special)
        head = np.zeros((train.residual.size, 3 * n, n), dtype=found.inverse.dtype)
        head[:, places := seeing(n)] = sight[:, :, None] * found.inverse[:, :, :n]
        mixed = np.einsum("rx,irx,krxa->ikra", w, special, fields)
        both = np.einsum("rx,krxa,lrxb->klrab", w, fields, fields)
        if self.modes.apart:
            own = self.modes.second_fields
            pairs[3, 3] += w.sum(axis=1)
            mixed[3] += np.einsum("rx,krxa->kra", w, own)
            both += np.einsum("rx,krxa,lrxb->klrab", w, own, own)
        for i in range(len(inputs)):
            for j in range(len(inputs)):
                block = gram[inputs[i], inputs[j]]
                block[places, places] += np.einsum("r,rab->ab", pairs[i, j], found.own)
            for k in range(2):
                cross = np.einsum("rca,ra->ca", head, mixed[i, k])
                gram[inputs[i], modes[2 + k]] += cross
                gram[modes[2 + k], inputs[i]] += cross.T
        for k in range(2):
            for m in range(2):
                seen = np.einsum("rab,rab->ab", both[k, m], found.inverse[:, :n, :n])
                gram[modes[2 + k], modes[2 + m]] += seen

    def _second(self, seen: Values, shared: Values, weights: Values, gram: Values) -> None:
        """Add to ``Sm`` what goes with the normal coordinates along the second direction of the noise.

        They are independent of all else: only their square has a mean.
        """
        if not self.modes.apart:
            return
        inputs, _, modes = self.slices
        columns = np.concatenate(
            [np.broadcast_to(seen, (*shared.shape[1:3], seen.shape[-1])), *shared], axis=-1
        )
        places = np.concatenate([np.arange(each.start, each.stop) for each in (inputs[3], *modes[2:])])
        flat = columns.reshape(-1, columns.shape[-1])
        gram[np.ix_(places, places)] += (flat * weights.reshape(-1, 1)).T @ flat

    def overlaps(self, found: Resolvent, share: Any, target: Array | None = None) -> tuple[Values, Values]:
        """Overlaps ``Sm`` of the columns through the resolvent, and ``um`` with functions of a sample.

        `share` is the weight of fresh samples over the ridge; `target` has shape ``(n_t, n_r, n_x)``, and
        is the label where there is none. ``um`` has shape ``(n_t, n_columns)``, its last column
        ``E t^2 G_vv``.
        """
        train, test, n = self.equations.batch.train, self.equations.batch.test, self.equations.step.size
        wanted = train.spread(train.label)[None] if target is None else target
        gram, vector = _overlaps(self.columns(found), train.weights * found.value, wanted)
        self._inner(found, gram)
        shared = self.modes.second + self.modes.second_fields * found.tail[..., :n]
        self._second(found.seen, shared, train.weights * found.value, gram)
        if np.any(share != 0.0):
            weights, wanted = share * test.weights, test.spread(test.label)[None]
            more, further = _overlaps(self.fresh_columns, weights, wanted)
            gram, vector = gram + more, vector + further
            self._second(self._fresh_seen, self.modes.second_test, weights, gram)
        return gram, vector

    def value(self, state: State, ridge: Any, fresh: Any = 0.0) -> Any:
        """``T``: the objective over the ridge; `fresh` is the weight of fresh samples in the regression."""
        found = self.equations.resolvent(state, ridge)
        gram, ((*pulls, energy),) = self.overlaps(found, fresh / ridge)
        weights, pull = self.weights(state, ridge, fresh), np.array(pulls)
        return energy - pull @ np.linalg.solve(np.eye(pull.size) + weights @ gram, weights @ pull)


def _pairs(special: Array) -> Array:
    """Functions of degree two of the directions of the teacher and of the learnt one, ``(3, n_r, n_x)``."""
    u, x = special[:2]
    return np.stack([(u**2 - 1.0) / math.sqrt(2.0), u * x, (x**2 - 1.0) / math.sqrt(2.0)])


def _overlaps(columns: Values, weights: Values, targets: Array) -> tuple[Values, Values]:
    """Overlaps of columns with one another and with targets, under weights of samples."""
    flat, w = columns.reshape(-1, columns.shape[-1]), weights.reshape(-1, 1)
    weighted, wanted = flat * w, targets.reshape(targets.shape[0], -1)
    return weighted.T @ flat, np.column_stack([wanted @ weighted, wanted**2 @ w])
