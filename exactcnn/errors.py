"""Floor 0: the one tree of exceptions.

Three things must never be mistaken for one another:

* ``MalformedError``: something the user brought (a file, a spec, a certificate, an
  option) is not what it has to be.  The command line turns it into exit code 2.
* ``MisuseError``: a Python caller broke a function's contract.
* ``UndecidedError``: the question was well posed and no sound answer was found within
  the routes tried.  It is never a "no".

All messages have one shape: *field: expected X, found Y*.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["ExactCNNError", "MalformedError", "MisuseError", "UndecidedError", "shown"]

_LONGEST_FOUND = 160


def shown(value: object, how: Callable[[object], str] = repr) -> str:
    """``repr`` (or ``str``) of a hostile value: of an integer of 5,000 digits CPython refuses
    the decimal text, of a table nested 5,000 deep the recursion has no end.

    >>> shown([1]), shown(10**5000)
    ('[1]', 'an int too long to show')
    """
    try:
        return how(value)
    except (ValueError, RecursionError):
        return f"an {type(value).__name__} too long to show"


class ExactCNNError(Exception):
    """Base of every exception exactcnn raises on purpose."""


class _ExpectationError(ExactCNNError, ValueError):
    """``field`` was expected to be ``expected`` and was found to be ``found``."""

    def __init__(self, field: str, expected: str, found: object) -> None:
        self.field = " ".join(field.split())
        self.expected = " ".join(expected.split())
        text = " ".join(shown(found, str).split())
        self.found = text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 3] + "..."
        super().__init__(self.field, self.expected, self.found)

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}, found {self.found}"


class MalformedError(_ExpectationError):
    """Input that cannot be read as what it has to be (exit code 2)."""


class MisuseError(_ExpectationError):
    """A Python argument outside a function's contract."""


class UndecidedError(ExactCNNError):
    """A well-posed question that no available route could decide."""
