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

__all__ = ["ExactCNNError", "MalformedError", "MisuseError", "UndecidedError"]

_LONGEST_FOUND = 160


class ExactCNNError(Exception):
    """Base of every exception exactcnn raises on purpose."""


class _ExpectationError(ExactCNNError, ValueError):
    """``field`` was expected to be ``expected`` and was found to be ``found``."""

    def __init__(self, field: str, expected: str, found: object) -> None:
        self.field = field
        self.expected = expected
        text = " ".join(str(found).split())
        self.found = text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 3] + "..."
        super().__init__(field, expected, self.found)

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}, found {self.found}"


class MalformedError(_ExpectationError):
    """Input that cannot be read as what it has to be (exit code 2)."""


class MisuseError(_ExpectationError):
    """A Python argument outside a function's contract."""


class UndecidedError(ExactCNNError):
    """A well-posed question that no available route could decide."""
