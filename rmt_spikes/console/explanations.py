"""What each row of the tables is, in a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
"""Colours of a terminal."""


@dataclass(frozen=True)
class Explanation:
    """Meaning of a row or column of a table.

    Attributes
    ----------
    name
        As in the table.
    meaning
        A phrase.
    pattern
        Regular expression of a line that has it; one that begins with the name by default.
    """

    name: str
    meaning: str
    pattern: str = ""

    def is_in(self, text: str) -> bool:
        """Whether printed tables have it."""
        begins = rf"^(?:latent |losses )?{re.escape(self.name)}\b"
        return re.search(self.pattern or begins, text, re.MULTILINE) is not None


EXPLANATIONS = (
    Explanation("beta_norm2", "squared norm of the learnt direction X'r/n"),
    Explanation("beta_cosine", "cosine of the learnt direction and the teacher's"),
    Explanation("residual_energy", "mean square of a residual of the first batch"),
    Explanation("shift", "s: how far a row moves along the learnt direction, for a readout weight of 1"),
    Explanation(
        "inflation", "growth of the squared norm of a row beside the shift, for a readout weight of 1"
    ),
    Explanation("chi", "inflation over the square of the shift: spike 2 carries q^2 + chi as n grows"),
    Explanation("drift", "growth of a row along itself, for labels with a mean"),
    Explanation("initial_overlap", "cosine of the learnt direction and the initial output"),
    Explanation("objective", "mean squared residual of the ridge regression, plus its penalty"),
    Explanation("train", "mean squared residual of the ridge regression"),
    Explanation("test", "mean squared error on new samples, label noise included"),
    Explanation("sign_error", "share of new samples whose sign is predicted wrongly"),
    Explanation("error bar", "what the theory leaves out, for the mean over networks", r"\berror bar"),
    Explanation("value", "singular value of the features over the square root of the samples"),
    Explanation(
        "distance", "from the edge of the bulk, in Tracy-Widom units: clear from about 3", r"\bdistance"
    ),
    Explanation("critical_step", "step size at which the spike leaves the bulk"),
    Explanation(
        "He_k",
        "squared correlation of the left singular vector with He_k(q), q being what was learnt",
        r"^He_\d",
    ),
    Explanation("trained weights", "singular values of the trained first layer"),
    Explanation("teacher", "squared cosine of its right singular vector and the teacher", r"\bteacher$"),
    Explanation(
        "bulk quantile", "share of the singular values below the value; predictions leave spikes out"
    ),
    Explanation("bulk from", "holds all singular values but spikes and those of single samples"),
    Explanation("share of zeros", "singular values that are 0: more neurons than samples"),
    Explanation("limit", "what the losses tend to as n grows, by theory of the features"),
    Explanation(
        "certificate", "total of the bulk's distribution, 1 if solved; residual of the losses' equations"
    ),
    Explanation("beyond", "what the left vector of the value carries, with its squared correlation"),
    Explanation("agrees", "rows whose difference is inside its margin", r"^point\b"),
    Explanation("disagrees", "rows that differ by more than the theory is allowed at this size", r"^point\b"),
    Explanation("inconclusive", "rows of which neither can be told: more trials would", r"^point\b"),
    Explanation("wrong theory", "must be rejected on the same networks"),
    Explanation("known exception", "error of the theory that the case declares"),
)
"""In the order of the tables."""


def explained(text: str) -> list[Explanation]:
    """Explanations of what printed tables have."""
    plain = "\n".join(line.strip() for line in ESCAPES.sub("", text).splitlines())
    return [each for each in EXPLANATIONS if each.is_in(plain)]
