"""What a check can end in, and the allowance of work and memory that keeps every check finite.

Malformed, Rejected and TooMuch are the only exceptions raised on purpose; anything else that escapes from a
rule is a fault of this program and is reported as such, never as VERIFIED.
"""

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

VERIFIED, REJECTED, MALFORMED, INTERNAL = "VERIFIED", "REJECTED", "MALFORMED", "INTERNAL ERROR"
NOT_CHECKED = "NOT CHECKED"  # nothing is known about the certificate: it may be right or wrong
EXIT_CODES = {VERIFIED: 0, REJECTED: 1, MALFORMED: 2, NOT_CHECKED: 2, INTERNAL: 70}
DEFAULT_WORK = 2 * 10**10  # one unit is about 40 ns of CPython: a quarter of an hour
MAX_CELLS = 4 * 10**7  # one cell is a Python integer in a list, about 40 bytes


class Malformed(Exception):  # noqa: N818
    """The file is not a certificate of this format."""


class Rejected(Exception):  # noqa: N818
    """The certificate is well-formed, but a claim is not established by its evidence."""


class TooMuch(Exception):  # noqa: N818
    """Checking needs more work or memory than is allowed; the certificate may be right or wrong."""


@dataclass
class Verdict:
    """The outcome for one certificate; `claims` lists what was verified, and nothing more."""

    outcome: str
    reason: str
    claims: list[str] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    error_bound: str | None = None
    instance: dict[str, str] = field(default_factory=dict)


def show(value: Any) -> str:
    """A short ASCII form for messages: hostile text must not reach the terminal, nor huge numbers."""
    if isinstance(value, (int, Fraction)) and max(map(int.bit_length, value.as_integer_ratio())) > 200:
        return f"a number of {max(map(int.bit_length, value.as_integer_ratio()))} bits"
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__} of {len(value)} entries"
    text = json.dumps(value[:80]) if isinstance(value, str) else str(value)
    return text if len(text) <= 90 else text[:87] + '.."'


class Budget:
    """Counts elementary operations over the whole certificate, and memory cells within one claim."""

    def __init__(self, limit: int) -> None:
        self.limit, self.spent, self.cells = limit, 0, 0

    def foresee(self, amount: int, what: str) -> None:
        """Refuse now what could not be paid later."""
        if (total := self.spent + amount) > self.limit:
            raise TooMuch(f"{what}: needs about {show(total)} operations, more than the limit "
                          f"{self.limit}; raise it with --max-work")

    def spend(self, amount: int, what: str) -> None:
        self.foresee(amount, what)
        self.spent += amount

    def hold(self, cells: int, what: str, bits: int = 64) -> None:
        """Account for a table of integers of the given size before it is built."""
        self.cells += cells * (1 + bits // 256)
        if self.cells > MAX_CELLS:
            raise TooMuch(f"{what}: needs {show(self.cells)} numbers in memory, more than {MAX_CELLS}")


def product_cost(bits: int, other: int) -> int:
    """Work units of one product of integers of these sizes (schoolbook multiplication)."""
    return 1 + bits * other // 8000
