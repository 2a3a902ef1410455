"""Commands: predict, simulate, observe, validate, plot, derive.

Only typer is imported here at once: everything else waits for the command that needs it.
"""

from __future__ import annotations

import itertools
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmt_spikes.console.exits import INTERNAL_ERROR, reporting
from rmt_spikes.errors import CaseError, DomainError, Word

if TYPE_CHECKING:
    from rmt_spikes.setting import Setting

app = typer.Typer(
    name="rmt-spikes",
    help="Random matrix theory of one gradient step: predict, simulate, observe, validate, plot, derive.",
    epilog="Exit status: 0 agrees, but for known exceptions, if any (or done), 1 disagrees, 2 bad input, "
    "3 inconclusive (or no convergence).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SettingFile = Annotated[
    Path,
    typer.Argument(metavar="SETTING.toml", help="A setting, or a case with [setting]; - is standard input."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a key of the setting; repeatable."),
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Simulate on the dask cluster of this scheduler.")
]
Top = Annotated[
    int | None, typer.Option(help="Number of leading singular vectors.  [default: 5, or all if fewer]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def _print_version(asked: bool) -> None:
    if asked:
        from rmt_spikes import __version__

        typer.echo(f"rmt-spikes {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Options of every command."""


@app.command()
def predict(
    setting: SettingFile,
    overrides: Overrides = None,
    method: Annotated[str | None, typer.Option(help="uniform, closed_form or limit.")] = None,
    features: Annotated[
        str, typer.Option(help="corrected, or a theory that leaves out something.")
    ] = "corrected",
    digits: Annotated[
        int | None, typer.Option(help="Significant digits, 16 to 300, of the closed form.  [default: double]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict spectrum, spikes, features and losses of a setting."""
    with reporting():
        from rmt_spikes.console.tables import print_precise, print_prediction
        from rmt_spikes.theory import predict as predict_setting

        what = _read_setting(setting, overrides)
        options: dict[str, Any] = {"method": method, "features": features, "digits": digits}
        document = predict_setting(what, **options).to_dict()
        _show(document, as_json, print_prediction if digits is None else print_precise)


@app.command()
def simulate(
    setting: SettingFile,
    overrides: Overrides = None,
    trials: Annotated[int, typer.Option(min=1, help="Number of independent trials.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Seed; it and its number determine a trial.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    top: Top = None,
    spectrum: Annotated[
        str,
        typer.Option(
            help="full; top: the top singular values alone, by iterations; density: and an estimate of the "
            "bulk's density, in the JSON document."
        ),
    ] = "full",
    precision: Annotated[
        str, typer.Option(help="double or single: of the products with the inputs.")
    ] = "double",
    memory: Annotated[
        float | None,
        typer.Option(
            metavar="BYTES",
            help="What the arrays of all jobs may take, or those of each worker; 2e9 is 2 GB.  [default: "
            "half of the free memory, or what the limits of the workers leave]",
        ),
    ] = None,
    scheduler: Scheduler = None,
    spread: Annotated[
        bool,
        typer.Option(
            "--spread", help="Each trial over all workers of the scheduler; with --spectrum top or density."
        ),
    ] = False,
    weights: Annotated[
        bool, typer.Option("--weights", help="Decompose the trained first layer as well.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate a setting exactly: the same quantities, observed, with standard errors."""
    with reporting():
        from rmt_spikes.console.progress import Progress, shown_progress
        from rmt_spikes.console.tables import print_observation
        from rmt_spikes.simulation import simulate as simulate_setting

        what = _read_setting(setting, overrides)
        with shown_progress() as show:
            show(Progress("simulating", 0, trials))
            finished = itertools.count(1)

            def one_more(_: object) -> None:
                show(Progress("simulating", next(finished), trials))

            observation = simulate_setting(
                what,
                trials=trials,
                seed=seed,
                jobs=jobs,
                top=top,
                spectrum=spectrum,  # type: ignore[arg-type]
                precision=precision,  # type: ignore[arg-type]
                memory=memory,
                scheduler=scheduler,
                spread=spread,
                weights=weights,
                on_trial=one_more,
            )
        _show(observation.to_dict(), as_json, print_observation)


@app.command()
def observe(
    arrays: Annotated[
        Path, typer.Argument(metavar="ARRAYS.npz", help="Arrays of numpy, by the names of `rs.observe`.")
    ],
    setting: Annotated[
        Path | None, typer.Option(metavar="SETTING.toml", help="The setting of the network, if it is known.")
    ] = None,
    overrides: Overrides = None,
    ridge: Annotated[float | None, typer.Option(help="Ridge.  [default: that of the setting]")] = None,
    center: Annotated[float, typer.Option(help="Number that is subtracted from all features.")] = 0.0,
    top: Top = None,
    as_json: AsJson = False,
) -> None:
    """Measure a network from its own matrices: the same quantities, and what lies beyond the bulk."""
    with reporting():
        from rmt_spikes.console.documents import read_arrays
        from rmt_spikes.console.tables import print_measurement
        from rmt_spikes.simulation.observe import ARRAYS
        from rmt_spikes.simulation.observe import observe as observe_arrays

        if setting is None and overrides:
            raise DomainError("--set", "needs a setting to change", overrides[0])
        what = None if setting is None else _read_setting(setting, overrides)
        given = read_arrays(arrays, ARRAYS)
        if "features" not in given:
            raise CaseError(arrays, "features", "must be among the arrays")
        measured = observe_arrays(**given, ridge=ridge, center=center, top=top, setting=what)
        _show(measured.to_dict(), as_json, print_measurement)


@app.command()
def validate(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the report; a run found there is resumed.")
    ],
    cases: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|CASE.toml]...", help="Built-in cases by name, or files; without any, headline."
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every built-in case.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of processes.  [default: the processors]")
    ] = None,
    scheduler: Scheduler = None,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller and fewer: seconds, not minutes.")] = False,
    repetition: Annotated[
        int, typer.Option(min=0, max=1000, help="Number of the repetition: each has other random numbers.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Simulate the settings of a case, compare with the theory, and write a report."""
    reached = ""
    if everything and cases:
        raise typer.BadParameter(f"must be left out with --all, got {', '.join(cases)}", param_hint="cases")

    def kept() -> str:
        return f"{reached}Finished trials are kept in {out}; the same command continues."

    with reporting(kept):
        from rmt_spikes.console.progress import Progress, shown_progress
        from rmt_spikes.console.tables import print_report
        from rmt_spikes.validation import built_in_cases
        from rmt_spikes.validation import validate as validate_cases
        from rmt_spikes.validation.campaign.provenance import processors

        with shown_progress() as show:

            def follow(progress: Progress) -> None:
                nonlocal reached
                if progress.stage == "simulating":
                    reached = f"{progress.done} of {progress.total} trials of {progress.case} are finished. "
                show(progress)

            report = validate_cases(
                built_in_cases() if everything else cases or None,
                out=out,
                jobs=processors() if jobs is None else jobs,
                scheduler=scheduler,
                quick=quick,
                repetition=repetition,
                on_progress=follow,
            )
        _show(report.to_dict(), as_json, partial(print_report, page=report.html))
    raise typer.Exit(report.verdict.exit_status)


@app.command(
    epilog="Example: rmt-spikes plot losses setting.toml --against step_exponent=0:0.5:26 --trials 4 "
    "--out losses.pdf"
)
def plot(
    figure: Annotated[
        str,
        typer.Argument(
            metavar="FIGURE",
            help="spectrum, losses, features, residuals, phase_diagram, scaling or given.",
        ),
    ],
    setting: SettingFile,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Figure: .svg, .pdf or .png.")],
    overrides: Overrides = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A:B:N", help="N values of a key from A to B; twice for a phase_diagram."),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=0, help="Simulated networks.  [default: 8 where the figure compares, else none]"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulations.")] = 0,
    spike: Annotated[
        int | None, typer.Option(min=1, help="Number of the spike of `features`.  [default: 1]")
    ] = None,
    quantity: Annotated[
        str | None,
        typer.Option(
            help="Of a phase_diagram: spike_count or gain (of the test loss, by the step); of scaling: "
            "scatter or error.  [default: the first]"
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="As of predict.  [default: uniform; closed_form for the spike_count of a diagram]"),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of processes.  [default: the processors]")
    ] = None,
) -> None:
    """Draw a figure of a setting: what the theory predicts, and what simulations show."""
    with reporting():
        from rmt_spikes.console.progress import shown_progress
        from rmt_spikes.illustration import draw_file

        what = _read_setting(setting, overrides)
        with shown_progress() as show:
            options = {"trials": trials, "seed": seed, "spike": spike, "quantity": quantity, "method": method}
            draw_file(figure, what, out, against or (), jobs=jobs, on_progress=show, **options)
    sys.stdout.write(f"{out}\n")


@app.command()
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
                _print_json({"schema": "rmt-spikes/quantities/1", "quantities": names})
            else:
                sys.stdout.write(symbolic.listing())
            return
        formula = symbolic.derive(quantity, **given)
        if as_json:
            _print_json(formula.to_dict())
        elif latex:
            sys.stdout.write(formula.latex() + "\n")
        else:
            sys.stdout.write(formula.description())


def main() -> None:
    """Run the command line; the entry point `rmt-spikes`.

    An error of the program itself leaves its traceback and status 70; 1 says that theory and simulation
    disagree.
    """
    try:
        app(prog_name="rmt-spikes")
    except Exception:
        traceback.print_exc()
        sys.exit(INTERNAL_ERROR)


def _read_setting(path: Path, overrides: list[str] | None) -> Setting:
    from rmt_spikes.setting import Setting

    return Setting.from_toml(path, overrides or ())


def _print_json(document: Any) -> None:
    from rmt_spikes.console.json_documents import to_json

    sys.stdout.write(to_json(document))


def _show(document: dict[str, Any], as_json: bool, tables: Callable[..., None]) -> None:
    """Print a document as JSON, or as tables."""
    from rich.console import Console

    if as_json:
        _print_json(document)
    else:
        tables(document, console=Console(highlight=False))


if __name__ == "__main__":
    main()
