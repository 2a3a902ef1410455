"""Examples and layout of the help of a command, and what is said of a wrong command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from rmt_spikes.console.exits import BAD_INPUT
from rmt_spikes.errors import shorten

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "predict": (
        ("predict setting.toml", "spectrum, spikes, features and losses, as tables"),
        ("predict setting.toml --explain", "the same, and what each row is"),
        ("predict setting.toml --set step_exponent=0.3 --set ridge=0.1", "some keys replaced"),
        ("predict setting.toml --weights", "the trained first layer as well"),
        ("predict setting.toml --method closed_form --digits 30", "any number of digits"),
        ("predict - --json < setting.toml", "from standard input, as one JSON document"),
    ),
    "simulate": (
        ("simulate setting.toml --trials 8 --jobs 2", "eight networks, in two processes"),
        ("simulate setting.toml --trials 2 --spectrum top --memory 2e9", "large ones, in 2 GB"),
        ("simulate setting.toml --weights --json", "the trained layer as well, as JSON"),
    ),
    "observe": (
        ("observe arrays.npz", "a network from its features alone"),
        ("observe arrays.npz --setting setting.toml --top 10", "more vectors, with a known setting"),
    ),
    "validate": (
        ("validate --out report", "the headline case, some minutes"),
        ("validate second-feature --quick --out report", "a built-in case, small, in seconds"),
        ("validate mine.toml --out report --jobs 2", "a case of your own: see new-case"),
        ("validate --all --out campaign", "every built-in case, hours; continues where it was stopped"),
    ),
    "new-case": (
        ("new-case mine.toml", "write it"),
        ("validate mine.toml --quick --out report", "run it, small"),
    ),
    "plot": (
        ("plot spectrum setting.toml --trials 4 --out spectrum.svg", "theory and four networks"),
        ("plot losses setting.toml --against step_exponent=0:0.5:26 --out losses.pdf", "over a key"),
        ("plot features setting.toml --spike 2 --out features.svg", "what the second spike carries"),
        ("plot given setting.toml --trials 8 --out given.svg", "each network against its own prediction"),
    ),
    "explore": (
        ("explore", "print the address of a page on this machine; Ctrl-C ends it"),
        ("explore setting.toml --set ridge=0.1 --folder .", "start there; save to this folder"),
    ),
    "derive": (
        ("derive --list", "all quantities with their options"),
        ("derive improvement --spikes 2", "as an expression"),
        ("derive spike_location --latex", "for a paper"),
    ),
}
"""Lines and what they do, by command; a setting comes from docs/reference/case_file.md or new-case."""


class UsageFault(typer.BadParameter):
    """A fault of a command line, shown in one line: what is wrong, what came, and where help is."""

    def format_message(self) -> str:
        """Return the line without the name of the program."""
        return str(self.message)

    def show(self, file: Any = None) -> None:
        """Print the line on stderr."""
        typer.echo(f"rmt-spikes: {self.message}", file=file, err=True)


def _came(error: Any, arguments: Sequence[str]) -> str:
    """What stands on the command line for the option that an error is about."""
    names = [*getattr(getattr(error, "param", None), "opts", ())]
    for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
        option, equals, value = word.partition("=")
        if option in names and option.startswith("-"):
            return f", got {shorten(value if equals else following)}"
    return ""


@contextmanager
def _in_one_line(command: str, arguments: Sequence[str]) -> Iterator[None]:
    """Turn what typer says of a wrong command line, in several lines, into a `UsageFault`."""
    arguments = list(arguments)
    try:
        yield
    except UsageFault:
        raise
    except Exception as error:
        if getattr(error, "exit_code", None) != BAD_INPUT or not hasattr(error, "format_message"):
            raise
        text = error.format_message().rstrip(".").replace("Input should be", "must be")
        text = text.partition(", unable to parse")[0]
        raise UsageFault(f"{text}{_came(error, arguments)}; see {command} --help") from None


class Group(TyperGroup):
    """The program: the choice of a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before the command; without any word, print the help."""
        if not args:
            return list(super().parse_args(ctx, args))
        with _in_one_line(ctx.command_path, args):
            return list(super().parse_args(ctx, args))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command of a name."""
        with _in_one_line(ctx.command_path, args):
            return super().resolve_command(ctx, args)


class Command(TyperCommand):
    """A command whose help shows its examples line by line, and no Python types of arguments."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            if isinstance(parameter, TyperArgument):
                # What an argument is named says what it is.
                setattr(parameter, "display_type_rich", lambda ctx: None)  # noqa: B010

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read arguments and options."""
        with _in_one_line(ctx.command_path, args):
            return list(super().parse_args(ctx, args))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        examples = EXAMPLES.get(self.name or "", ())
        if examples:
            with formatter.section("Examples"):
                for line, what in examples:
                    formatter.write(f"  rmt-spikes {line}\n      {what}\n")


def register(app: typer.Typer, function: Callable[..., Any], name: str | None = None) -> None:
    """Add a command, with its examples."""
    app.command(name, cls=Command)(function)
