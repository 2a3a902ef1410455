"""The command `derive`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rmt_spikes.cli.options import AsJson, print_json
from rmt_spikes.console.exits import reporting
from rmt_spikes.errors import DomainError, Word


def derive(
    quantity: Annotated[
        str | None, typer.Argument(metavar="QUANTITY", help="Name of a formula; `derive --list` has all.")
    ] = None,
    spikes: Annotated[str | None, typer.Option(metavar="L", help="Number of spikes, or l.")] = None,
    degree: Annotated[
        str | None, typer.Option(metavar="K", help="Degree of a polynomial or a spike.")
    ] = None,
    features: Annotated[str | None, typer.Option(help="corrected or published.")] = None,
    loss: Annotated[str | None, typer.Option(help="objective or test.")] = None,
    intercept: Annotated[
        bool | None, typer.Option("--intercept", help="For an activation with a mean.", show_default=False)
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option(
            metavar="DEGREES", help="Hermite coefficients that are zero: even (odd activations), odd, or 3,5."
        ),
    ] = None,
    activation: Annotated[str | None, typer.Option(help="Activation of a Hermite expansion.")] = None,
    number: Annotated[str | None, typer.Option(metavar="I", help="Number of an equation.")] = None,
    everything: Annotated[
        bool, typer.Option("--list", help="List the quantities and their options.")
    ] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX and nothing else.")] = False,
    as_json: AsJson = False,
) -> None:
    """Derive a formula of the theory symbolically."""
    with reporting():
        if latex and as_json:
            advice = "the JSON document has the LaTeX as well"
            raise DomainError("--latex", "must be left out with --json", Word("both"), advice)
        from rmt_spikes.theory import symbolic

        whole = {"spikes": spikes, "degree": degree, "number": number}
        given = {k: int(v) if v.isdecimal() and v.isascii() else v for k, v in whole.items() if v is not None}
        words = {"features": features, "loss": loss, "intercept": intercept}
        words |= {"missing": missing, "activation": activation}
        given |= {k: v for k, v in words.items() if v is not None}
        if quantity is None or everything:
            if quantity is not None or given:
                raise DomainError("--list", "stands alone", quantity or ", ".join(given))
            if as_json:
                names = list(symbolic.quantities())
                print_json({"schema": "rmt-spikes/quantities/1", "quantities": names})
            else:
                sys.stdout.write(symbolic.listing())
            return
        formula = symbolic.derive(quantity, **given)
        if as_json:
            print_json(formula.to_dict())
        elif latex:
            sys.stdout.write(formula.latex() + "\n")
        else:
            sys.stdout.write(formula.description())
