"""Floor 4a: the loss of a polynomial network as a polynomial in its parameters.

``Surface`` is evaluated once in Q[theta], at the point whose coordinates are the indeterminates; so the polynomial is
the loss by the same code that gives losses at points.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.activations import Activation
from exactcnn.activations.custom import parse_expression
from exactcnn.activations.ranges import polynomial as coefficients_of
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Point, Surface
from exactcnn.landscape.ideals import Polynomial

__all__ = ["added", "derivative", "loss_polynomial", "product"]


def _coefficients(activation: Activation) -> list[Fraction] | None:
    """Constant first; None if the activation is not known to be a polynomial."""
    if activation.name == "identity":
        return [Fraction(0), Fraction(1)]
    if activation.name == "square":
        return [Fraction(0), Fraction(0), Fraction(1)]
    if activation.formula is not None:
        return coefficients_of(parse_expression(activation.formula))
    return None


@dataclass(frozen=True)
class _PolynomialDomain:
    """Q[theta], as a SymPy ring of sparse polynomials."""

    ring: Any

    def number(self, rational: Fraction, ln2: Fraction = Fraction(0)) -> Any:
        if ln2:
            raise UndecidedError("data with multiples of ln 2 is not rational: no elimination over Q")
        return self.ring.ground_new(self.ring.domain(rational.numerator, rational.denominator))

    def jet(self, activation: Activation, t: Any) -> tuple[Any, Any, Any]:
        listed = _coefficients(activation)
        assert listed is not None
        value, first, second = (self.number(Fraction(0)) for _ in range(3))
        for c in reversed(listed):  # Horner, differentiated twice
            second = second * t + 2 * first
            first = first * t + value
            value = value * t + self.number(c)
        return value, first, second

    def largest(self, values: list[Any]) -> tuple[Any, list[int]]:
        raise UndecidedError("max-pooling is not polynomial: elimination does not apply")


def loss_polynomial(instance: Instance, most: int) -> tuple[Polynomial, int]:
    """(Phi, the number of parameters), the parameters layer by layer, W row by row, then b.

    UndecidedError where a layer is not polynomial or there are more than ``most`` parameters.
    """
    from flint import fmpq
    from sympy import QQ, ring

    shapes: list[tuple[int, int, int] | None] = []
    for layer in instance.network.layers:
        if layer.kind == "maxpool":
            raise UndecidedError(
                f"layer {layer.index} is max-pooling, which is not polynomial: elimination does not apply"
            )
        assert layer.activation is not None
        if _coefficients(layer.activation) is None:
            raise UndecidedError(
                f"layer {layer.index}: elimination needs polynomial activations, {layer.activation} is not known "
                "to be one"
            )
        shapes.append((layer.patch_size, layer.filters, layer.bias_length))
    count = sum(rows * columns + bias for rows, columns, bias in filter(None, shapes))
    if count > most:
        raise UndecidedError(f"elimination is limited to {most} parameters, the network has {count}")
    made, *symbols = ring([f"x{i}" for i in range(count)], QQ)
    point: list[tuple[np.ndarray, np.ndarray | None] | None] = []
    for rows, columns, bias in filter(None, shapes):
        W = np.empty((rows, columns), dtype=object)
        for index in np.ndindex(rows, columns):
            W[index] = symbols.pop(0)
        b = np.empty(bias, dtype=object)
        for h in range(bias):
            b[h] = symbols.pop(0)
        point.append((W, b if bias else None))
    at: Point = tuple(point)
    loss = Surface(instance, _PolynomialDomain(made), at).loss
    return {tuple(m): fmpq(int(c.numerator), int(c.denominator)) for m, c in loss.terms() if c}, count


def added(a: Polynomial, b: Polynomial) -> Polynomial:
    """a + b."""
    total = dict(a)
    for m, c in b.items():
        total[m] = total[m] + c if m in total else c
    return {m: c for m, c in total.items() if c}


def derivative(polynomial: Polynomial, i: int) -> Polynomial:
    """By the i-th variable."""
    return {(*m[:i], m[i] - 1, *m[i + 1 :]): c * m[i] for m, c in polynomial.items() if m[i]}


def product(a: Polynomial, b: Polynomial) -> Polynomial:
    """a b."""
    from flint import fmpq

    total: Polynomial = {}
    for m, c in a.items():
        for k, d in b.items():
            place = tuple(x + y for x, y in zip(m, k, strict=True))
            total[place] = total.get(place, fmpq(0)) + c * d
    return {m: c for m, c in total.items() if c}
