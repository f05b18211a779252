"""Floor 3: both sides of Lemma 4.3 and the gradient between them, in balls at given weights.

    sigma_min(F_k) prod_{l=k+1}^{L-1} sigma_min(U_{l+1}) min|sigma_l'(G_l)| ||F_L - Y||_F
        <= ||grad_{U_{k+1}} Phi||_F <= the same with sigma_max and max,

with Phi = 1/2 ||F_L - Y||_F^2, Delta_L = F_L - Y, Delta_l = (Delta_{l+1} U_{l+1}^T) o sigma_l'(G_l),
grad_{U_{k+1}} Phi = F_k^T Delta_{k+1}.  U_l is the lifted matrix: for a convolutional layer this is the
gradient by the lifted matrix's entries, not by the filters.

Conventions.  sigma_min(F_k) = min ||u^T F_k||, u in R^N, and sigma_min(U_{l+1}) = min ||U_{l+1} v||,
v in R^{n_{l+1}}, over unit vectors: 0 where the layer widens.  (With the least of min(n_l, n_{l+1})
singular values instead the lemma is false for widening layers.)

Extreme singular values of A (p x q).  G = A A^T is positive semidefinite, and its largest eigenvalue
lies between (tr G^s / p)^(1/s) and (tr G^s)^(1/s); repeated squaring reaches s = 2^36, where these two
agree to ten digits.  The least one is 1 over the largest of G^{-1}, if balls prove that to exist.
Every matrix in the balls obeys this, so the enclosures are proofs whatever the precision.

All balls are python-flint's (Arb).  Beyond some hundred samples ``streamed_bounds`` does the same in float64.
UndecidedError: an activation without a derivative, pooling above layer k, sizes beyond what balls do in a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exactcnn.activations import Activation
from exactcnn.activations.balls import ball_of_fraction
from exactcnn.activations.expressions import parse_expression
from exactcnn.activations.slopes import slope_of_expression
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import feature_balls
from exactcnn.features.instance import Instance
from exactcnn.landscape.domains import BallDomain
from exactcnn.landscape.interpolation import target_matrix
from exactcnn.network.layers import Layer
from exactcnn.network.lifting import lift

__all__ = [
    "GradientBounds",
    "extreme_singular_values",
    "gradient_bounds",
    "pooling_above",
    "slope_ball",
    "suits_balls",
]

_MOST_SAMPLES, _MOST_ENTRIES = 300, 1_000_000
_SQUARINGS = 36
_LEAST_ACCURACY = 40  # bits of a trace below which another squaring gains nothing


@dataclass(frozen=True, eq=False)
class GradientBounds:
    """``lower``, ``gradient``, ``upper``: flint.arb balls of the three sides of Lemma 4.3 for layer ``layer``.

    ``factors`` name the balls they are made of.
    """

    layer: int
    lower: Any
    gradient: Any
    upper: Any
    factors: dict[str, Any]

    @property
    def ordered(self) -> bool | None:
        """Do the enclosures prove both inequalities (True), break one (False), or neither (None)?"""
        below, above = self.lower <= self.gradient, self.gradient <= self.upper
        if below and above:
            return True
        if self.lower > self.gradient or self.gradient > self.upper:
            return False
        return None


def slope_ball(activation: Activation, t: Any) -> Any:
    """A ball that contains sigma'(x) for every x in the ball t; UndecidedError where none is known.

    >>> from flint import arb
    >>> slope_ball(Activation("sigmoid"), arb(0)).contains(arb("0.25"))
    True
    """
    from flint import arb

    if activation.formula is not None:
        return slope_of_expression(parse_expression(activation.formula), t)
    first = BallDomain().jet(activation, t)[1]
    if first is not None:
        return first
    if activation.properties.differentiable is not True:
        raise UndecidedError(f"{activation} has no derivative somewhere on {t}")
    # elu with alpha 1: its derivative increases, e^t below 0 and 1 above.
    low, high = (
        arb(1) if end >= 0 else BallDomain().jet(activation, end)[1] for end in (t.lower(), t.upper())
    )
    return low.union(high)


def extreme_singular_values(A: Any) -> tuple[Any, Any]:
    """Balls for min and max ||u^T M|| over unit vectors u in R^p, for every M in the arb_mat A (p x q).

    The minimum's ball reaches down to 0 where balls do not prove the rows independent.

    >>> from flint import arb_mat, ctx
    >>> with ctx.workprec(200):
    ...     low, high = extreme_singular_values(arb_mat([[3, 0, 0], [0, 2, 0]]))
    >>> abs(low - 2) < 1e-9, abs(high - 3) < 1e-9
    (True, True)
    """
    from flint import arb, arb_mat

    p, q = A.nrows(), A.ncols()
    gram = A * A.transpose()
    largest = _largest_eigenvalue(gram)
    high = _root(largest)
    if q < p:
        return arb(0), high
    try:
        inverse = _largest_eigenvalue(gram.solve(_unit(p)))
    except ZeroDivisionError:
        inverse = arb.nan()
    if inverse.is_finite() and inverse > 0:
        return (1 / inverse).sqrt(), high
    # sigma_min <= ||u^T M|| / ||u|| for any u: an approximate singular vector.
    middle = np.array([[float(entry.mid()) for entry in row] for row in A.tolist()])
    vectors = np.linalg.svd(middle, full_matrices=False)[0]
    u = arb_mat([[float(v) for v in vectors[:, -1]]])
    bound = _frobenius(u * A) / _frobenius(u)
    return arb(0).union(bound.upper()), high


def _root(x: Any) -> Any:
    """The square root of a non-negative number that lies in the ball x."""
    return x.max(type(x)(0)).sqrt()


def _unit(p: int) -> Any:
    from flint import arb_mat

    return arb_mat([[int(i == j) for j in range(p)] for i in range(p)])


def _largest_eigenvalue(G: Any) -> Any:
    """A ball for the largest eigenvalue of every positive semidefinite matrix in the arb_mat G."""
    from flint import arb

    p = G.nrows()
    trace = G.trace()
    best = (trace / p).union(trace)
    if not trace > 0:
        return arb(0).union(trace.upper()) if trace.is_finite() else arb.nan()
    exponent, power = arb(0), 1  # G^power = 2^exponent B
    B = G
    for _ in range(_SQUARINGS):
        shift = _magnitude(B.trace())
        B = B * (arb(2) ** -shift)
        exponent = exponent + shift
        B, exponent, power = B * B, 2 * exponent, 2 * power
        trace = B.trace()
        if not trace > 0 or trace.rel_accuracy_bits() < _LEAST_ACCURACY:
            break
        top = ((trace.log() + exponent * arb(2).log()) / power).exp()
        bottom = ((trace.log() - arb(p).log() + exponent * arb(2).log()) / power).exp()
        best = bottom.union(top)
    return best


def _magnitude(x: Any) -> int:
    """About log2 of a positive ball."""
    found = x.mid().log() / type(x)(2).log()
    return int(found.mid().floor().unique_fmpz())


def _frobenius(A: Any) -> Any:
    from flint import arb

    total = arb(0)
    for entry in A.entries():
        total += entry.abs_lower().union(entry.abs_upper()) ** 2
    return _root(total)


def _exact(array: RationalArray, rows: np.ndarray | None = None) -> Any:
    from flint import arb, arb_mat, fmpq

    numerators = array.numerators if rows is None else rows
    if array.denominator & (array.denominator - 1) == 0:
        return arb_mat([[int(v) for v in row] for row in numerators]) * (arb(1) / array.denominator)
    return arb_mat([[arb(fmpq(int(v), array.denominator)) for v in row] for row in numerators])


def pooling_above(above: tuple[Layer, ...], k: int) -> None:
    """UndecidedError if one of the layers above layer k is max-pooling."""
    obstacle = next((layer for layer in above if layer.kind == "maxpool"), None)
    if obstacle is not None:
        raise UndecidedError(f"layer {obstacle.index} above layer {k} is max-pooling and has no U")


def suits_balls(instance: Instance, k: int) -> bool:
    """Is it small enough for some minutes of balls?"""
    network = instance.network
    entries = max(layer.below.size * layer.width for layer in network.layers[k:])
    return instance.N <= _MOST_SAMPLES and max(entries, instance.N * max(network.widths)) <= _MOST_ENTRIES


def gradient_bounds(instance: Instance, k: int, precision: int = 256) -> GradientBounds:
    """The three sides of Lemma 4.3 for the wide layer k, 1 <= k <= L-1, at the instance's weights."""
    from flint import arb, arb_mat, ctx

    network = instance.network
    Y = target_matrix(instance.need_samples(), network.widths[-1])
    above = network.layers[k:]
    pooling_above(above, k)
    if not suits_balls(instance, k):
        raise UndecidedError(f"{instance.N} samples and widths {network.widths} are beyond balls")
    balls = feature_balls(instance, k, precision)
    with ctx.workprec(precision):
        F_k = arb_mat(balls)
        F, slopes, lifted = F_k, [], []
        factors: dict[str, Any] = {}
        for layer in above:
            entry = instance.need_weights()[layer.index]
            U = _exact(entry.W, lift(layer, entry.W.numerators))
            G = (F * U).tolist()
            if entry.b is not None:
                b = [ball_of_fraction(v) for v in entry.b.to_fractions()]
                b = b * (layer.width // len(b))
                G = [[g + shift for g, shift in zip(row, b, strict=True)] for row in G]
            assert layer.activation is not None
            slopes.append([[slope_ball(layer.activation, g) for g in row] for row in G])
            lifted.append(U)
            F = arb_mat([[layer.activation.ball(g) for g in row] for row in G])
        delta = F - _exact(Y)
        error = _frobenius(delta)
        low, high = extreme_singular_values(F_k)
        factors[f"sigma(F_{k})"] = (low, high)
        lower, upper = low * error, high * error
        for place in range(len(above) - 1, 0, -1):  # U_{l+1} and sigma_l', l = L-1 .. k+1
            index = above[place - 1].index
            low, high = extreme_singular_values(lifted[place].transpose())
            factors[f"sigma(U_{index + 1})"] = (low, high)
            flat = [abs(s) for row in slopes[place - 1] for s in row]
            least, most = flat[0], flat[0]
            for s in flat[1:]:
                least, most = least.min(s), most.max(s)
            factors[f"|sigma_{index}'|"] = (least, most)
            lower, upper = lower * low * least, upper * high * most
            back = (delta * lifted[place].transpose()).tolist()
            delta = arb_mat([[d * s for d, s in zip(line, row, strict=True)]
                             for line, row in zip(back, slopes[place - 1], strict=True)])  # fmt: skip
        gradient = _frobenius(F_k.transpose() * delta)
        factors["error"] = (error, error)
        if not all(x.is_finite() for x in (lower, gradient, upper)):
            raise UndecidedError("the balls are too wide at this precision")
        return GradientBounds(k, lower.max(arb(0)), gradient, upper, factors)
