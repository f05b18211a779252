"""Floor 1: bounds of an expression on a half-line by sums of C s^k e^(-r s).

With t = -s or t = s and s >= 0, an ``Upper`` bound is a list of terms (C, k, r), C, k >= 0,
with |f| <= sum C s^k e^(-r s) for all s >= 0; a ``lower`` bound is one pair (c, r), c > 0, with
|f| >= c e^(-r s).  They give the constants of Assumption 3.2(b), and a limit 0 where all r > 0.

Why each rule is sound (all constants rational, rounded to the safe side):
* |f + g| <= |f| + |g|; |f g| = |f||g|; |f / g| <= upper of f / lower of g.
* f + g >= f for g >= 0 (signs from ``ranges``), so a lower bound of one term does.
* e^(a t + b) = e^b e^(+-a s) exactly.  e^p for a polynomial p of degree >= 2 that tends to
  -infinity: p(s) + s = q(s) is bounded above by the sum of its positive coefficients times
  powers of any R beyond which q is negative, so e^p <= e^B e^-s.  Else e^f <= e^(sup f).
* |log x| for x = 1 + g, g >= 0: log(1 + g) <= g (used if it decays); and for x >= 1, from
  x <= sum C s^k e^(-r s) <= (sum C) (1 + s)^K e^(R s): log x <= sum C + (K + R) s, as log y <= y.
* |tanh x|, |sin x|, |atan x| <= |x|, |erf x| <= 2/sqrt(pi) |x| <= 8/7 |x|, used if that decays;
  else the supremum of |f| from ``ranges``.
* cosh, |sinh| of a t + b are at most e^|b| e^(|a| s), cosh at least e^-|b| e^(|a| s) / 2.
* (sum x_i)^p <= sum x_i^p for x_i >= 0 and 0 < p <= 1 (subadditive), integer powers by products.
* max(f, g) is f where f >= g throughout the half-line; in any case |max(f, g)| <= |f| + |g|.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from exactcnn.activations.expressions import Node
from exactcnn.activations.intervals import Interval, rounded
from exactcnn.activations.properties import Growth
from exactcnn.activations.ranges import Facts, analyse, linear_form, monotone_image, polynomial

__all__ = ["HalfLine", "growth_constants"]

_MOST_TERMS = _HIGHEST_POWER = 64
_ZERO, _ONE = Fraction(0), Fraction(1)
_NEGATIVE, _POSITIVE = Interval(None, _ZERO), Interval(_ZERO, None)

Term = tuple[Fraction, Fraction, Fraction]  # C, k, r


class HalfLine:
    """Bounds for t = -s (``side`` -1) or t = s (``side`` 1), s >= 0, of expressions defined there.

    Each node is bounded once.  OverflowError where a constant is too large to be useful.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self._domain = _POSITIVE if side == 1 else _NEGATIVE
        self._facts: dict[Node, Facts | None] = {}
        self._uppers: dict[Node, list[Term] | None] = {}
        self._lowers: dict[Node, tuple[Fraction, Fraction] | None] = {}

    def range(self, node: Node) -> Interval | None:
        facts = analyse(node, self._domain, self._facts)
        return None if facts is None else facts.range

    def upper(self, node: Node) -> list[Term] | None:
        """Terms whose sum bounds |f|; None if no rule applies."""
        if node not in self._uppers:
            terms = self._upper(node)
            values = self.range(node)
            bound = None if values is None else values.magnitude().high
            if bound is not None and (terms is None or not all(r > 0 for _, _, r in terms)):
                terms = [(bound, _ZERO, _ZERO)]
            terms = None if terms is None else _merged(terms)
            self._uppers[node] = terms if terms is not None and len(terms) <= _MOST_TERMS else None
        return self._uppers[node]

    def _upper(self, node: Node) -> list[Term] | None:
        if node.op == "t":
            return [(_ONE, _ONE, _ZERO)]
        if not node.args or node.op in ("sin", "cos", "tanh", "atan", "erf"):
            return self._bounded_function(node) if node.args else None
        first = node.args[0]
        if node.op in ("add", "mul"):
            a, b = self.upper(first), self.upper(node.args[1])
            if a is None or b is None:
                return None
            return a + b if node.op == "add" else _product(a, b)
        if node.op == "div":
            a, below = self.upper(first), self.lower(node.args[1])
            return None if a is None or below is None else [(c / below[0], k, r - below[1]) for c, k, r in a]
        if node.op == "pow":
            return self._power(first, node.args[1].value)
        if node.op == "sqrt":
            return self._power(first, Fraction(1, 2))
        if node.op == "abs":
            return self.upper(first)
        if node.op in ("max", "min"):
            return self._extremum(node)
        if node.op == "log":
            return self._logarithm(first)
        return self._exponential(node.op, first)

    def _bounded_function(self, node: Node) -> list[Term] | None:
        inner = self.upper(node.args[0])
        if node.op == "cos" or inner is None or not all(r > 0 for _, _, r in inner):
            return None  # the supremum, at most 1 or pi/2, does
        factor = Fraction(8, 7) if node.op == "erf" else _ONE
        return [(factor * c, k, r) for c, k, r in inner]

    def _power(self, base: Node, n: Fraction | None) -> list[Term] | None:
        if n is None:
            return None
        if n < 0:
            below = self.lower(base)
            if below is None:
                return None
            # (c e^(-r s))^n with n < 0 is an upper bound of |base|^n
            return [(_exp_like(below[0], n), _ZERO, below[1] * n)]
        inner = self.upper(base)
        if inner is None:
            return None
        whole, part = divmod(n, 1)
        terms: list[Term] = [(_ONE, _ZERO, _ZERO)]
        for _ in range(int(whole)):
            terms = _merged(_product(terms, inner))
            if len(terms) > _MOST_TERMS:
                return None
        if part:
            terms = _product(terms, [(_exp_like(c, part), k * part, r * part) for c, k, r in inner])
        return terms

    def _extremum(self, node: Node) -> list[Term] | None:
        a, b = node.args
        values_a, values_b = self.range(a), self.range(b)
        if values_a is not None and values_b is not None:
            if values_a.is_above(values_b):
                return self.upper(a if node.op == "max" else b)
            if values_b.is_above(values_a):
                return self.upper(b if node.op == "max" else a)
        first, second = self.upper(a), self.upper(b)
        return None if first is None or second is None else first + second

    def _logarithm(self, x: Node) -> list[Term] | None:
        values = self.range(x)
        if values is None or values.low is None or values.low < 1:
            return None
        if x.op == "add":
            for one, other in (x.args, x.args[::-1]):
                terms = self.upper(other) if one.value == 1 else None
                if terms is not None and all(r > 0 for _, _, r in terms):
                    return terms
        terms = self.upper(x)
        if not terms:
            return None
        K = max(k for _, k, _ in terms)
        R = max(_ZERO, *(-r for _, _, r in terms))
        return [(sum((c for c, _, _ in terms), _ZERO), _ZERO, _ZERO), (K + R, _ONE, _ZERO)]

    def _exponential(self, op: str, x: Node) -> list[Term] | None:
        """exp, sinh and cosh."""
        line = linear_form(x)
        if line is not None:
            slope, shift = line[0] * self.side, line[1]
            if op == "exp":
                return [(_exp(shift, up=True), _ZERO, -slope)]
            return [(_exp(abs(shift), up=True), _ZERO, -abs(slope))]
        coefficients = polynomial(x)
        if op != "exp" or coefficients is None or len(coefficients) < 3:
            return None
        q = [c * (self.side**i) for i, c in enumerate(coefficients)]
        if q[-1] > 0:
            return None
        q[1] += 1
        # Cauchy: beyond R = 1 + max |q_i / q_n| the sign of q is that of its leading coefficient.
        R = 1 + max(abs(c / q[-1]) for c in q[:-1])
        B = sum((c * R**i for i, c in enumerate(q) if c > 0), _ZERO)
        return [(_exp(B, up=True), _ZERO, _ONE)] if B <= 1000 else None

    def lower(self, node: Node) -> tuple[Fraction, Fraction] | None:
        """(c, r) with |f| >= c e^(-r s), r as small as a rule makes it; None if no rule applies."""
        if node not in self._lowers:
            candidates = [self._lower(node)]
            values = self.range(node)
            if values is not None:
                least = values.magnitude().low
                candidates.append((least, _ZERO) if least is not None and least > 0 else None)
            known = [(rounded(c[0], False), c[1]) for c in candidates if c is not None]
            positive = [(c, r) for c, r in known if c is not None and c > 0]
            self._lowers[node] = min(positive, key=lambda pair: (pair[1], -pair[0])) if positive else None
        return self._lowers[node]

    def _lower(self, node: Node) -> tuple[Fraction, Fraction] | None:
        if not node.args:
            return None  # constants have a range
        first = node.args[0]
        if node.op == "add":
            return self._lower_of_sum(node)
        if node.op == "mul":
            a, b = self.lower(first), self.lower(node.args[1])
            return None if a is None or b is None else (a[0] * b[0], a[1] + b[1])
        if node.op == "div":
            return self._lower_of_quotient(first, node.args[1])
        if node.op in ("pow", "sqrt"):
            n = Fraction(1, 2) if node.op == "sqrt" else node.args[1].value
            below = self.lower(first)
            if n is None or n < 0 or below is None:
                return None
            return 1 / _exp_like(1 / below[0], n), below[1] * n
        if node.op == "abs":
            return self.lower(first)
        line = linear_form(first) if node.op in ("exp", "cosh") else None
        if line is None:
            return None
        if node.op == "exp":
            return _exp(line[1], up=False), -line[0] * self.side
        return _exp(-abs(line[1]), up=False) / 2, -abs(line[0])

    def _lower_of_sum(self, node: Node) -> tuple[Fraction, Fraction] | None:
        ranges = [self.range(arg) for arg in node.args]
        signs = [(v.is_nonnegative, (-v).is_nonnegative) for v in ranges if v is not None]
        if len(signs) < 2 or not any(a and b for a, b in zip(*signs, strict=True)):
            return None
        known = [c for c in map(self.lower, node.args) if c is not None]
        return min(known, key=lambda pair: pair[1]) if known else None

    def _lower_of_quotient(self, a: Node, b: Node) -> tuple[Fraction, Fraction] | None:
        below, above = self.lower(a), self.upper(b)
        if below is None or not above or any(k > 0 for _, k, _ in above):
            return None
        # sum C e^(-r s) <= (sum C) e^(-r' s) with the least r'
        total, least = sum((c for c, _, _ in above), _ZERO), min(r for _, _, r in above)
        return below[0] / total, below[1] - least


