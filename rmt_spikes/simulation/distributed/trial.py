"""One trial over all workers of a dask cluster, for matrices that fit none of them (docs/large.md).

Each worker keeps the rows of the first layer, and tiles of the Gram matrix, of some of the neurons; blocks
of samples come by. Two blocks are under way at a time, whatever their number: memory depends on the width
and on `d`, not on the number of samples. Lanczos iterations and conjugate gradients then multiply by the Gram
matrix, one task a worker: as a `dask.array` the same product took ten times longer, nearly all of it overhead
of its graph.
"""

from collections.abc import Iterable, Iterator
from functools import partial, reduce
from itertools import repeat
from operator import add, getitem
from typing import TYPE_CHECKING, Any

import numpy as np

from rmt_spikes.errors import ConvergenceError, DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.distributed import tasks
from rmt_spikes.simulation.distributed.tiling import plan_tiling
from rmt_spikes.simulation.latent import RealisedLatent
from rmt_spikes.simulation.linalg.decomposition import ACCURACY, Spectrum, rounding_error
from rmt_spikes.simulation.linalg.density import estimate_density, probe_stream
from rmt_spikes.simulation.linalg.iterative import solve_iterative
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import Array, Streams, blocks, draw_readout, open_streams
from rmt_spikes.simulation.test_loss.estimate import LossEstimate, default_samples, share_with_error
from rmt_spikes.simulation.test_loss.population import Expectation, loss_from_energy
from rmt_spikes.simulation.test_loss.row_expansion import RowExpansion
from rmt_spikes.simulation.trial import Trial, compose_trial

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as GenericFuture

    # Any: what a future will hold is known where it is used.
    Future = GenericFuture[Any]
    Tiles = dict[tuple[int, int], Future]


def run_distributed_trial(
    client: "Client", setting: Setting, seed: int, index: int, *, top: int, spectrum: Spectrum
) -> Trial:
    """Simulate one network on all workers of a cluster.

    The trial is the same as that of `run_trial`, to the accuracy of the iterations.
    """
    return _DistributedTrial(client, setting, seed, index).run(top, spectrum)


