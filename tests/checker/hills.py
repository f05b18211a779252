"""The loss surface, naive: values by `naive.Reading`, derivatives by differences that are exact for polynomials."""

from fractions import Fraction

import mpmath
from naive import Reading

AFFINE = ("conv", "conv-lists", "dense")
FIRST = [Fraction(4, 5), Fraction(-1, 5), Fraction(4, 105), Fraction(-1, 280)]
SECOND = [Fraction(8, 5), Fraction(-1, 5), Fraction(8, 315), Fraction(-1, 560)]


class At(Reading):
    """A reading whose parameters are entries of a vector: node by node, W row by row, then b."""

    def __init__(self, hill, vector):
        super().__init__(hill.case, hill.weights, hill.real)
        self.hill, self.vector, self.read = hill, vector, hill.read

    def parameters(self, number):
        start, length, filters, end = self.hill.slices[number]
        middle = start + length * filters
        W = [self.vector[at : at + filters] for at in range(start, middle, filters)]
        return W, list(self.vector[middle:end])

    def number(self, value):
        return value if isinstance(value, mpmath.mpf) else super().number(value)


class Hill:
    def __init__(self, case, weights="w", real=False):
        self.case, self.weights, self.real, self.read, self.met = case, weights, real, {}, {}
        reading, self.slices, self.vector = Reading(case, weights), {}, []
        for number, node in enumerate(case["network"]["nodes"], 1):
            if node["kind"] in AFFINE:
                W, b = reading.parameters(number)
                start = len(self.vector)
                self.vector += [v for row in W for v in row] + list(b)
                self.slices[number] = start, len(W), len(W[0]), len(self.vector)

    def loss(self, vector=None):
        reading, goals = At(self, self.vector if vector is None else vector), self.case["targets"]
        total = reading.number(0)
        for row, goal in zip(reading.values(len(self.case["network"]["nodes"])), goals["rows"], strict=True):
            for f, y in zip(row, goal, strict=True):
                total += (f - reading.number(Fraction(int(y), int(goals["denominator"])))) ** 2
        return total / 2

    def local(self, direction):
        """Slope and curvature along a direction, None at a kink: where halving the step changes anything."""
        key = tuple(direction)
        if key not in self.met:
            pairs = [self._differences(direction, Fraction(1, d)) for d in (10**15, 2 * 10**15)]
            self.met[key] = pairs[0] if pairs[0] == pairs[1] else None
        return self.met[key]

    def _differences(self, direction, h):
        f = {
            k: self.loss([v + k * h * d for v, d in zip(self.vector, direction, strict=True)])
            for k in range(-4, 5)
        }
        slope = sum(c * (f[k] - f[-k]) for k, c in enumerate(FIRST, 1)) / h
        outer = sum(c * (f[k] + f[-k]) for k, c in enumerate(SECOND, 1))
        return slope, (outer - Fraction(205, 72) * f[0]) / h**2

    def slope(self, direction):
        return self.local(direction)[0]

    def bend(self, direction):
        return self.local(direction)[1]

    def unit(self, *places):
        return [int(n in places) for n in range(len(self.vector))]

    def gradient(self):
        return [self.slope(self.unit(j)) for j in range(len(self.vector))]

    def hessian(self):
        n = range(len(self.vector))
        single = [self.bend(self.unit(j)) for j in n]
        return [
            [single[i] if i == j else (self.bend(self.unit(i, j)) - single[i] - single[j]) / 2 for j in n]
            for i in n
        ]

    def residuals(self):
        reading, goals = At(self, self.vector), self.case["targets"]
        rows = reading.values(len(self.case["network"]["nodes"]))
        return [
            [f - Fraction(int(y), int(goals["denominator"])) for f, y in zip(row, goal, strict=True)]
            for row, goal in zip(rows, goals["rows"], strict=True)
        ]


def transform(H, bits=20):
    """Integers Q with Q^T H Q nearly a multiple of the signs of H's eigenvalues, for a regular H."""
    order = len(H)
    with mpmath.workprec(120):
        values, vectors = mpmath.eigsy(
            mpmath.matrix([[mpmath.mpf(v.numerator) / v.denominator for v in row] for row in H])
        )
        sizes = [2**bits / mpmath.sqrt(abs(v)) for v in values]
        return [[int(mpmath.nint(vectors[i, j] * sizes[j])) for j in range(order)] for i in range(order)]


def within(intervals, exact, w, most):
    """Every number lies in its interval over 2^w, none of which is wider than `most` units."""
    for (low, high), value in zip(intervals, exact, strict=True):
        assert low <= value * 2**w <= high, (low, high, float(value))
        assert high - low <= most