def growth_constants(negative: list[Term] | None, positive: list[Term] | None) -> Growth | None:
    """rho_1..rho_4 of Assumption 3.2(b) from upper bounds on both half-lines, None if they give none.

    s^k e^(-d s) <= (k/(e d))^k <= max(1, k/(2 d))^ceil(k), and s^k <= 1 + s for 0 < k < 1.
    """
    if negative is None or positive is None or any(r <= 0 for _, _, r in negative):
        return None
    if any(k > _HIGHEST_POWER for _, k, _ in negative + positive):
        return None
    rate = min((r if k == 0 else r / 2 for _, k, r in negative), default=_ONE)
    rho_1 = sum((c * _peak(k, r - rate) for c, k, r in negative), _ZERO)
    slope, shift = _ZERO, _ZERO
    for c, k, r in positive:
        if r < 0 or (r == 0 and k > 1):
            return None
        if r > 0:
            shift += c * _peak(k, r)
            continue
        slope += c if k > 0 else _ZERO
        shift += c if k < 1 else _ZERO
    return _short(rho_1), rate, _short(slope), _short(shift)


def _peak(k: Fraction, d: Fraction) -> Fraction:
    """At least s^k e^(-d s) for all s >= 0."""
    if k == 0:
        return _ONE
    return k / (2 * d) if k == 1 else max(_ONE, k / (2 * d)) ** ceil(k)


