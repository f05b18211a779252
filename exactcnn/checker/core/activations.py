"""Activations, a row each (FORMAT.md, sections 2.3 and 5): everything that is known of one stands in its row.

A function is given by a *tree*, nested tuples (operation, operands..) over "t", numbers and parameters, which is evaluated
in any arithmetic; or by a *polygon*, constant + slope t + sum of change max(t - kink, 0), which is rational.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .grammar import Fields, Reader, integer, number, positive, record
from .intervals import INCREASING, Intervals
from .outcome import Malformed, Rejected, show

Tree = Any
Polygon = tuple[Any, Any, list[tuple[Any, Any]]]  # constant, slope, [(kink, change)]


@dataclass(frozen=True)
class Row:
    """`traits`: analytic (on R), steep (strictly monotone, differentiable, no zero of the derivative); limits or growth, which
    part of Assumption 3.2 holds; step or ramp, what sigma(a t), scaled, tends to; total, a number for every t; exponential, at
    rational t a rational function of e^t or e^(t^2).  `mirror` (a, b, c): sigma(-s) = a sigma(s) + b + c s; `zero`: sigma(0),
    where rational."""

    parameters: dict[str, Reader]
    traits: str
    tree: Tree = None
    polygon: Callable[..., Polygon] | None = None  # of the parameters, in their order
    mirror: tuple[int, int, int] | None = None
    zero: Fraction | None = None


ODD, MIRRORED, NOTHING, HALF, MINUS_ABS = (-1, 0, 0), (1, 0, -1), Fraction(0), Fraction(1, 2), ("*", -1, ("abs", "t"))
ALPHA, SLOPE, LOGISTIC = {"alpha": positive()}, {"slope": positive(below=1)}, ("sigmoid", "t")
TABLE = {
    "identity": Row({}, "analytic steep", polygon=lambda: (0, 1, [])),
    "relu": Row({}, "growth", polygon=lambda: (0, 0, [(0, 1)])),
    "leaky_relu": Row(SLOPE, "", polygon=lambda s: (0, s, [(0, 1 - s)])),
    "prelu": Row({"slope": number}, "", polygon=lambda s: (0, s, [(0, 1 - s)])),
    "relu6": Row({}, "limits", polygon=lambda: (0, 0, [(0, 1), (6, -1)])),
    "hardtanh": Row({"low": number, "high": number}, "", polygon=lambda a, b: (a, 0, [(a, 1), (b, -1)])),
    "square": Row({}, "analytic", ("**", "t", 2)),
    "sigmoid": Row({}, "analytic steep limits step exponential", LOGISTIC, None, (-1, 1, 0), HALF),
    "sigmoid2": Row({}, "analytic steep limits step", ("sigmoid", ("*", "ln2", "t")), None, (-1, 1, 0), HALF),
    "tanh": Row({}, "analytic steep exponential", ("+", ("*", 2, ("sigmoid", ("*", 2, "t"))), -1), None, ODD, NOTHING),
    "softplus": Row(ALPHA, "analytic steep growth ramp", ("/", ("softplus", ("*", "alpha", "t")), "alpha"), None, MIRRORED),
    "silu": Row({}, "analytic growth ramp exponential", ("*", "t", LOGISTIC), None, MIRRORED, NOTHING),
    "gelu": Row({}, "analytic growth ramp", ("*", "t", ("/", ("+", 1, ("erf", ("/", "t", ("sqrt", 2)))), 2)), None, MIRRORED,
                NOTHING),
    "mish": Row({}, "analytic growth ramp", ("*", "t", ("+", ("*", 2, ("sigmoid", ("*", 2, ("softplus", "t")))), -1)), zero=NOTHING),
    "elu": Row(ALPHA, "exponential", ("+", ("/", ("+", "t", ("abs", "t")), 2), ("*", "alpha", (
        "+", ("exp", ("/", ("+", "t", MINUS_ABS), 2)), -1))), zero=NOTHING),
    "gaussian": Row({}, "analytic limits exponential", ("exp", ("*", -1, ("**", "t", 2))), None, (1, 0, 0), Fraction(1)),
    "arctan": Row({}, "analytic steep", ("atan", "t"), None, ODD, NOTHING),
    "softsign": Row({}, "steep", ("/", "t", ("+", 1, ("abs", "t"))), None, ODD, NOTHING),
}


class Activation:
    """One of the table with its parameters, or a user's tree, of which only what its form shows is known."""

    def __init__(self, spec: Fields) -> None:
        self.spec, self.name = spec, str(spec["name"])
        self.values = [value for key, value in spec.items() if key not in ("name", "tree")]
        shown = "analytic" if self.name == "custom" and analytic(spec["tree"]) else ""
        self.row = Row({}, shown, spec.get("tree")) if self.name == "custom" else TABLE[self.name]
        self.traits = set(self.row.traits.split())
        self.traits |= {"total"} if self.name != "custom" or total(spec["tree"]) else set()
        self.traits |= {"steep"} if spec == {"name": "elu", "alpha": 1} else set()
        self.traits |= {"limits"} if self.name == "hardtanh" and 0 in self.values else set()
        self.polygon = self.row.polygon(*self.values) if self.row.polygon else None
        self.rational = self.polygon is not None or self.name == "square"
        self.label = self.name + "".join(f" {k} = {show(v)}" for k, v in spec.items() if k not in ("name", "tree"))

    def has(self, *traits: str) -> bool:
        return self.traits.issuperset(traits)

    def bounded(self, m: int) -> int:
        """A bound of |sigma(t)| for |t| <= m."""
        if self.polygon:
            constant, slope, kinks = self.polygon
            return int(1 + abs(constant) + m * abs(slope) + sum(abs(c) * (m + abs(k)) for k, c in kinks))
        low, high = evaluate(self.row.tree, (-m << 64, m << 64), Intervals(64), self.spec)
        return 1 + (int(max(-low, high)) >> 64)

    def symbol(self, n: int, d: int) -> tuple[int | None, int, int]:
        """(key, c, r): 2 d sigma(n / d) = c V_key + r, V_key an unknown number that depends on the key alone."""
        if n == 0 and self.row.zero is not None:
            return None, 0, int(2 * d * self.row.zero)
        if self.name == "elu" and n > 0:
            return None, 0, 2 * n
        if n < 0 and self.row.mirror is not None:
            a, b, c = self.row.mirror
            return -n, 2 * d * a, 2 * d * b - 2 * n * c
        return n, 2 * d, 0

    def images(self, ns: list[int], d: int, p: int, root: int | None, path: str) -> list[int]:
        """sigma(n / d) mod p, e^(1/d) (gaussian: e^(1/d^2)) going to the root, whose powers repeat mod p - 1 (Fermat)."""
        over, name = pow(d, -1, p), self.name
        if name == "softsign":
            return quotients(ns, [d + abs(n) for n in ns], p, path)
        if root is None or not self.has("exponential"):
            raise Rejected(f"{path}: {name} has no image mod a prime")
        if name == "gaussian":
            return [pow(root, -n * n % (p - 1), p) for n in ns]
        powers = [pow(root, (2 * n if name == "tanh" else n) % (p - 1), p) for n in ns]
        if name == "elu":
            a, b = self.values[0].as_integer_ratio()
            alpha = a * pow(b, -1, p) % p
            return [(n * over if n >= 0 else alpha * (e - 1)) % p for n, e in zip(ns, powers, strict=True)]
        tops = {"sigmoid": powers, "tanh": [e - 1 for e in powers]}.get(name)
        if name == "silu":
            tops = [n * over % p * e for n, e in zip(ns, powers, strict=True)]
        if tops is None:
            raise Rejected(f"{path}: {name} has no image mod a prime")
        return quotients(tops, [1 + e for e in powers], p, path)

    def denominators(self, d: int) -> int:
        """What a prime must not divide if sigma(n / d) is to have an image."""
        return d * (self.values[0].denominator if self.name == "elu" else 1)

    def varies(self) -> bool:
        """Certainly not constant: every one of the table, and a tree with different values at two of 0, 1, 2, 3."""
        if self.name != "custom":
            return True
        numbers = Intervals(128)
        values = [evaluate(self.row.tree, numbers.rational(Fraction(n)), numbers) for n in range(4)]
        return any(x[1] < y[0] for x in values for y in values)


