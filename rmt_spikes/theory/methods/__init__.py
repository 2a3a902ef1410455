"""Methods: routes from a setting to the same quantities. A new one is a class and a row of `METHODS`."""

from __future__ import annotations

from rmt_spikes.arguments import choice
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.setting import Setting, require_setting
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.methods.base import Method
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.limit import Limit
from rmt_spikes.theory.methods.one_batch.solution import OneBatch
from rmt_spikes.theory.methods.uniform.solution import Uniform
from rmt_spikes.theory.realisation import Realisation, check_realisation

__all__ = [
    "CONTINUOUS",
    "METHODS",
    "ClosedForm",
    "Limit",
    "Method",
    "OneBatch",
    "Uniform",
    "look_up",
    "method_for",
]

METHODS: tuple[type[Method], ...] = (Uniform, ClosedForm, Limit, OneBatch)
"""Methods in double precision; the first for a second batch is its default."""

CONTINUOUS = tuple(method for method in METHODS if method.continuous)
"""Methods whose losses are smooth in the step size."""


def look_up(name: object, among: tuple[type[Method], ...] = METHODS, batch: str = "fresh") -> type[Method]:
    """Method of a name; None is the default for a second batch.

    Raises
    ------
    DomainError
        If there is no such method.
    """
    by_name = {method.name: method for method in among}
    if name is None:
        return next(method for method in among if method.second_batch == batch)
    return by_name[choice("method", name, by_name)]


def method_for(
    setting: Setting,
    name: str | None,
    features: str,
    given: Realisation | None = None,
    digits: int | None = None,
) -> Method:
    """Method of a name for a setting, its arguments checked.

    Parameters
    ----------
    setting, name, features, given, digits
        As in `predict`.

    Raises
    ------
    DomainError
        If an argument is out of its domain, or does not go with another one.
    """
    require_setting(setting)
    name = ClosedForm.name if digits is not None and name is None else name
    kind = look_up(name, batch=setting.second_batch)
    theory = Features.of(features)
    if given is not None:
        if not kind.takes_given:
            came = Word(type(given).__name__)
            raise DomainError("given", f"must be None for the method {kind.name!r}", came, kind.given_advice)
        check_realisation(setting, given)
    if digits is None:
        method = kind(setting, theory, given)
        method.refuse_what_is_not_covered()
        return method
    # Ball arithmetic is loaded when it is asked for.
    from rmt_spikes.theory.methods.certified.solution import CertifiedClosedForm

    certified = CertifiedClosedForm(setting, theory.limit, None, digits)
    if kind.name != certified.name:
        advice = f"the method {kind.name!r} is solved in double precision"
        raise DomainError(
            "digits", f"must be left out unless the method is {certified.name!r}", digits, advice
        )
    if given is not None:
        raise DomainError(
            "given", "must be None with digits: a realisation is known in double precision", Word("one")
        )
    certified.refuse_what_is_not_covered()
    return certified
