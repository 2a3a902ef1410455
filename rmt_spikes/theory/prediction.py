"""A prediction: its parts are computed when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import choice
from rmt_spikes.errors import ConvergenceError, DomainError, RmtSpikesError, Word
from rmt_spikes.setting import Setting
from rmt_spikes.theory.accuracy.bars import bulk_of, losses_of, spikes_of, warn_if_large
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.bulk.outliers import Outliers
from rmt_spikes.theory.bulk.weights import Weights
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import Latent
from rmt_spikes.theory.methods import method_for
from rmt_spikes.theory.methods.base import Method
from rmt_spikes.theory.picture import picture
from rmt_spikes.theory.results import LOSSES, Certificate, Losses, Regime, Spike
from rmt_spikes.values import Document, frozen, same, summary

Array = NDArray[np.float64]

GIVEN = NOTHING, FIRST_STAGE, BOTH_BATCHES = "none", "first_stage", "both_batches"
"""What a prediction may take as given."""

PARTS = ("losses", "spikes", "bulk")
"""Parts with a certificate of their own, cheapest first."""

STEP = "critical_step_size"
"""Key of a spike that its attributes do not have in the same form."""


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Document):
    """Everything the theory says about one setting, each part computed when it is first asked for.

    A part that fails raises `ConvergenceError`, which names it; the others stay usable. Predictions can be
    pickled, compared with ``==``, saved and loaded.
    """

    solution: Method
    parts: dict[str, Any] = field(default_factory=dict)
    schema: ClassVar[str] = "rmt-spikes/prediction/2"

    @property
    def setting(self) -> Setting:
        """What was predicted."""
        return self.solution.setting

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.solution.name

    @property
    def features(self) -> Features:
        """Theory of the features of spikes."""
        return self.solution.features

    @property
    def given(self) -> str:
        """What was taken as given: ``"none"``, ``"first_stage"`` or ``"both_batches"``."""
        if "given" in self.parts:
            return str(self.parts["given"])
        given = self.solution.given
        if given is None:
            return NOTHING
        return FIRST_STAGE if given.q is None else BOTH_BATCHES

    @property
    def latent(self) -> Any:
        """Latent variables."""
        return self._part("latent", lambda: self.solution.latent)

    @property
    def regime(self) -> Regime:
        """Regime of the step size."""
        return cast(Regime, self._part("regime", lambda: self.solution.regime))

    @property
    def losses(self) -> Losses[Any]:
        """Losses of the ridge regression."""
        return cast(Losses[Any], self._part("losses", partial(losses_of, self.solution)))

    @property
    def spikes(self) -> tuple[Spike[Any], ...]:
        """Spikes outside the bulk by more than the Tracy-Widom fluctuations of its edge, largest first."""
        return cast(tuple[Spike[Any], ...], self._part("spikes", partial(spikes_of, self.solution)))

    @property
    def spike_count(self) -> int:
        """Number of spikes, which mostly costs less than they do."""
        if "spikes" in self.parts:
            return len(self.spikes)
        return min(self.solution.spike_count(), self.solution.most_spikes)

    @property
    def outliers(self) -> Outliers:
        """Values beyond the bulk that single samples of the first batch make; they are no spikes."""
        return cast(Outliers, self._part("outliers", self.solution.outliers))

    @property
    def bulk(self) -> Any:
        """Distribution of the other singular values."""
        return self._part("bulk", partial(bulk_of, self.solution))

    @property
    def weights(self) -> Weights:
        """Spectrum of the trained first layer; it is in `to_dict` once it has been asked for."""
        return cast(Weights, self._part("weights", self.solution.weights))

    @property
    def limits(self) -> dict[str, Losses[Any]] | None:
        """Losses as ``n`` grows in the regime of the step exponent, by features.

        None from step exponent 0.49 on, and where `theory.limits` has none.
        """
        return cast("dict[str, Losses[Any]] | None", self._part("limits", self.solution.limits))

    @property
    def certificate(self) -> Certificate:
        """Evidence that the equations were solved, for all parts together."""
        return cast(Certificate, self._part("certificate", self.solution.certificate))

    def _part(self, name: str, compute: Any) -> Any:
        if name not in self.parts:
            try:
                value = compute()
                if name in PARTS:
                    self.solution.evidence_of(name).check()
                    warn_if_large(self.solution, name, value)
            except ConvergenceError as error:
                message = f"{name}: {error.message}"
                raise ConvergenceError(message, residual=error.residual, last=error.last) from error
            self.parts[name] = frozen(value)
        return self.parts[name]

    def compute(self, *, weights: bool = False) -> Self:
        """Compute every part now.

        Parameters
        ----------
        weights
            Whether the spectrum of the trained first layer is among them.

        Raises
        ------
        ConvergenceError
            If one fails.
        """
        names = ("bulk", "spikes", "outliers", "losses", "latent", "regime", "limits", "certificate")
        # What a method may refuse comes first.
        for name in ("weights", *names) if weights else names:
            getattr(self, name)
        return self

    def replace(self, **parts: Any) -> Self:
        """Return a prediction with some of its parts changed."""
        kept = {name: value for name, value in self.parts.items() if name != "document"}
        return type(self)(self.solution, {**kept, **parts, "changed": True})

    def __eq__(self, other: object) -> bool:
        """Whether the other one says the same of the same setting.

        Predictions that are computed are equal when their arguments are; changed and loaded ones are compared
        number by number.
        """
        if type(self) is not type(other):
            return False
        if not any({"changed", "loaded"} & each.parts.keys() for each in (self, other)):
            return self.solution == other.solution
        if (self.setting, self.method, self.features) != (other.setting, other.method, other.features):
            return False
        try:
            documents = [self.to_dict(), other.to_dict()]
        except ConvergenceError:
            return False
        if any("weights" not in each for each in documents):
            documents = [{k: v for k, v in each.items() if k != "weights"} for each in documents]
        return same(*documents)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((self.method, self.features, repr(self.setting)))

    def __repr__(self) -> str:
        """What was predicted and how, and the parts that are known."""
        how = f"method={self.method!r}, features={str(self.features)!r}"
        lines = [f"setting={summary(self.setting)}", how]
        if "losses" in self.parts:
            lines.append("losses " + ", ".join(map(self._with_bar, LOSSES)))
        if "spikes" in self.parts:
            values = ", ".join(map(_place, self.spikes))
            lines.append(f"spikes at {values}" if values else "no spikes")
        if "bulk" in self.parts:
            edges = ", ".join(f"[{float(a):.6g}, {float(b):.6g}]" for a, b in self.bulk.edges)
            lines.append(f"bulk on {edges}, atom at zero {float(self.bulk.atom_at_zero):.4g}")
        return "\n".join([f"{type(self).__name__}(", *(f"    {line}," for line in lines), ")"])

    def _repr_html_(self) -> str:
        """A table of the losses and spikes, and a small figure of the spectrum."""
        losses = ", ".join(map(self._with_bar, LOSSES))
        title = f"{self.method}, {self.features} features. Losses: {losses}."
        return picture(title, self.bulk, [float(spike.singular_value) for spike in self.spikes])

    def _with_bar(self, name: str) -> str:
        """A loss with its error bar, in a few digits."""
        error = getattr(self.losses.error, name, None)
        return f"{name} {float(getattr(self.losses, name)):.4g}" + (
            "" if error is None else f" ± {error:.2g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-ready (schema ``rmt-spikes/prediction/2``)."""
        if "document" not in self.parts:
            self.parts["document"] = self._document()
        document = dict(self.parts["document"])
        if "weights" in self.parts and "weights" not in document:
            document["weights"] = self.weights.to_dict()
        return deepcopy(document)

    def _document(self) -> dict[str, Any]:
        self.compute()
        limits, digits = self.limits, self.solution.digits
        return {
            "schema": self.schema,
            "setting": self.setting.to_dict(),
            "method": self.method,
            "features": str(self.features),
            "given": self.given,
            **({} if digits is None else {"digits": digits}),
            "hermite": {name: np.asarray(c).tolist() for name, c in self.solution.hermite.items()},
            "latent": self.latent.to_dict(),
            "regime": self.regime.to_dict(),
            "bulk": self.bulk.to_dict(),
            "spikes": [spike.to_dict() for spike in self.spikes],
            "outliers": self.outliers.to_dict(),
            "losses": self.losses.to_dict(),
            "limits": None if limits is None else {k: v.to_dict() for k, v in limits.items()},
            "certificate": self.certificate.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return a prediction with the numbers that `to_dict` wrote.

        Its functions, such as the density of the bulk, are computed again when they are asked for; given a
        realisation, which is not in the document, they are refused.

        Raises
        ------
        DomainError
            If the document is not of this schema, or lacks something.
        """
        cls.require_schema(document)
        try:
            method = method_for(
                Setting(**document["setting"]),
                document["method"],
                document["features"],
                digits=document.get("digits"),
            )
            known = {
                "given": choice("given", document["given"], GIVEN),
                "document": dict(document),
                "loaded": True,
            }
            return cls(method, known | cls._decoded(method, document))
        except RmtSpikesError:
            raise
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            what = Word(f"one with {type(error).__name__}: {error}")
            raise DomainError("document", "must be a prediction as `save` wrote it", what) from None

    @classmethod
    def _decoded(cls, method: Method, document: Mapping[str, Any]) -> dict[str, Any]:
        """The parts of a document whose numbers it has in full."""
        vectors = method if document["given"] == NOTHING else Forgotten(document["given"])
        spikes = (
            Spike(
                **_arrays(spike),
                index=index,
                vectors=vectors,
                known_step=spike[STEP],
            )
            for index, spike in enumerate(document["spikes"])
        )
        limits, width = document["limits"], document["setting"]["width"]
        bulk = Bulk.from_dict(document["bulk"], partial(_density, vectors))
        known = {}
        if "weights" in document:
            known["weights"] = Weights.from_dict(document["weights"], width, partial(_of_layer, vectors))
        return {
            **known,
            "latent": Latent(**document["latent"]),
            "losses": Losses.from_dict(document["losses"]),
            "spikes": tuple(spikes),
            "bulk": bulk,
            "outliers": Outliers.from_dict(document["outliers"], bulk, width),
            "limits": limits and {name: Losses.from_dict(losses) for name, losses in limits.items()},
            "certificate": Certificate.from_dict(document["certificate"]),
        }


def _arrays(spike: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and arrays of the document of a spike that its attributes have in the same form."""
    return {k: np.asarray(v) if isinstance(v, list) else v for k, v in spike.items() if k != STEP}


def _place(spike: Spike[Any]) -> str:
    """A singular value with its error bar, in a few digits."""
    value = f"{float(spike.singular_value):.6g}"
    return value if spike.error is None else f"{value} ± {spike.error:.2g}"


def _density(method: Any, x: Array) -> Array:
    """Density of a bulk that is computed again."""
    return np.asarray(method.bulk.density(x))


def _of_layer(method: Any, x: Array) -> Array:
    """Density of the bulk of a layer that is computed again."""
    return np.asarray(method.weights().bulk.density(x))


@dataclass(frozen=True)
class Forgotten:
    """Stands for the method of a loaded prediction whose realisation was not saved: it has no functions."""

    given: str

    def _refuse(self, *_: Any, **__: Any) -> Any:
        advice = "predict again, given the realisation"
        raise DomainError("given", "must be known for a density or a profile", self.given, advice)

    profile = right_profile = critical_step_size = weights = _refuse
    bulk = property(_refuse)


@dataclass(frozen=True, eq=False, repr=False)
class PrecisePrediction(Prediction):
    """The closed form of one setting to a number of digits.

    The attributes are those of `Prediction`; every number that is not an integer is an ``mpmath.mpf``, also
    in `latent`, `losses` and `limits`. Numbers of the setting are taken as the decimals that they
    spell.
    """

    schema: ClassVar[str] = "rmt-spikes/precise-prediction/1"

    @property
    def digits(self) -> int:
        """Significant digits that were asked for."""
        assert self.solution.digits is not None
        return self.solution.digits

    @property
    def hermite(self) -> Mapping[str, tuple[Any, ...]]:
        """Coefficients ``c_0, ..., c_8`` of activation and target."""
        return self.solution.hermite

    def _document(self) -> dict[str, Any]:
        """The keys are those of a prediction in double precision; real numbers are decimal strings.

        Enclosures are pairs of decimal strings, rounded outwards.
        """
        from rmt_spikes.theory.methods.certified.results import decimals, outward

        plain: dict[str, Any] = decimals(super()._document(), self.digits)
        enclosures = self.certificate.enclosures  # type: ignore[attr-defined]
        plain["enclosures"] = {
            "bulk.edges": [[outward(edge) for edge in pair] for pair in self.bulk.enclosures],
            **{name: outward(pair) for name, pair in enclosures.items()},
        }
        return plain

    @classmethod
    def _decoded(cls, method: Method, document: Mapping[str, Any]) -> dict[str, Any]:
        """Losses and limits; the rest is computed again when it is asked for."""
        limits: dict[str, Any] | None = document["limits"]
        return {
            "losses": _precise(document["losses"], method.digits),
            "limits": limits and {name: _precise(losses, method.digits) for name, losses in limits.items()},
        }


def _precise(document: Mapping[str, Any], digits: int | None) -> Losses[Any]:
    """Losses whose numbers are decimal strings of a number of digits; error bars are doubles."""
    from rmt_spikes.theory.methods.certified.results import numbers

    values = numbers({name: document[name] for name in LOSSES}, digits)
    return Losses.from_dict({**document, **values})