def quotients(tops: list[int], bottoms: list[int], p: int, path: str) -> list[int]:
    """top / bottom mod p."""
    if any(bottom % p == 0 for bottom in bottoms):
        raise Rejected(f"{path}: a denominator of an entry vanishes mod {p}")
    return [top * pow(bottom, -1, p) % p for top, bottom in zip(tops, bottoms, strict=True)]


def evaluate(tree: Tree, t: Any, numbers: Any, parameters: Fields | None = None) -> Any:
    """The value of a tree in an arithmetic such as Intervals; Rejected where it has none."""
    if tree == "t":
        return t
    if tree in ("pi", "ln2"):
        return numbers.constant(tree)
    if type(tree) is str:
        return numbers.rational((parameters or {})[tree])
    if type(tree) is not tuple:
        return numbers.rational(Fraction(tree))
    op, *operands = tree
    if op == "**":
        return numbers.power(evaluate(operands[0], t, numbers, parameters), operands[1])
    values = [evaluate(each, t, numbers, parameters) for each in operands]
    if op in INCREASING:
        return numbers.function(op, *values)
    known = {"+": numbers.add, "*": numbers.mul, "/": numbers.div, "abs": numbers.absolute}
    if op not in known:
        raise Rejected(f"values of {op} are not known to this checker")
    return known[op](*values)


