"""Floor 4: `loss` and `critical-point` at the given weights, and what Theorems 4.4 and 4.5 say there.

Exactly where the numbers allow (Q[ln 2], see ``landscape.domains``), with a certificate; otherwise by balls:
a partial derivative whose ball excludes 0 refutes, balls around 0 prove nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import Surface, point_of
from exactcnn.landscape.domains import BallDomain, ExactDomain, LnTwo
from exactcnn.landscape.inertia import Inertia, exact_inertia
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = [
    "ExactPoint",
    "Partial",
    "ball_surface",
    "decide_critical_point",
    "decide_loss",
    "exact_surface",
    "first_nonzero",
    "in_words",
    "kink_words",
    "untouched",
]

_BITS = 256
_LARGEST_HESSIAN = 60
# Units times samples beyond which Python objects are too slow to be the whole route.
_LARGEST = 2_000_000


@dataclass(frozen=True)
class Partial:
    """The partial derivative by entry ``index`` of W_layer (row by row) or b_layer."""

    layer: int
    part: str
    index: int

    def __str__(self) -> str:
        return f"{self.part}_{self.layer}[{self.index}]"


@dataclass(frozen=True, eq=False)
class ExactPoint:
    """``surface`` evaluated over Q[ln 2]; ``partial`` is not 0 there (None: the claim is not about one)."""

    surface: Surface
    partial: Partial | None = None


def _too_large(instance: Instance) -> bool:
    return instance.N * sum(layer.width * layer.patch_size for layer in instance.network.layers) > _LARGEST


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


def in_words(value: LnTwo) -> str:
    """As a sum of rational multiples of powers of ln 2."""
    names = ["", " ln 2"]
    terms = [
        f"{c}{names[i] if i < 2 else f' (ln 2)^{i}'}" for i, c in enumerate(value.coefficients) if c != 0
    ]
    return " + ".join(terms).replace("+ -", "- ") or "0"


@statement(
    "loss",
    group="landscape",
    title="The loss at a point",
    meaning="the value of the loss 1/2 ||F_L - Y||^2 at the given weights",
    words="The loss {weights} is the number, or lies in the interval, that the evidence states.",
    how="forward pass over Q[ln 2]; where a value is not in it, balls (not certified)",
    checked="recomputed",
    needs=("samples", "weights", "targets"),
    graphs=True,
    tied=True,
)
def decide_loss(instance: Instance, ask: Ask) -> Finding:
    """The value of Phi = 1/2 ||F_L - Y||^2 at the given weights, exact or enclosed."""
    surface = exact_surface(instance)
    if surface is not None:
        value = surface.loss
        summary: dict[str, object] = {"loss": [str(c) for c in value.coefficients], "exact": True}
        reason = f"The loss 1/2 ||F_L - Y||^2 is {in_words(value)}, exactly."
        return Finding("loss", PROVED, reason, summary, ExactPoint(surface))
    balls = ball_surface(instance)
    if balls is None:
        return Finding("loss", UNDECIDED, "The loss is too large to evaluate in exact numbers or balls.", {})
    from flint import ctx

    with ctx.workprec(_BITS):
        shown = balls.loss.str(30)
    reason = f"The loss 1/2 ||F_L - Y||^2 lies in {shown} (ball arithmetic, not certified)."
    return Finding("loss", PROVED, reason, {"loss": shown, "exact": False})


@statement(
    "critical-point",
    group="landscape",
    title="Critical point",
    meaning="every partial derivative of the loss by a true parameter is exactly 0",
    words="Every partial derivative of the loss by a parameter is exactly 0 {weights}.",
    formula="grad Phi = 0",
    how="backward pass over Q[ln 2]; ReLU kinks that the loss feels are undecided",
    checked="recomputed",
    needs=("samples", "weights", "targets"),
    graphs=True,
)
def decide_critical_point(instance: Instance, ask: Ask) -> Finding:
    """Are all partial derivatives by the true parameters exactly 0 at the given weights?"""
    surface = exact_surface(instance)
    if surface is not None:
        return _exact_finding(surface)
    balls = ball_surface(instance)
    if balls is None or (balls.kinks and first_nonzero(balls, exact=False, layers=untouched(balls)) is None):
        why = "the gradient could not be evaluated" if balls is None else kink_words(balls)
        return Finding("critical-point", UNDECIDED, f"Undecided: {why}.", {})
    where = first_nonzero(balls, exact=False, layers=untouched(balls))
    summary: dict[str, object] = {"exact": False, "partial": None if where is None else str(where)}
    if where is not None:
        reason = f"The partial derivative by {where} is not 0: its ball excludes 0 (not certified)."
        return Finding("critical-point", REFUTED, reason, summary)
    reason = "All partial derivatives lie in balls around 0; whether they are exactly 0 is not decided."
    return Finding("critical-point", UNDECIDED, reason, summary)


def _exact_finding(surface: Surface) -> Finding:
    loss = surface.loss
    count = int(surface.flat_gradient().size)
    summary: dict[str, object] = {
        "loss": [str(c) for c in loss.coefficients], "exact": True, "parameters": count, "partial": None,
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
