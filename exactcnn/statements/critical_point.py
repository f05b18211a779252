"""Floor 4: `loss` and `critical-point` at the given weights, and what Theorems 4.4 and 4.5 say there.

Exactly where the numbers allow (Q[ln 2], see ``landscape.domains``; the loss of larger rational networks in integers), with a
certificate; otherwise by balls, and for large instances in float64 with proved bounds, streamed over the samples
(``landscape.streamed``): a partial derivative whose enclosure excludes 0 refutes, enclosures around 0 prove nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.decimals import in_words
from exactcnn.landscape.derivatives import Surface, point_of
from exactcnn.landscape.domains import BallDomain, ExactDomain, LnTwo, ln_two
from exactcnn.landscape.exact_loss import exact_loss
from exactcnn.landscape.inertia import Inertia, exact_inertia
from exactcnn.landscape.streamed import streamed
from exactcnn.statements.enclosed_gradient import Partial, enclosing, nonzero_partial, not_zero
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = [
    "UNCERTIFIED",
    "EnclosedLoss",
    "ExactPoint",
    "ball_surface",
    "decide_critical_point",
    "decide_loss",
    "exact_surface",
    "first_nonzero",
    "kink_words",
    "untouched",
]

_BITS = 256
_LARGEST_HESSIAN = 60
# Products of one pass beyond which numbers of a Domain, which are Python objects, take more than some seconds.
_LARGEST = 2_000_000
_SMALL = 100_000  # up to here they take no time, and a certificate tells the whole number
UNCERTIFIED = (
    "It is not certified: the checker evaluates gradients in exact numbers, which would take it minutes here."
)


@dataclass(frozen=True, eq=False)
class ExactPoint:
    """``surface`` evaluated over Q[ln 2]; ``partial`` is not 0 there (None: the claim is not about one)."""

    surface: Surface
    partial: Partial | None = None


@dataclass(frozen=True, eq=False)
class EnclosedLoss:
    """Phi lies between the two ``bounds`` (and is they, if they are equal)."""

    instance: Instance
    bounds: tuple[Fraction, Fraction]


def _work(instance: Instance) -> int:
    return instance.N * sum(layer.width * layer.patch_size for layer in instance.network.layers)


def _too_large(instance: Instance) -> bool:
    return _work(instance) > _LARGEST


def exact_surface(instance: Instance) -> Surface | None:
    """Over Q[ln 2], None where some activation has no value there or the work is too large."""
    if _too_large(instance):
        return None
    domain = ExactDomain()
    try:
        return Surface(instance, domain, point_of(instance, domain))
    except UndecidedError:
        return None


def ball_surface(instance: Instance, bits: int = _BITS) -> Surface | None:
    """In balls, None for activations without known derivatives or where the work is too large."""
    from flint import ctx

    if _too_large(instance):
        return None
    domain = BallDomain()
    try:
        with ctx.workprec(bits):
            return Surface(instance, domain, point_of(instance, domain))
    except UndecidedError:
        return None


@statement(
    "loss",
    group="landscape",
    title="The loss at a point",
    meaning="the value of the loss 1/2 ||F_L - Y||^2 at the given weights",
    words="The loss {weights} is the number, or lies in the interval, that the evidence states.",
    how=(
        "forward pass over Q[ln 2] or in integers; where a value is not rational, or the pass is long, balls or float64 with "
        "proved bounds, streamed over the samples (60,000 images in under a minute)"
    ),
    checked="recomputed, or enclosed in the checker's own intervals up to 10^9 products",
    needs=("samples", "weights", "targets"),
    graphs=True,
    tied=True,
)
def decide_loss(instance: Instance, ask: Ask) -> Finding:
    """The value of Phi = 1/2 ||F_L - Y||^2 at the given weights, exact or enclosed."""
    total = exact_loss(instance) if _work(instance) > _SMALL else None
    if total is not None:
        value = ln_two(total)
        return Finding("loss", PROVED, _is(value), _exactly(value), EnclosedLoss(instance, (total, total)))
    surface = exact_surface(instance)
    if surface is not None:
        value = surface.loss
        return Finding("loss", PROVED, _is(value), _exactly(value), ExactPoint(surface))
    balls = ball_surface(instance)
    if balls is not None:
        ends = _ends(balls.loss)
        how = "ball arithmetic"
    else:
        try:
            ends = streamed(instance, "none").loss
        except UndecidedError as error:
            return Finding("loss", UNDECIDED, f"The loss is not enclosed: {error}.", {})
        how = "float64 with proved bounds"
    low, high = enclosing(ends)
    reason = f"The loss 1/2 ||F_L - Y||^2 lies in [{low}, {high}] ({how})."
    return Finding(
        "loss", PROVED, reason, {"loss": [low, high], "exact": False}, EnclosedLoss(instance, ends)
    )


def _exactly(value: LnTwo) -> dict[str, object]:
    return {"loss": [rational_text(c) for c in value.coefficients], "exact": True}


def _is(value: LnTwo) -> str:
    return f"The loss 1/2 ||F_L - Y||^2 is exactly {in_words(value)}."


def _ends(ball: Any) -> tuple[Fraction, Fraction]:
    """The ends of a ball, as rationals."""
    found = []
    for end in (ball.lower(), ball.upper()):
        if not end.is_finite():
            raise UndecidedError("the loss has no finite bound in balls")
        mantissa, exponent = end.mid().man_exp()
        found.append(Fraction(int(mantissa)) * Fraction(2) ** int(exponent))
    return max(found[0], Fraction(0)), found[1]


@statement(
    "critical-point",
    group="landscape",
    title="Critical point",
    meaning="every partial derivative of the loss by a true parameter is exactly 0",
    words="Every partial derivative of the loss by a parameter is exactly 0 {weights}.",
    formula="grad Phi = 0",
    how=(
        "backward pass over Q[ln 2]; ReLU kinks that the loss feels are undecided; of large networks refuted by a partial "
        "derivative whose float64 enclosure excludes 0"
    ),
    checked="recomputed (not the float64 enclosures)",
    needs=("samples", "weights", "targets"),
    graphs=True,
)
def decide_critical_point(instance: Instance, ask: Ask) -> Finding:
    """Are all partial derivatives by the true parameters exactly 0 at the given weights?"""
    if not instance.network.parameter_count:
        reason = "It speaks of partial derivatives by parameters, and the network has none."
        return Finding("critical-point", UNDECIDED, reason, {"parameters": 0})
    surface = exact_surface(instance)
    if surface is not None:
        return _exact_finding(surface)
    balls = ball_surface(instance)
    if balls is None:
        return _enclosed_finding(instance)
    where = first_nonzero(balls, exact=False, layers=untouched(balls))
    if balls.kinks and where is None:
        return Finding("critical-point", UNDECIDED, f"Undecided: {kink_words(balls)}.", {})
    summary: dict[str, object] = {"exact": False, "partial": None if where is None else str(where)}
    if where is not None:
        reason = f"The partial derivative by {where} is not 0: its ball excludes 0 (not certified)."
        return Finding("critical-point", REFUTED, reason, summary)
    reason = "All partial derivatives lie in balls around 0; whether they are exactly 0 is not decided."
    return Finding("critical-point", UNDECIDED, reason, summary)


def _enclosed_finding(instance: Instance) -> Finding:
    """Of what is too large for Python objects."""
    try:
        found = nonzero_partial(instance)
    except UndecidedError as error:
        return Finding("critical-point", UNDECIDED, f"Undecided: no gradient in float64: {error}.", {})
    low, high = enclosing(found.loss)
    summary: dict[str, object] = {
        "loss": [low, high],
        "exact": False,
        "partial": None if found.where is None else str(found.where),
        "bounds": None if found.bounds is None else list(found.bounds),
    }
    if found.where is None and found.loss[0] == 0 and exact_loss(instance) == 0:
        # Phi >= 0 is 0 here and at most a multiple of |h|^2 at a distance |h|: f is Lipschitz nearby.
        reason = (
            "The loss is exactly 0, its least value, so that all partial derivatives are 0 (not certified)."
        )
        return Finding("critical-point", PROVED, reason, {**summary, "loss": [], "exact": True})
    if found.where is None:
        return Finding("critical-point", UNDECIDED, f"Undecided: {found.reason}.", summary)
    return Finding("critical-point", REFUTED, f"{not_zero(found)} {UNCERTIFIED}", summary)


def _exact_finding(surface: Surface) -> Finding:
    loss = surface.loss
    count = int(surface.flat_gradient().size)
    summary: dict[str, object] = {
        "loss": [rational_text(c) for c in loss.coefficients], "exact": True, "parameters": count, "partial": None,
        "kinks": [[kink.layer, kink.sample, kink.unit] for kink in surface.kinks[:100]],
    }  # fmt: skip
    where = first_nonzero(surface, exact=True, layers=untouched(surface))
    if surface.kinks and where is None:
        return Finding("critical-point", UNDECIDED, f"Undecided: {kink_words(surface)}.", summary)
    if where is None:
        inertia = _inertia(surface, count)
        kind = None if inertia is None else inertia.kind
        summary |= {"kind": kind, "inertia": None if inertia is None else asdict(inertia)}
        reason = f"All {count} partial derivatives are exactly 0; the loss there is {in_words(loss)}."
        if inertia is not None:
            words = "It is degenerate" if inertia.kind == "degenerate" else f"It is a {kind}"
            counts = f"{inertia.positive} positive, {inertia.negative} negative, {inertia.zero} zero"
            reason += f" {words} (eigenvalues of the Hessian: {counts}; not certified)."
        return Finding("critical-point", PROVED, reason, summary, ExactPoint(surface))
    reason = f"The partial derivative by {where} is not 0."
    return Finding(
        "critical-point", REFUTED, reason, {**summary, "partial": str(where)}, ExactPoint(surface, where)
    )


def _inertia(surface: Surface, count: int) -> Inertia | None:
    """Of the Hessian, exactly, where it exists and is small."""
    if count > _LARGEST_HESSIAN or not surface.smooth:
        return None
    return exact_inertia(surface.hessian())


def kink_words(surface: Surface) -> str:
    kink = surface.kinks[0]
    return (
        f"the loss may have no derivative: {len(surface.kinks)} kinks that it feels, the first at layer "
        f"{kink.layer}, unit {kink.unit}, sample {kink.sample}"
    )


def untouched(surface: Surface) -> set[int]:
    """The layers whose parameters move no unit at a kink that the loss feels: their partial derivatives exist."""
    network = surface.instance.network
    moving = {layer.index for kink in surface.kinks for layer in network.upto(kink.layer)}
    return {layer.index for layer in network.layers} - moving


def first_nonzero(surface: Surface, *, exact: bool, layers: set[int] | None = None) -> Partial | None:
    """The first partial derivative that is not 0 (``exact``), or whose ball excludes 0; None if there is none.

    ``layers``: among those of these layers.
    """
    for k, entry in enumerate(surface.gradient, 1):
        if entry is None or (layers is not None and k not in layers):
            continue
        for part, array in (("W", entry[0]), ("b", entry[1])):
            if array is None:
                continue
            for index, value in enumerate(np.asarray(array, dtype=object).ravel()):
                nonzero = value.sign() != 0 if exact else not value.contains(0)
                if nonzero:
                    return Partial(k, part, index)
    return None