def _short(value: Fraction) -> Fraction:
    """At least value, positive, and short to print."""
    if value == 0:
        return _ONE
    short = max(value.numerator, value.denominator) <= 10**6
    return value if short else Fraction(ceil(value * 1000), 1000)


def _merged(terms: list[Term]) -> list[Term]:
    total: dict[tuple[Fraction, Fraction], Fraction] = {}
    for c, k, r in terms:
        if c:
            total[k, r] = total.get((k, r), _ZERO) + c
    merged = []
    for (k, r), c in total.items():
        above = rounded(c, True)
        if above is None:
            raise OverflowError("a constant too large for a bound")
        merged.append((above, k, r))
    return merged


def _product(a: list[Term], b: list[Term]) -> list[Term]:
    return [(c1 * c2, k1 + k2, r1 + r2) for c1, k1, r1 in a for c2, k2, r2 in b]


def _exp(x: Fraction, *, up: bool) -> Fraction:
    """A rational bound of e^x, above or (positive) below."""
    image = monotone_image("exp", Interval.point(x))
    end = image.high if up else image.low
    if end is None or end <= 0:
        raise OverflowError("a constant too large for a bound")
    return end


def _exp_like(c: Fraction, n: Fraction) -> Fraction:
    """At least c^n for c > 0, exactly for an integer n: from c^n = e^(n log c)."""
    if n.denominator == 1:
        return c ** int(n)
    high = monotone_image("exp", Interval.point(n) * monotone_image("log", Interval.point(c))).high
    if high is None:
        raise OverflowError("a constant too large for a bound")
    return high
