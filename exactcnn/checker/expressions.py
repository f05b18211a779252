"""User-defined activations (FORMAT.md, 2 and 5.1): an expression in t, parsed, evaluated on intervals and over Q."""

import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import isqrt
from typing import Any

from .intervals import INCREASING, Interval, over, pi, plus, rational, rising, squared, tanh, times
from .outcome import Malformed, Rejected, show

TOKEN = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]+)?)|([A-Za-z]+)|(\*\*|[-+*/(),]))")
# Operations that keep a function real analytic on all of R; a quotient only by a non-zero constant.
FUNCTIONS = ("exp", "log", "atan", "erf", "sqrt", "tanh")
ENTIRE = ("num", "pi", "t", "+", "*", "neg", "exp", "atan", "erf", "tanh")
Tree = tuple[Any, ...]


@cache
def parse(text: str) -> Tree:
    """Nested tuples (operation, operands..); Malformed for anything else than the grammar of FORMAT.md."""
    if len(text) > 1000:
        raise Malformed("expression: longer than 1000 characters")
    tokens, at = list[str](), 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if match is None:
            raise Malformed(f"expression: {show(text[at:])} cannot be read")
        tokens.append(match.group(0).strip())
        at = match.end()
    tokens.append("")
    place = 0

    def take(*wanted: str) -> str:
        nonlocal place
        token = tokens[place]
        if wanted and token not in wanted:
            return ""
        place += 1
        return token

    def total() -> Tree:
        left = product()
        while sign := take("+", "-"):
            left = ("+", left, product() if sign == "+" else ("neg", product()))
        return left

    def product() -> Tree:
        left = signed()
        while sign := take("*", "/"):
            left = (sign, left, signed())
        return left

    def signed() -> Tree:
        if sign := take("+", "-"):
            return signed() if sign == "+" else ("neg", signed())
        base = atom()
        return ("**", base, signed()) if take("**") else base

    def atom() -> Tree:
        token = take()
        if token[:1].isdigit():
            return ("num", Fraction(token))
        if token in ("t", "pi"):
            return (token,)
        if token == "E":
            return ("exp", ("num", Fraction(1)))
        if token != "(" and not (token in FUNCTIONS and take("(")):
            raise Malformed(f"expression: {show(token)} is not known to this checker at this place")
        inner = total()
        if not take(")"):
            raise Malformed("expression: a closing parenthesis is missing")
        return inner if token == "(" else (token, inner)

    tree = total()
    if take():
        raise Malformed("expression: something follows its end")
    return tree


def constant(tree: Tree) -> Fraction | None:
    """The value of a tree that consists of numbers, signs and + * / only."""
    if tree[0] == "num":
        return Fraction(tree[1])
    values = [constant(part) for part in tree[1:]] if tree[0] in ("neg", "+", "*", "/") else [None]
    if None in values or (tree[0] == "/" and not values[1]):
        return None
    a, b = Fraction(values[0] or 0), Fraction(values[-1] or 0)
    return {"neg": -a, "+": a + b, "*": a * b}[tree[0]] if tree[0] != "/" else a / b


def varies(tree: Tree) -> bool:
    """Certainly not constant: its values at two of the points 0, 1, 2, 3 are different."""
    values = [enclose(tree, (n << 128, n << 128), 128) for n in range(4)]
    return any(x[1] < y[0] or y[1] < x[0] for x in values for y in values)


def is_entire(tree: Tree) -> bool:
    """Certainly real analytic on all of R, by its form alone."""
    op = tree[0]
    if op in ("num", "pi", "t"):
        return True
    if op == "**":
        exponent = constant(tree[2])
        return is_entire(tree[1]) and exponent is not None and exponent.denominator == 1 and exponent >= 0
    if op == "/":
        return is_entire(tree[1]) and bool(constant(tree[2]))
    return op in ENTIRE and all(map(is_entire, tree[1:]))


def enclose(tree: Tree, t: Interval, w: int) -> Interval:
    op = tree[0]
    if op == "t":
        return t
    if op == "num":
        return rational(tree[1].numerator, tree[1].denominator, w)
    if op == "pi":
        return (pi(w + 64) >> 64) - 1, (pi(w + 64) >> 64) + 2
    if op == "**":
        exponent = constant(tree[2])
        if exponent is None or exponent.denominator > 1 or not 0 <= exponent <= 64:
            raise Rejected("expression: only powers with an exponent 0, 1, .., 64 are known to this checker")
        return power(enclose(tree[1], t, w), exponent.numerator, w)
    values = [enclose(part, t, w) for part in tree[1:]]
    if op == "neg":
        return -values[0][1], -values[0][0]
    if op in INCREASING:
        return rising(op, values[0], w)
    binary: dict[str, Callable[[], Interval]] = {
        "+": lambda: plus(values[0], values[1]), "*": lambda: times(values[0], values[1], w),
        "/": lambda: over(values[0], values[1], w), "tanh": lambda: tanh(values[0], w)}
    return binary[op]()


def power(x: Interval, n: int, w: int) -> Interval:
    if n == 0:
        return 1 << w, 1 << w
    half = power(squared(x, w), n // 2, w)
    return times(half, x, w) if n % 2 else half


# Outer functions where they are rational: the argument, the value and the derivative there.
SPECIAL = {"exp": (0, 1, 1), "log": (1, 0, 1), "tanh": (0, 0, 1), "atan": (0, 0, 1)}


def exact(tree: Tree, t: Fraction, path: str) -> tuple[Fraction, Fraction]:
    """The value and the derivative at a rational t, by dual numbers over Q; Rejected where they are not known."""
    op = tree[0]
    if op == "**" and tree[1] == ("exp", ("num", 1)):
        op, tree = "exp", ("exp", tree[2])
    if op in ("num", "t"):
        return (t, Fraction(1)) if op == "t" else (tree[1], Fraction(0))
    pairs = [exact(part, t, path) for part in (tree[1:2] if op == "**" else tree[1:])]
    (x, dx), (y, dy) = (*pairs, *pairs)[:2] if pairs else ((t, t), (t, t))
    n, root, found = constant(tree[2]) if op == "**" else Fraction(-1), Fraction(0), None
    if op in ("+", "neg"):
        found = (x + y, dx + dy) if op == "+" else (-x, -dx)
    elif op == "*":
        found = x * y, dx * y + x * dy
    elif op == "/" and y:
        found = x / y, (dx * y - x * dy) / (y * y)
    elif op == "**" and n is not None and n.denominator == 1 and abs(n) <= 64 and (x or n >= 0):
        found = x ** int(n), n * x ** int(n - 1) * dx if n else Fraction(0)
    elif op == "sqrt" and x > 0:
        root = Fraction(isqrt(x.numerator), isqrt(x.denominator))
        found = (root, dx / (2 * root)) if root * root == x else None
    elif op in SPECIAL and x == SPECIAL[op][0]:
        found = Fraction(SPECIAL[op][1]), SPECIAL[op][2] * dx
    if found is None or any(max(q.numerator.bit_length(), q.denominator.bit_length()) > 2**14 for q in found):
        raise Rejected(f"{path}: custom has no value and derivative there that are known to be rational")
    return found
