"""What the published paper claims, where each claim is derived, which cases test it, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.cases.case import Case, built_in_cases
from rmt_spikes.validation.verdicts.comparison import conclude, matches
from rmt_spikes.validation.verdicts.scaling import LimitFit, RateFit
from rmt_spikes.verdict import Conclusion, Verdict

SOURCE = "Moniri, Lee, Hassani, Dobriban: Non-Linear Feature Learning with One Gradient Step, ICML 2024"


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A claim of the paper, as we read it.

    Attributes
    ----------
    statement, derivation
        In words, and the places where it is derived.
    tests
        Patterns of the quantities that test it, by case: of the claim itself, or of its correction.
    correction
        What holds in its place, where simulations speak against the claim.
    against
        Negative controls, as ``case/control``, that make the published prediction: when they are rejected the
        claim disagrees.
    """

    statement: str
    derivation: tuple[str, ...]
    tests: Mapping[str, tuple[str, ...]]
    correction: str | None = None
    against: tuple[str, ...] = ()


CLAIMS: Sequence[Claimed] = (
    Claimed(
        statement="The gradient is close to a matrix of rank one, c_1 a β^T, in operator norm",
        derivation=("docs/theory.md, section 2", "theory/02_latent_variables.py"),
        tests={"rank-one-gradient": ("gradient.*",)},
    ),
    Claimed(
        statement="What is learnt is β, with cos(β, β_*) = c_{*,1} / ‖β‖",
        derivation=("docs/theory.md, section 2", "theory/02_latent_variables.py"),
        tests={
            "learnt-direction": ("latent.*",),
            "headline": ("latent.*",),
            "rank-one-gradient": ("latent.*",),
        },
    ),
    Claimed(
        statement="A step of n^a with (l-1)/(2l) < a < l/(2l+2) makes l spikes",
        derivation=("docs/theory.md, section 6", "theory/03_features_of_spikes.py"),
        tests={"spike-count": ("spike_count",)},
    ),
    Claimed(
        statement="Beside the spikes the singular values follow the law of a bulk",
        derivation=("docs/theory.md, section 5", "theory/04_bulk_quartic.py"),
        tests={"bulk-law": ("bulk*",), "headline": ("bulk*",)},
    ),
    Claimed(
        statement="Spike 2 carries the monomial q^2",
        derivation=("docs/theory.md, section 2", "theory/03_features_of_spikes.py"),
        tests={
            "second-feature": ("spikes[1].*",),
            "headline": ("spikes[1].alignment[*",),
        },
        correction="it carries q^2 + χ",
        against=(
            "second-feature/published",
            "second-feature/published-larger-step",
            "headline/bare-monomial",
        ),
    ),
    Claimed(
        statement="Spike 3 carries the monomial q^3",
        derivation=("docs/theory.md, section 2", "theory/03_features_of_spikes.py"),
        tests={"third-feature": ("spikes[*].alignment[*", "spikes[*].feature[*")},
        correction="it carries q^3 + 3 χ q",
        against=("third-feature/published",),
    ),
    Claimed(
        statement="One spike lowers the losses by the published formula",
        derivation=("docs/theory.md, section 7", "theory/06_improvement.py"),
        tests={"improvement-one-spike": ("improvement.*",)},
    ),
    Claimed(
        statement="Two spikes lower the losses by the published formula",
        derivation=("docs/theory.md, section 7", "theory/06_improvement.py"),
        tests={
            **dict.fromkeys(("improvement-two-spikes", "two-spike-loss"), ("improvement.*",)),
            "headline": ("losses.*",),
        },
        correction="the formula with χ holds",
        against=(
            "improvement-two-spikes/published",
            "two-spike-loss/published",
            "headline/bare-monomial-losses",
        ),
    ),
    Claimed(
        statement="Training and test loss by step size, as in the figure of the paper",
        derivation=("docs/theory.md, section 4", "theory/08_resolvent_functional.py"),
        tests={"loss-figure": ("losses.*",), "headline": ("losses.*",)},
    ),
)


def paper_table(results: Sequence[CaseResult]) -> list[dict[str, Any]]:
    """The claims with what came out of the cases that are there, JSON-ready; None where none of them is."""
    own = {result.case.name: result for result in results if _is_built_in(result.case)}
    return [_outcome(claimed, own) for claimed in CLAIMS]


def _is_built_in(case: Case) -> bool:
    """Whether a case is the built-in one of its name, in full or quick: a copy may have been changed."""
    if case.name not in built_in_cases():
        return False
    full = Case.built_in(case.name)
    return case.model_copy(update={"seed": full.seed}) in (full, full.quickened())


def _outcome(claimed: Claimed, found: Mapping[str, CaseResult]) -> dict[str, Any]:
    tried = [
        control.rejected
        for place in claimed.against
        for case, _, name in [place.partition("/")]
        if case in found
        for control in found[case].controls
        if control.control.name == name
    ]
    held = _verdict(claimed.tests, found)
    published, corrected = (_published(tried), held) if claimed.against else (held, None)
    cases = dict.fromkeys((*claimed.tests, *(place.partition("/")[0] for place in claimed.against)))
    return {
        "statement": claimed.statement,
        "derivation": list(claimed.derivation),
        "cases": list(cases),
        "verdict": published,
        "tried": len(tried),
        "rejected": sum(tried),
        "correction": claimed.correction,
        "corrected_verdict": corrected,
    }


def _published(tried: Sequence[bool]) -> Conclusion | None:
    """Verdict on the published prediction: it disagrees when every trial of it was rejected."""
    if not tried:
        return None
    return Conclusion(Verdict.DISAGREES if all(tried) else Verdict.INCONCLUSIVE)


def _verdict(tests: Mapping[str, Sequence[str]], found: Mapping[str, CaseResult]) -> Conclusion | None:
    """Verdict on the rows of some quantities, and on the fits to them, in the cases that are there."""
    parts: list[Conclusion] = []
    for case, patterns in tests.items():
        if case not in found:
            continue
        result = found[case]
        scaling = result.scaling
        rows = [row for point in result.points for row in point.comparison.rows]
        parts.append(conclude(row for row in rows if matches(row.quantity, patterns)))
        if scaling is not None:
            fits: Sequence[RateFit | LimitFit] = (*scaling.rates, *scaling.limits)
            own = [fit.verdict for fit in fits if matches(fit.quantity, patterns)]
            parts += [Conclusion.on_all(own)] if own else []
    return Conclusion.on_all(parts, sum(part.exceptions for part in parts)) if parts else None
