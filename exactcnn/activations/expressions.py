"""Floor 1: expressions in one real variable t, read from a user's text without evaluating it.

A tokenizer and a precedence parser for exactly this grammar (Python's precedences, ``**``
binds to the right and tighter than a sign on its left):

    sum     = term (("+" | "-") term)*          term  = signed (("*" | "/") signed)*
    signed  = ("+" | "-") signed | power        power = atom ["**" signed]
    atom    = number | "t" | "pi" | "E" | function "(" sum ("," sum)* ")" | "(" sum ")"

Numbers are integers and decimals, and both are exact ("0.044715" is 44715/10^6).  Nothing is
ever handed to ``eval``, ``ast`` or SymPy's parser, and the size of everything is bounded
before it is computed: the text, the depth of the tree, literals, constant exponents and the
constants that arise when rational constants are folded.

Folding is only between rational constants, so an expression keeps its domain as written: t/t
stays a division by t, where a computer algebra system would answer 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from exactcnn.arithmetic.texts import json_integer, rational_text
from exactcnn.errors import MalformedError

__all__ = ["FUNCTIONS", "Node", "add", "div", "mul", "num", "parse_expression", "power"]

FUNCTIONS = ("exp", "log", "tanh", "sinh", "cosh", "sin", "cos", "atan", "sqrt", "erf", "abs", "Max", "Min")

_LONGEST = 1000  # characters of a user's text
_DEEPEST = 100  # levels of the tree, hence of every recursion over it
_LONGEST_NUMBER = 40  # digits of a literal
_LARGEST_EXPONENT = 64  # numerator and denominator of a constant exponent
_MOST_BITS = 4096  # of a folded constant

_TOKEN = re.compile(r"([0-9]+(?:\.[0-9]+)?)|([A-Za-z_][A-Za-z_0-9]*)|(\*\*|[-+*/(),])", re.ASCII)
_GRAMMAR = "an expression in t with numbers, pi, E, + - * / **, parentheses and " + ", ".join(FUNCTIONS)


@dataclass(frozen=True)
class Node:
    """``op``: num (with ``value``), t, pi, add, mul, div, pow, or a function in lower case.

    ``args`` are the operands; all operations but those four and max, min have one.
    """

    op: str
    args: tuple[Node, ...] = ()
    value: Fraction | None = None
    depth: int = field(init=False, compare=False, repr=False)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", 1 + max((arg.depth for arg in self.args), default=0))
        object.__setattr__(self, "_hash", hash((self.op, self.args, self.value)))

    def __hash__(self) -> int:
        """Computed once: nodes are keys wherever a tree is walked."""
        return self._hash

    @property
    def depends_on_t(self) -> bool:
        return self.op == "t" or any(arg.depends_on_t for arg in self.args)

    def constants(self) -> set[Fraction]:
        """All rational constants in the expression."""
        own = set() if self.value is None else {self.value}
        return own.union(*(arg.constants() for arg in self.args))

    def __str__(self) -> str:
        if self.op == "num":
            return f"({self.value})"
        if self.op in ("t", "pi"):
            return self.op
        infix = {"add": " + ", "mul": "*", "div": "/", "pow": "**"}.get(self.op)
        inner = (infix or ", ").join(map(str, self.args))
        return f"({inner})" if infix else f"{_SPELLING.get(self.op, self.op)}({inner})"

    def to_tree(self) -> Any:
        """FORMAT.md's tree of a custom activation: nested lists [operation, operands..].

        tanh, sinh, cosh, Max and Min are written by exp, sigmoid and abs; sin, cos and other powers stay
        as they are, which a checker can read but not evaluate.
        """
        if self.op in ("t", "pi"):
            return self.op
        if self.value is not None:
            return (
                rational_text(self.value)
                if self.value.denominator > 1
                else json_integer(self.value.numerator)
            )
        a, *rest = (arg.to_tree() for arg in self.args)
        half = "1/2"

        def minus(x: Any) -> list[Any]:
            return ["*", -1, x]

        if self.op in ("add", "mul", "div"):
            return [{"add": "+", "mul": "*", "div": "/"}[self.op], a, rest[0]]
        if self.op == "pow":
            exponent = self.args[1].value
            if self.args[0].op == "exp" and self.args[0].args[0].value == 1:
                return ["exp", rest[0]]
            if exponent is not None and exponent.denominator == 1 and abs(exponent) <= 64:
                return ["**", a, int(exponent)]
            return ["sqrt", a] if exponent == Fraction(1, 2) else ["pow", a, rest[0]]
        if self.op == "tanh":
            return ["+", ["*", 2, ["sigmoid", ["*", 2, a]]], -1]
        if self.op in ("sinh", "cosh"):
            falling = ["exp", minus(a)]
            return ["*", half, ["+", ["exp", a], falling if self.op == "cosh" else minus(falling)]]
        if self.op in ("max", "min"):
            total = a
            for b in rest:
                distance = ["abs", ["+", total, minus(b)]]
                total = ["*", half, ["+", ["+", total, b], distance if self.op == "max" else minus(distance)]]
            return total
        return [self.op, a]


_SPELLING = {"max": "Max", "min": "Min"}


class _TooLargeError(Exception):
    """A constant, an exponent or the tree is beyond its bound; says what."""


def num(value: int | Fraction) -> Node:
    value = Fraction(value)
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_BITS:
        raise _TooLargeError(f"a constant of more than {_MOST_BITS} bits")
    return Node("num", (), value)


def add(a: Node, b: Node) -> Node:
    if a.value is not None and b.value is not None:
        return num(a.value + b.value)
    return Node("add", (a, b))


def mul(a: Node, b: Node) -> Node:
    if b.value is not None:
        a, b = b, a  # a rational factor stands first
    if a.value is not None:
        if b.value is not None:
            return num(a.value * b.value)
        if a.value == 1:
            return b
        if b.op == "mul" and b.args[0].value is not None:
            return mul(num(a.value * b.args[0].value), b.args[1])
    return Node("mul", (a, b))


def div(a: Node, b: Node) -> Node:
    """_TooLargeError if b is the constant 0."""
    if b.value is not None:
        if b.value == 0:
            raise _TooLargeError("a division by the constant 0")
        return mul(num(1 / b.value), a)
    return Node("div", (a, b))


def power(base: Node, exponent: Node) -> Node:
    """base^exponent; E^x is exp(x).  A constant exponent is bounded."""
    n = exponent.value
    if n is None or base == _E:
        return Node("exp", (exponent,)) if base == _E else Node("pow", (base, exponent))
    if max(abs(n.numerator), n.denominator) > _LARGEST_EXPONENT:
        raise _TooLargeError(f"a constant exponent beyond {_LARGEST_EXPONENT}")
    if n == 1:
        return base
    if base.value is not None and n.denominator == 1:
        if base.value == 0 and n < 0:
            raise _TooLargeError("a division by the constant 0")
        return num(base.value ** int(n))
    return Node("pow", (base, exponent))


_T, _PI, _E = Node("t"), Node("pi"), Node("exp", (num(1),))


def parse_expression(text: str, field: str = "expression", *, longest: int = _LONGEST) -> Node:
    """The tree of a text in the grammar above; MalformedError, naming ``field``, for any other.

    >>> print(parse_expression("t/(1 + exp(-t))"))
    (t/((1) + exp(((-1)*t))))
    """
    if len(text) > longest:
        raise MalformedError(field, f"at most {longest} characters", f"{len(text)} characters")
    return _Parser(text, field).parse()


class _Parser:
    def __init__(self, text: str, field: str) -> None:
        self.text, self.field = text, field
        self.tokens = self._tokenize()
        self.next = 0
        self.level = 0

    def parse(self) -> Node:
        try:
            tree = self._bounded(self._sum())
        except _TooLargeError as problem:
            raise self._refuse(str(problem)) from None
        if self.next < len(self.tokens):
            raise self._refuse(self._here())
        return tree

    def _refuse(self, found: str) -> MalformedError:
        return MalformedError(self.field, _GRAMMAR, found)

    def _tokenize(self) -> list[tuple[str, int]]:
        tokens, position = [], 0
        while position < len(self.text):
            if self.text[position] in " \t\n":
                position += 1
                continue
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._refuse(f"{self.text[position]!a} at character {position + 1}")
            if match[1] and len(match[1]) > _LONGEST_NUMBER:
                raise self._refuse(f"a number of more than {_LONGEST_NUMBER} digits")
            tokens.append((match[0], position))
            position = match.end()
        return tokens

    def _here(self) -> str:
        if self.next >= len(self.tokens):
            return "the end of the text" if self.tokens else "an empty text"
        token, position = self.tokens[self.next]
        return f"{token!r} at character {position + 1}"

    def _accept(self, *wanted: str) -> str | None:
        if self.next < len(self.tokens) and self.tokens[self.next][0] in wanted:
            self.next += 1
            return self.tokens[self.next - 1][0]
        return None

    def _expect(self, wanted: str) -> None:
        if self._accept(wanted) is None:
            raise self._refuse(f"{self._here()} where {wanted!r} is missing")

    def _bounded(self, tree: Node) -> Node:
        if tree.depth > _DEEPEST:
            raise _TooLargeError(f"more than {_DEEPEST} nested operations")
        return tree

    def _sum(self) -> Node:
        tree = self._term()
        while sign := self._accept("+", "-"):
            right = self._term()
            tree = self._bounded(add(tree, right if sign == "+" else mul(num(-1), right)))
        return tree

    def _term(self) -> Node:
        tree = self._signed()
        while sign := self._accept("*", "/"):
            right = self._signed()
            tree = self._bounded(mul(tree, right) if sign == "*" else div(tree, right))
        return tree

    def _signed(self) -> Node:
        self.level += 1
        if self.level > _DEEPEST:
            raise _TooLargeError(f"more than {_DEEPEST} nested operations")
        sign = self._accept("+", "-")
        tree = self._power() if sign is None else self._signed()
        self.level -= 1
        return mul(num(-1), tree) if sign == "-" else tree

    def _power(self) -> Node:
        tree = self._atom()
        if self._accept("**"):
            tree = power(tree, self._signed())
        return self._bounded(tree)

    def _atom(self) -> Node:
        if self._accept("("):
            tree = self._sum()
            self._expect(")")
            return tree
        if self.next >= len(self.tokens):
            raise self._refuse(self._here())
        here = self._here()
        token = self.tokens[self.next][0]
        self.next += 1
        if token[0].isdigit():
            return num(Fraction(token))
        constant = {"t": _T, "pi": _PI, "E": _E}.get(token)
        if constant is not None:
            return constant
        name = "abs" if token == "Abs" else token
        if name in FUNCTIONS:
            return self._call(name)
        raise self._refuse(here)

    def _call(self, name: str) -> Node:
        self._expect("(")
        args = [self._sum()]
        while self._accept(","):
            args.append(self._sum())
        self._expect(")")
        op = name.lower()
        if name not in ("Max", "Min"):
            if len(args) != 1:
                raise self._refuse(f"{name} with {len(args)} arguments")
            return Node(op, (args[0],))
        if len(args) < 2:
            raise self._refuse(f"{name} with one argument")
        tree = args[0]
        for arg in args[1:]:
            tree = Node(op, (tree, arg))
        return tree