class _DistributedTrial:
    """The futures of a trial; when it is gone, so are they."""

    def __init__(self, client: "Client", setting: Setting, seed: int, index: int) -> None:
        self._client, self._tiling = client, plan_tiling(client, setting)
        self._model, self._target = Model.of(setting), setting.target
        self._seed, self._index = seed, index
        self._streams: Streams = open_streams(seed, index)
        self._alpha = draw_readout(self._model, self._streams.readout)

    def run(self, top: int, spectrum: Spectrum) -> Trial:
        weights, beta, label_energy = self._train(self._draw_rows())
        norm = float(np.linalg.norm(beta))
        if norm == 0.0:
            raise DomainError("target", "must leave a first gradient that is not zero", self._target)
        inputs = self._model.inputs
        tiles, sums, latent = self._accumulate(weights, inputs.learnt(beta)[0])
        samples = self._model.n_ridge
        target = sums[:, 0] / samples

        multiply = partial(self._multiply, tiles)
        values, right, coefficients = solve_iterative(multiply, target, self._model.ridge, top)
        product = multiply(np.column_stack([right, coefficients]))
        singular = np.sqrt(values)
        gaps = np.linalg.norm(product[:, :top] - right * values, axis=0) / singular
        self._check(values, gaps, singular)
        normal = product[:, top] + self._model.ridge * coefficients - target
        density = None
        if spectrum == "density":
            stream = probe_stream(self._seed, self._index)
            density = estimate_density(multiply, self._model.width, self._model.width, stream)
        del multiply, tiles
        q, labels = latent
        known: dict[str, Any] = {}
        if self._model.sign_labels:
            known["sign_error"], known["sign_error_se"] = self._sign_error(weights, coefficients)
        train = labels @ labels / samples - 2 * target @ coefficients + coefficients @ product[:, top]
        return compose_trial(
            self._model,
            index=self._index,
            loss=self._test_loss(weights, coefficients),
            train=float(train),
            coefficients=coefficients,
            singular_values=np.append(singular, np.full(self._model.width - top, np.nan)),
            overlaps=(right.T @ sums[:, 1:]) / (singular[:, None] * samples**0.5),
            right=right,
            latent=RealisedLatent(
                beta_norm2=norm**2,
                beta_cosine=inputs.cosine(beta, self._model.teacher.first),
                label_energy=label_energy,
                alpha=self._alpha,
                q=q,
                labels=labels,
            ),
            method="lanczos",
            residual=max(
                float(gaps.max() / singular[0]), float(np.linalg.norm(normal) / np.linalg.norm(target))
            ),
            density=density,
            **known,
        )

    def _submit(self, function: Any, *arguments: Any, at: str) -> "Future":
        return self._client.submit(function, *arguments, workers=[at], allow_other_workers=True, pure=False)

    def _item(self, future: "Future", number: int, at: str) -> "Future":
        return self._submit(getitem, future, number, at=at)

    def _each(self, function: Any, *columns: Iterable[Any]) -> "list[Future]":
        """Submit one task for each tile of neurons, where it lives, with its item of each column."""
        return [
            self._submit(function, *arguments, at=self._tiling.home(j))
            for j, arguments in enumerate(zip(*columns, strict=False))
        ]

    def _draw_rows(self) -> "list[Future]":
        """Draw the first layer, tile after tile: each takes up the stream where the last left it."""
        stream: Any = self._streams.weights
        rows = []
        for j, tile in enumerate(self._tiling.neurons):
            home = self._tiling.home(j)
            drawn = self._submit(tasks.draw_rows, self._model, tile.stop - tile.start, stream, at=home)
            rows.append(self._item(drawn, 0, home))
            stream = self._item(drawn, 1, home)
        return rows

    def _batches(self, size: int, streams: Any) -> "Iterator[tuple[slice, Future]]":
        """Draw a batch, block after block, on the workers in turn."""
        for i, rows in enumerate(blocks(size, self._tiling.block_rows)):
            home = self._tiling.home(i)
            drawn = self._submit(tasks.draw_block, self._model, rows.stop - rows.start, streams, at=home)
            streams = self._item(drawn, 1, home)
            yield rows, drawn

    def _train(self, weights: "list[Future]") -> "tuple[list[Future], Array, float]":
        """Take the gradient step; return the new rows, `beta` and the energy of the residual."""
        model, neurons, first = self._model, self._tiling.neurons, self._tiling.home(0)
        activation = repeat(model.activation)
        readout = self._alpha / np.sqrt(model.width)
        gradients: list[Any] = [None] * len(weights)
        sums: Any = None
        before: list[Any] = []
        for _, drawn in self._batches(model.n, (self._streams.first_inputs, self._streams.first_noise)):
            pre = self._each(tasks.project, weights, repeat(drawn))
            parts = self._each(tasks.output_part, activation, pre, [readout[tile] for tile in neurons])
            residual = self._submit(tasks.residual_block, drawn, parts, model.output_factor, at=first)
            sums = self._submit(tasks.first_sums, sums, drawn, residual, at=first)
            # Before a sum takes up a block, what the last block replaced is gone: two of each at the most.
            self._wait(before)
            gradients = self._each(
                tasks.add_gradient, gradients, activation, pre, repeat(drawn), repeat(residual)
            )
            before = [*gradients, sums]
        totals: Array = sums.result() / model.n
        scale = model.step * readout / model.n
        stepped = self._each(tasks.step_rows, weights, gradients, [scale[tile] for tile in neurons])
        self._wait(stepped)
        return stepped, totals[:-1], float(totals[-1])

    def _accumulate(self, weights: "list[Future]", direction: Array) -> "tuple[Tiles, Array, Array]":
        """Pass over the second batch: tiles of ``F^T F``, ``F^T`` times labels and polynomials; q, labels."""
        model, tiling = self._model, self._tiling
        count = len(weights)
        tiles: dict[tuple[int, int], Any] = {(j, k): None for j in range(count) for k in range(j + 1)}
        sums: list[Any] = [None] * count
        latent = np.empty((2, model.n_ridge))
        before: list[Any] = []
        pending: tuple[slice, Any] | None = None
        # Opened anew: the same batch again starts where the first one did.
        streams = open_streams(self._seed, self._index).second_batch(model)
        for rows, drawn in self._batches(model.n_ridge, streams):
            known = self._submit(tasks.latent_block, drawn, direction, at=tiling.home(0))
            parts = self._each(tasks.feature_block, repeat(model.activation), weights, repeat(drawn))
            self._wait(before)
            tiles = {
                (j, k): self._submit(tasks.add_gram_tile, tile, parts[j], parts[k], at=tiling.gram_home(j, k))
                for (j, k), tile in tiles.items()
            }
            sums = self._each(tasks.add_projection, sums, parts, repeat(known))
            if pending is not None:
                latent[:, pending[0]] = pending[1].result()
            before, pending = [*tiles.values(), *sums], (rows, known)
        assert pending is not None
        latent[:, pending[0]] = pending[1].result()
        self._wait(before)
        return tiles, np.concatenate(self._client.gather(sums)), latent

    def _sign_error(self, weights: "list[Future]", coefficients: Array) -> tuple[Array, float]:
        """Count wrong signs in the second batch and among fresh samples, each in another pass over them."""
        model, neurons = self._model, self._tiling.neurons
        again, fresh = (open_streams(self._seed, self._index) for _ in range(2))
        samples = default_samples(model.n_ridge)
        batches = (
            (model.n_ridge, again.second_batch(model)),
            (samples, (fresh.test_inputs, fresh.second_noise)),
        )
        shares = []
        for size, streams in batches:
            wrong = 0
            for _, drawn in self._batches(size, streams):
                tiles = [coefficients[tile] for tile in neurons]
                parts = self._each(tasks.score_part, repeat(model.activation), weights, repeat(drawn), tiles)
                wrong += self._submit(tasks.count_wrong, drawn, parts, at=self._tiling.home(0)).result()
            shares.append(wrong / size)
        return np.array(shares), share_with_error(shares[1], samples)[1]

    def _multiply(self, tiles: "Tiles", columns: Array) -> Array:
        """Multiply by ``F^T F / n_ridge``: one task a worker, which sums over its tiles."""
        neurons, tiling = self._tiling.neurons, self._tiling
        here: dict[str, list[tuple[int, int]]] = {}
        for j, k in tiles:
            here.setdefault(tiling.gram_home(j, k), []).append((j, k))
        parts = [
            self._submit(
                tasks.multiply_tiles, [(neurons[j], neurons[k]) for j, k in pairs], [tiles[p] for p in pairs],
                columns, at=home,
            )
            for home, pairs in here.items()
        ]  # fmt: skip
        total: Array = np.sum(self._client.gather(parts), axis=0)
        return total / self._model.n_ridge

    def _check(self, values: Array, gaps: Array, singular: Array) -> None:
        error = rounding_error(float(values[0]), self._model.width)
        if not error < ACCURACY * self._model.ridge:
            raise ConvergenceError(
                f"the Gram matrix is too ill-conditioned for an accuracy of {ACCURACY:g}: its largest "
                f"eigenvalue is {values[0]:.3g}, and the ridge must be above {error / ACCURACY:.2g}",
                residual=float(gaps.max()),
            )
        if (gaps > ACCURACY * singular).any():
            raise ConvergenceError(
                f"singular vectors are not found to an accuracy of {ACCURACY:g}: ask for a smaller top",
                residual=float(gaps.max()),
            )

    def _test_loss(self, weights: "list[Future]", coefficients: Array) -> LossEstimate:
        """Compute the test loss; each worker adds up its tiles, with one side from elsewhere at a time."""
        tiling, inputs = self._tiling, repeat(self._model.inputs)
        if self._model.inputs.scale is not None:
            weights = self._each(tasks.whitened, weights, inputs)
        summary = np.concatenate(self._client.gather(self._each(tasks.row_summary, weights, inputs)), axis=1)

        def energy(rows: RowExpansion, enough: float) -> Expectation:
            parts = [rows.part(tile) for tile in tiling.neurons]
            vectors = [coefficients[tile] for tile in tiling.neurons]
            found: list[Expectation] = []
            queues = [(home, list(groups.items())) for home, groups in tiling.groups().items()]
            for turn in range(max(len(queue) for _, queue in queues)):
                submitted: list[Future] = []
                # What a worker fetches is a key of this turn: with the key, its copies are gone.
                lent: dict[int, Future] = {}
                for home, queue in queues:
                    foreign, pairs = queue[turn] if turn < len(queue) else (None, [])
                    side = dict(enumerate(weights))
                    if foreign is not None:
                        if foreign not in lent:
                            here = tiling.home(foreign)
                            lent[foreign] = self._submit(tasks.lend, weights[foreign], at=here)
                        side[foreign] = lent[foreign]
                    submitted += [
                        self._submit(
                            tasks.energy_tile, parts[j], parts[k], side[j], side[k], vectors[j], vectors[k],
                            j == k, enough, at=home,
                        )
                        for j, k in pairs
                    ]  # fmt: skip
                found += self._client.gather(submitted)
            return reduce(add, found)

        exact = loss_from_energy(self._model, summary[0], summary[1:], coefficients, energy)
        if exact is None:
            raise ConvergenceError(
                "the test loss cannot be computed as an expectation (docs/large.md), and sampling it is not "
                "spread over workers: simulate this setting in one process",
                residual=np.inf,
            )
        return LossEstimate(exact.value, exact.error, 0)

    @staticmethod
    def _wait(futures: "list[Future]") -> None:
        from distributed import wait

        wait(futures)
        for future in futures:
            if future.status == "error":
                future.result()
