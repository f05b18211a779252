"""Floor 1: the properties of a user's expression, each decided by a rule that is a proof, or not at all.

* *Continuous* where ``ranges`` shows the expression defined on R (or on both closed half-lines:
  pasting); refuted where an exactly evaluated rational point certainly has no value, because
  sigma is then no function on R.  *Analytic* where ``ranges`` says so; then differentiable.
* *Not constant*: two points whose balls are disjoint.  *Constant*: no t, or a polynomial of degree 0,
  or analytic with a derivative that simplifies to 0.
* *The derivative* is SymPy's, in any form that meets certified derivatives at points (``slopes``).
* *Strictly monotone*: the derivative is, by its range, positive or negative on R; or it
  is nowhere negative (positive) and sigma is analytic and not constant, for then sigma is monotone,
  and if it took a value twice it would be constant between, hence everywhere.  Refuted by three
  points with certified order, or two exactly equal values.
* *Derivative nowhere zero*: its range excludes 0.  Refuted by an exact zero at a rational point (by exact
  differentiation, ``exact``, or in SymPy's form), or,
  for a differentiable sigma, by failing to be strictly monotone (Darboux).
* *Limits*: 0 from an exponential bound of ``decay``; none for a continuous periodic function that is
  not constant (t occurs only in sin and cos of rational linear forms, whose periods have a common
  multiple); otherwise SymPy's limit, *if* certified balls at |t| up to 2^100 agree with it.
* *Growth constants* from ``decay``; refuted by a limit at -infinity that is not 0, or by
  sigma(t)/t tending to infinity at +infinity.

Everything else is undecided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from exactcnn.activations import derivation
from exactcnn.activations.decay import HalfLine, Term, growth_constants
from exactcnn.activations.exact import exact_jet
from exactcnn.activations.expressions import Node, div, num, parse_expression
from exactcnn.activations.intervals import REAL_LINE, Interval
from exactcnn.activations.properties import ActivationProperties, Limit
from exactcnn.activations.ranges import Facts, NoValueError, analyse, linear_form, polynomial
from exactcnn.activations.samples import Value, grid_values, not_monotone, probed
from exactcnn.activations.slopes import agrees, grid_slopes
from exactcnn.errors import MalformedError, UndecidedError

__all__ = ["custom_properties", "parse_expression"]

_LONGEST_DERIVATIVE = 20_000
_NARROW = 2.0**-128
_HALVES = (Interval(None, Fraction(0)), Interval(Fraction(0), None))


@lru_cache(maxsize=256)
def custom_properties(expression: str) -> ActivationProperties:
    """The properties of an expression that ``parse_expression`` accepts; may take seconds."""
    node = parse_expression(expression)
    proofs: dict[str, str] = {}
    hole = _undefined_point(node)
    if hole is not None:
        return _not_a_function(hole)
    whole = _facts(node, REAL_LINE)
    if whole is None and not all(_facts(node, half) for half in _HALVES):
        return _undecided()
    proofs["continuous"] = "Every operation in it is continuous, and defined for all real t."
    analytic = True if whole is not None and whole.analytic else None
    if analytic:
        proofs["real_analytic"] = "Every operation in it is analytic at the values that occur."
        proofs["differentiable"] = "An analytic function is differentiable."
    if _is_constant(node):
        return _constant(expression, node, analytic)
    values = grid_values(node)
    constant = False if any(not a.overlaps(b) for (_, a), (_, b) in pairwise(values)) else None
    if constant is False:
        proofs["constant"] = "Certified values at two points differ."
    return _Study(expression, node, analytic, constant, values, proofs).conclude()


def _undecided() -> ActivationProperties:
    unknown = Limit.unknown()
    return ActivationProperties(None, None, None, None, None, None, unknown, unknown)


def _not_a_function(hole: str) -> ActivationProperties:
    unknown = Limit.unknown()
    why = "A property of functions that are continuous on R."
    proofs = {"continuous": hole, "real_analytic": why, "differentiable": why, "derivative_nowhere_zero": why}
    return ActivationProperties(False, None, False, None, False, False, unknown, unknown, proofs=proofs)


def _constant(expression: str, node: Node, analytic: bool | None) -> ActivationProperties:
    point = analyse(node, Interval.point(Fraction(0)))
    excluded = point is not None and not point.range.contains_zero
    zero = True if point is not None and point.range.is_zero else (False if excluded else None)
    limit = Limit("finite", expression, zero)
    why = "It is constant."
    names = ("continuous", "constant", "real_analytic", "strictly_monotone", "differentiable",
             "derivative_nowhere_zero", "limit_minus", "limit_plus")  # fmt: skip
    return ActivationProperties(
        True, True, analytic, False, analytic, False, limit, limit, proofs=dict.fromkeys(names, why)
    )


def _facts(node: Node, domain: Interval) -> Facts | None:
    try:
        return analyse(node, domain)
    except NoValueError:
        return None


def _rational_points(node: Node) -> list[Fraction]:
    """Points where something special is likely to happen, simplest first."""
    points = {Fraction(0), Fraction(1), Fraction(-1), Fraction(2), Fraction(-2)}
    for constant in node.constants():
        points |= {constant, -constant}
    return sorted(points, key=lambda q: (abs(q.numerator) + q.denominator, q))[:40]


def _undefined_point(node: Node) -> str | None:
    for point in _rational_points(node):
        try:
            analyse(node, Interval.point(point))
        except NoValueError as why:
            return f"at t = {point} it has no value, because of {why}."
    return None


def _is_constant(node: Node) -> bool:
    coefficients = polynomial(node)
    return not node.depends_on_t or (coefficients is not None and len(coefficients) == 1)


def _is_periodic(node: Node) -> bool:
    """Does t occur only in sin and cos of linear forms with rational slopes?"""
    if node.op in ("sin", "cos") and linear_form(node.args[0]) is not None:
        return True
    return node.op != "t" and all(_is_periodic(arg) for arg in node.args)


@dataclass
class _Study:
    """One continuous expression, not known to be constant; ``conclude`` gives its properties."""

    expression: str
    node: Node
    analytic: bool | None
    constant: bool | None
    values: list[Value]
    proofs: dict[str, str]
    _derivation: derivation.Derivation | None = field(default=None)

    def conclude(self) -> ActivationProperties:
        negative, positive = self._upper(-1), self._upper(1)
        minus, plus = self._limit("minus", negative), self._limit("plus", positive)
        growth = growth_constants(negative, positive)
        refuted = False if growth is not None else self._growth_refuted(minus)
        if growth is not None:
            self.proofs["growth"] = "Bounds of its parts by terms C |t|^k e^(-r |t|) on both half-lines."
        monotone, nowhere_zero = self._monotone()
        return ActivationProperties(
            continuous=True,
            constant=self.constant,
            real_analytic=self.analytic,
            strictly_monotone=monotone,
            differentiable=self.analytic,
            derivative_nowhere_zero=nowhere_zero,
            limit_minus=minus,
            limit_plus=plus,
            growth=growth,
            growth_refuted=refuted,
            proofs=self.proofs,
        )

    @property
    def derived(self) -> derivation.Derivation:
        if self._derivation is None:
            self._derivation = derivation.derive_bounded(self.expression)
        return self._derivation

    def _upper(self, side: int) -> list[Term] | None:
        try:
            return HalfLine(side).upper(self.node)
        except (OverflowError, NoValueError):
            return None

    def _limit(self, end: str, terms: list[Term] | None) -> Limit:
        key = f"limit_{end}"
        if terms is not None and all(r > 0 for _, _, r in terms):
            self.proofs[key] = "A bound of the form sum C |t|^k e^(-r |t|) with all r > 0."
            return Limit.finite("0")
        if self.constant is False and _is_periodic(self.node):
            self.proofs[key] = "Continuous, periodic and not constant: it takes two values again and again."
            return Limit.none()
        text = getattr(self.derived, end)
        limit = probed(self.node, -1 if end == "minus" else 1, text)
        if limit.kind != "unknown":
            self.proofs[key] = f"SymPy derives the limit {text}, and certified values far out agree."
        return limit

    def _growth_refuted(self, minus: Limit) -> bool | None:
        if minus.kind in ("infinite", "none") or minus.is_zero is False:
            state = "has no limit" if minus.kind == "none" else f"tends to {minus}"
            self.proofs["growth"] = f"rho_1 e^(rho_2 t) tends to 0 at -infinity, and sigma {state}."
            return True
        if self.derived.slope in ("oo", "-oo"):
            ratio = div(self.node, Node("t"))
            if probed(ratio, 1, self.derived.slope).kind == "infinite":
                self.proofs["growth"] = "sigma(t)/t is unbounded at +infinity, (rho_3 t + rho_4)/t is not."
                return True
        return None

    def _monotone(self) -> tuple[bool | None, bool | None]:
        """(strictly monotone, derivative nowhere zero)."""
        refutation = not_monotone(self.values)
        if refutation is not None:
            self.proofs["strictly_monotone"] = refutation
            if self.analytic:
                self.proofs["derivative_nowhere_zero"] = "Differentiable and not strictly monotone (Darboux)."
            return False, False if self.analytic else None
        if not self.analytic:
            return None, None
        monotone: bool | None = None
        nowhere_zero: bool | None = None
        slopes = grid_slopes(self.node)
        if self.constant is None and "0" in self.derived.derivatives and _vanish(slopes):
            self.constant = True
            for name in ("constant", "strictly_monotone", "derivative_nowhere_zero"):
                self.proofs[name] = "SymPy simplifies the derivative to 0, and certified derivatives agree."
            return False, False
        flat = _stationary_point(self.node)
        if flat is not None:
            nowhere_zero = False
            self.proofs["derivative_nowhere_zero"] = f"Exact differentiation over Q gives 0 at t = {flat}."
        for text in self.derived.derivatives:
            try:
                slope = parse_expression(text, longest=_LONGEST_DERIVATIVE)
            except MalformedError:
                continue
            if not agrees(slope, slopes):
                continue
            weak, strict = _sign(slope)
            if strict and nowhere_zero is None:
                self.proofs["strictly_monotone"] = f"The derivative {text} has one sign by its range."
                self.proofs["derivative_nowhere_zero"] = f"The range of {text} excludes 0."
                return True, True
            if weak and self.constant is False:
                monotone = True
                self.proofs["strictly_monotone"] = (
                    f"The derivative {text} does not change sign, and sigma is analytic and not constant."
                )
            zero = _rational_zero(slope)
            if zero is not None and nowhere_zero is None:
                nowhere_zero = False
                self.proofs["derivative_nowhere_zero"] = f"{text} vanishes at t = {zero}."
        return monotone, nowhere_zero


def _sign(slope: Node) -> tuple[bool, bool]:
    """(no change of sign, no zero either) of a derivative, by ranges on R and on both half-lines."""
    for domains in ((REAL_LINE,), _HALVES):
        facts = [_facts(slope, domain) for domain in domains]
        ranges = [f.range for f in facts if f is not None]
        if len(ranges) < len(domains):
            continue
        if all(r.is_positive for r in ranges) or all((-r).is_positive for r in ranges):
            return True, True
        if all(r.is_nonnegative for r in ranges) or all((-r).is_nonnegative for r in ranges):
            return True, False
    return False, False


def _vanish(slopes: list[Value]) -> bool:
    """Are these, as far as narrow balls can tell, derivatives of a constant?"""
    return agrees(num(0), slopes) and all(abs(slope) < _NARROW for _, slope in slopes)


def _stationary_point(node: Node) -> Fraction | None:
    """A rational t with sigma'(t) = 0, by exact differentiation and without a computer algebra system."""
    for point in _rational_points(node):
        try:
            if exact_jet(node, point)[1] == 0:
                return point
        except UndecidedError:
            continue
    return None


def _rational_zero(slope: Node) -> Fraction | None:
    for point in _rational_points(slope):
        facts = _facts(slope, Interval.point(point))
        if facts is not None and facts.range.is_zero:
            return point
    return None
