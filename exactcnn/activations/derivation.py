"""Floor 1: what SymPy derives about a user's expression, in a process of its own.

``derive`` puts limits and a derivative to SymPy; ``derive_bounded`` does so in a child process
with a time limit, because a limit computation can run for hours and cannot be interrupted
from within.  Texts come and go in the grammar of ``expressions``, so whatever SymPy answers
in other terms (bounds of accumulation, complex numbers, unevaluated limits) is no answer.

SymPy's limits are derivations, not proofs that anyone re-checks: ``custom`` accepts one only
if certified balls far out agree with it.  SymPy is told that t is real, and is asked only
about expressions already shown to be defined on all of R, where its conventions for complex
powers and logarithms do not matter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

from exactcnn.activations.expressions import Node, parse_expression

__all__ = ["NOTHING", "Derivation", "derive", "derive_bounded"]

_SECONDS = 20
_MEMORY = 4 << 30  # bytes
_LONGEST = 20_000
_PROGRAM = "from exactcnn.activations.derivation import main; main()"


@dataclass(frozen=True)
class Derivation:
    """Limits at -inf and +inf, and that of sigma(t)/t at +inf ("oo", "-oo", an expression without
    t, or None), and several forms of the derivative, which are equal wherever all are defined."""

    minus: str | None = None
    plus: str | None = None
    slope: str | None = None
    derivatives: tuple[str, ...] = ()


NOTHING = Derivation()


def derive(expression: str) -> Derivation:
    """Ask SymPy, in this process and without a time limit."""
    return _collect(_answers(expression))


def derive_bounded(expression: str, seconds: float = _SECONDS) -> Derivation:
    """Ask SymPy in a child process; after ``seconds`` only what it has answered by then counts."""
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            input=expression.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            env=os.environ | {"PYTHONPATH": paths},
            check=False,
        )
        output = done.stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
    except OSError:  # no interpreter to start, no memory to start it in
        return NOTHING
    lines = output.split(b"\n")[:-1]  # what follows the last line feed may be cut
    return _collect(answer for answer in map(_read, lines) if answer is not None)


def main() -> None:
    """The child process: an expression on stdin, one JSON pair a line on stdout."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (4 * _SECONDS, 4 * _SECONDS))
    except (ImportError, OSError, ValueError):
        pass  # the parent's time limit remains
    for answer in _answers(sys.stdin.buffer.read().decode()):
        print(json.dumps(answer), flush=True)


def _read(line: bytes) -> tuple[str, str] | None:
    try:
        name, text = json.loads(line)
    except (ValueError, TypeError):  # something else wrote to stdout
        return None
    return (name, text) if isinstance(name, str) and isinstance(text, str) else None


def _collect(answers: Iterator[tuple[str, str]]) -> Derivation:
    limits: dict[str, str] = {}
    derivatives: list[str] = []
    for name, text in answers:
        if name == "derivative":
            derivatives.append(text)
        else:
            limits[name] = text
    return Derivation(limits.get("minus"), limits.get("plus"), limits.get("slope"), tuple(derivatives))


def _answers(expression: str) -> Iterator[tuple[str, str]]:
    import sympy

    t = sympy.Symbol("t", real=True)
    sigma = _to_sympy(parse_expression(expression), t)
    for name, function, end in (
        ("minus", sigma, -sympy.oo),
        ("plus", sigma, sympy.oo),
        ("slope", sigma / t, sympy.oo),
    ):
        text = _limit(function, t, end)
        if text is not None:
            yield name, text
    forms: tuple[Callable[[Any], Any], ...] = (
        lambda f: f,
        sympy.together,
        sympy.simplify,
        lambda f: sympy.factor(sympy.simplify(f)),
    )
    seen: set[str] = set()
    for form in forms:
        try:
            text = str(form(sympy.diff(sigma, t)))
        except Exception:  # SymPy fails in many ways, and none of them is an answer
            continue
        if text not in seen and len(text) <= _LONGEST:
            seen.add(text)
            yield "derivative", text


def _limit(function: Any, t: Any, end: Any) -> str | None:
    import sympy

    try:
        value = sympy.limit(function, t, end)
        if value in (sympy.oo, -sympy.oo):
            return str(value)
        if value.is_number and value.is_real and value.is_finite:
            return str(value)
    except Exception:  # SymPy fails in many ways, and none of them is an answer
        return None
    return None


def _to_sympy(node: Node, t: Any) -> Any:
    import sympy

    if node.value is not None:
        return sympy.Rational(node.value.numerator, node.value.denominator)
    if node.op in ("t", "pi"):
        return t if node.op == "t" else sympy.pi
    args = [_to_sympy(arg, t) for arg in node.args]
    if node.op == "div":
        return args[0] / args[1]
    names = {"add": "Add", "mul": "Mul", "pow": "Pow", "abs": "Abs", "max": "Max", "min": "Min"}
    function = getattr(sympy, names.get(node.op, node.op))
    return reduce(function, args) if len(args) > 1 else function(*args)
