"""What a check can end in.

Malformed, Rejected and TooMuch are the only exceptions raised on purpose; anything else that escapes from a rule is a
fault of this program and is reported as such, never as VERIFIED.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from numbers import Rational
from typing import Any

VERIFIED, REJECTED, MALFORMED, INTERNAL = "VERIFIED", "REJECTED", "MALFORMED", "INTERNAL ERROR"
MOST_BITS = 2**17  # of the numerators and the denominator at a node
NOT_CHECKED = "NOT CHECKED"  # nothing is known about the certificate: it may be right or wrong
EXIT_CODES = {VERIFIED: 0, REJECTED: 1, MALFORMED: 2, NOT_CHECKED: 2, INTERNAL: 70}


class Malformed(Exception):  # noqa: N818
    """The file is not a certificate of this format."""


class Rejected(Exception):  # noqa: N818
    """The certificate is well-formed, but a claim is not established by its evidence."""


class TooMuch(Exception):  # noqa: N818
    """Beyond what this checker takes on; the certificate may be right or wrong."""


@dataclass
class Verdict:
    """The outcome for one certificate; `claims` lists what was verified, and nothing more."""

    outcome: str
    reason: str
    claims: list[str] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    error_bound: str | None = None
    instance: dict[str, str] = field(default_factory=dict)


def require(condition: bool, path: str, message: str) -> None:
    if not condition:
        raise Rejected(f"{path}: {message}")


def common(values: Iterable[Rational]) -> int:
    """The least common denominator."""
    found = 1
    for value in values:
        if (found := lcm(found, value.denominator)).bit_length() > MOST_BITS:
            raise TooMuch("a common denominator of too many digits")
    return found


def show(value: Any) -> str:
    """A short ASCII form for messages: hostile text must not reach the terminal, nor huge numbers."""
    bits = max(map(int.bit_length, value.as_integer_ratio())) if isinstance(value, (int, Fraction)) else 0
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)} entries"
    text = json.dumps(value[:80]) if isinstance(value, str) else str(value) if bits <= 200 else ""
    if bits > 200 or (bits and len(text) > 90):  # a cut number would be another one
        return f"a number of {bits} bits"
    return text if len(text) <= 90 else text[:87] + '..'
