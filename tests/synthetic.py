"""Observations drawn about a prediction, and results of cases made of plain numbers."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit

from rmt_spikes.simulation import Observation, RealisedLatent, Trial
from rmt_spikes.theory import Prediction
from rmt_spikes.validation.campaign.results import CaseResult, PointResult
from rmt_spikes.validation.cases.case import Case
from rmt_spikes.validation.verdicts.claims import Claim
from rmt_spikes.validation.verdicts.comparison import Comparison, Row


def draw(prediction: Prediction, trials: int, scatter: float, seed: int) -> Observation:
    """Observations that scatter about the prediction by the given fraction (correlations: by 0.02)."""
    rng = np.random.default_rng(seed)
    bulk = _bulk(prediction)
    spikes = np.array([spike.singular_value for spike in prediction.spikes])
    table, right, feature = np.zeros((3, 5, 5))
    for k, spike in enumerate(prediction.spikes):
        table[k], right[k], feature[k] = spike.alignment, spike.right_alignment, spike.feature

    stages = dict.fromkeys(("alpha", "q", "labels"), np.ones(1))

    def one(index: int) -> Trial:
        def near(value: float) -> float:
            return value * (1.0 + scatter * rng.standard_normal())

        outliers = [near(value) for value in spikes]
        values = np.concatenate([outliers, bulk * (1.0 + 0.1 * scatter * rng.standard_normal())])
        norm2 = near(prediction.latent.beta_norm2)
        cosine = prediction.latent.beta_cosine + 0.02 * rng.standard_normal()
        return Trial(
            index=index,
            **{name: near(getattr(prediction.losses, name)) for name in ("objective", "train", "test")},
            test_error=0.0,
            beta_norm2=norm2,
            beta_cosine=cosine,
            singular_values=values,
            alignment=table + 0.02 * rng.standard_normal(table.shape),
            feature=feature * rng.choice([-1.0, 1.0], (5, 1)) + 0.02 * rng.standard_normal(table.shape),
            right_alignment=right + 0.02 * rng.standard_normal(table.shape),
            latent=RealisedLatent(beta_norm2=norm2, beta_cosine=cosine, label_energy=2.25, **stages),
        )

    return Observation(setting=prediction.setting, seed=seed, trials=tuple(one(i) for i in range(trials)))


@lru_cache(maxsize=8)
def _bulk(prediction: Prediction) -> np.ndarray:
    """Singular values below the spikes, at quantiles of the bulk, the uppermost at the edge."""
    count = prediction.setting.width - len(prediction.spikes)
    values = prediction.bulk.quantile((np.arange(count)[::-1] + 0.5) / count)
    return np.concatenate([prediction.bulk.edges[-1, 1:], values[1:]])


def row(
    quantity: str, values: np.ndarray, *, allowance: float = 0.0, margin: float = 1.0, **more: Any
) -> Row:
    """A row about differences given one by one, prediction 0 and scale 1."""
    observed: dict[str, Any] = {"observed": float(values.mean()), "trials": values.size}
    observed["se"] = float(values.std(ddof=1)) / math.sqrt(values.size)
    theory: dict[str, Any] = {"predicted": 0.0, "scale": 1.0, "coefficient": allowance, "exponent": 0.0}
    options: dict[str, Any] = {"claim": Claim.LOSSES, "allowance": allowance, "margin": margin, **more}
    return Row(quantity=quantity, **observed, **theory, **options)


def power(error: float, se: float, allowance: float, trials: int, rate: float) -> float:
    """Probability that a row with a true error above its allowance is called wrong.

    Of the normal approximation with Student's critical value, the other tail neglected.
    """
    critical = float(stdtrit(trials - 1, 1.0 - rate))
    return float(ndtr((abs(error) - allowance) / se - critical))


def result(case: Case, tables: list[dict[str, np.ndarray]], **options: Any) -> CaseResult:
    """Result of a case with these differences at its points."""
    points = []
    for point, table in zip(case.points(), tables, strict=True):
        rows = tuple(row(name, values, **options) for name, values in table.items())
        comparison = Comparison(rows=rows, trials=8, confidence=0.9, family_rate=case.family_rate)
        nothing: dict[str, Any] = {"prediction": None, "error": None, "trials": ()}
        points.append(PointResult(point=point, comparison=comparison, differences=table, **nothing))
    return CaseResult(case=case, points=tuple(points), controls=(), figure_trials={})
