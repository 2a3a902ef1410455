import pickle

import pytest

from rmt_spikes.errors import CaseError, ConvergenceError, DomainError, RmtSpikesError, Word, shorten


def test_a_domain_error_says_what_was_required_what_came_and_what_to_do() -> None:
    error = DomainError("ridge", "must be > 0", -1.0, "the theory needs a positive ridge")
    assert str(error) == "ridge: must be > 0, got -1.0; the theory needs a positive ridge"
    assert (error.field, error.required, error.given) == ("ridge", "must be > 0", -1.0)
    assert error.advice == "the theory needs a positive ridge"
    assert error.reason == str(error).removeprefix("ridge: ")


@pytest.mark.parametrize(
    ("file", "key", "text"),
    [("a/b.toml", "n", "a/b.toml: n: bad"), (None, "n", "n: bad"), ("f", "", "f: bad"), (None, "", "bad")],
)
def test_a_case_error_names_the_file_and_the_key_that_it_knows(file: str | None, key: str, text: str) -> None:
    error = CaseError(file, key, "bad")
    assert str(error) == text
    assert (error.file, error.key) == (file, key)


def test_a_convergence_error_carries_the_last_iterate() -> None:
    error = ConvergenceError("no fixed point", residual=0.25, last=[1, 2])
    assert str(error) == "no fixed point (residual 0.25)"
    assert (error.residual, error.last) == (0.25, [1, 2])


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (DomainError("n", "must be > 0", 0, "give more"), ValueError),
        (ConvergenceError("no", residual=0.5, last=(1,)), RuntimeError),
        (CaseError("f", "k", "m"), ValueError),
    ],
)
def test_errors_have_two_bases_and_come_back_whole_from_another_process(
    error: Exception, builtin: type
) -> None:
    assert isinstance(error, RmtSpikesError)
    assert isinstance(error, builtin)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


@pytest.mark.parametrize(
    "given",
    ["x" * 200_000, b"x" * 200_000, list(range(10_000)), 10**5000, {"a": "y" * 5000}, "a\nb\tc\x1b[31m" * 50],
    ids=lambda given: type(given).__name__,
)
def test_what_came_is_shown_on_one_short_line(given: object) -> None:
    shown = shorten(given)
    assert len(shown) <= 80
    assert shown.isprintable()


def test_an_object_without_a_repr_does_not_hide_the_message() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError

    assert str(DomainError("n", "must be > 0", Hostile())) == "n: must be > 0, got <Hostile>"


def test_shortening_keeps_both_ends_and_a_word_has_no_quotes() -> None:
    assert shorten("abcdefghijklmnop", 12) == "'abc...mnop'"
    assert shorten("short") == "'short'"
    assert str(DomainError("n", "must be > 0", Word("nothing"))) == "n: must be > 0, got nothing"


def test_messages_stay_below_300_characters_and_a_long_path_keeps_its_end() -> None:
    assert len(str(DomainError("field", "must " * 100, "given", "advice " * 100))) < 300
    assert len(str(CaseError("directory/" * 500 + "case.toml", "key", "message " * 100))) < 300
    error = CaseError("directory/" * 50 + "case.toml", "key", "bad")
    assert str(error).endswith("case.toml: key: bad")
    assert error.file == "directory/" * 50 + "case.toml"