def analytic(tree: Tree) -> bool:
    """Certainly real analytic on all of R, by its form alone."""
    return total(tree) and not any(type(each) is tuple and each[0] in ("abs", "sin", "cos") for each in nodes(tree))


def total(tree: Tree) -> bool:
    """Certainly a number for every t, by its form alone."""
    if type(tree) is not tuple:
        return True
    op, *operands = tree
    safe = operands[-1] if op in ("/", "log", "sqrt") else operands[0] if op == "**" and operands[1] < 0 else 1
    return op != "pow" and signed(safe) == 2 and all(map(total, operands[:1] if op == "**" else operands))


def signed(tree: Tree) -> int:
    """2: positive everywhere by its form, 1: not negative, 0: not known."""
    if type(tree) is not tuple:
        return 2 if tree in ("pi", "ln2") or (type(tree) is not str and tree > 0) else 0
    op, *operands = tree
    if op in ("exp", "sigmoid", "softplus"):
        return 2
    if op == "**":
        return 2 if signed(operands[0]) == 2 else 1 if operands[1] % 2 == 0 and operands[1] >= 0 else 0
    if op in ("abs", "sqrt"):
        return max(1, signed(operands[0]) if op == "sqrt" else 1)
    signs = [signed(each) for each in operands]
    if op == "+":
        return max(signs) if min(signs) else 0
    return min(signs) if op in ("*", "/") else 0


def tree(value: Any, path: str, depth: int = 0) -> Tree:
    """A user's expression: "t", "pi", a number, or a list [operation, operands..] (FORMAT.md, section 2.3)."""
    if depth > 60:
        raise Malformed(f"{path}: nested too deeply")
    if value in ("t", "pi"):
        return value
    if type(value) is not list or not value:
        return number(value, path)
    op, *operands = value
    arity = {"+": 2, "*": 2, "/": 2, "**": 2, "abs": 1, "sin": 1, "cos": 1, "pow": 2, **dict.fromkeys(INCREASING, 1)}.get(
        op if type(op) is str else "")
    if arity is None or len(operands) != arity:
        raise Malformed(f"{path}: expected an operation and its operands, found {show(op)} with {len(operands)}")
    if op == "**":
        return op, tree(operands[0], path, depth + 1), integer(-64, 64)(operands[1], path)
    return (op, *(tree(each, path, depth + 1) for each in operands))


def activation(value: Any, path: str) -> Activation:
    """The reader of {"name": .., parameters..}."""
    name = value.get("name") if type(value) is dict else None
    if type(name) is not str or name not in (*TABLE, "custom"):
        raise Malformed(f"{path}: expected an activation with a name of {', '.join(TABLE)} or custom")
    parameters: dict[str, Reader] = {"tree": tree} if name == "custom" else TABLE[name].parameters
    spec = record({"name": lambda v, p: v, **parameters})(value, path)
    if name == "custom" and sum(1 for _ in nodes(spec["tree"])) > 500:
        raise Malformed(f"{path}.tree: more than 500 operations")
    if (name == "prelu" and spec["slope"] in (0, 1)) or (name == "hardtanh" and spec["low"] >= spec["high"]):
        raise Malformed(f"{path}: expected prelu with a slope other than 0 and 1, hardtanh with low < high")
    return Activation(spec)


def nodes(tree: Tree) -> Any:
    yield tree
    for each in tree[1:] if type(tree) is tuple else ():
        yield from nodes(each)

