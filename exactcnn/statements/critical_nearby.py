"""Floor 4: `critical-point-nearby`: exactly one critical point near the given weights, enclosed and classified.

For weights that are approximations, as every minimiser returns them: Newton's method finds a centre, Krawczyk's
test proves that a box around it holds exactly one critical point (``landscape.krawczyk``), and on a smaller
box the inertia of the Hessian, the loss and membership of S_k are proved.  "Undecided" says nothing
about the weights.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.krawczyk import Enclosure, enclose_critical_point
from exactcnn.linalg.singular_values import rounded_outwards
from exactcnn.statements.finding import PROVED, UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_critical_nearby", "enclosing_floats", "nearby_finding", "wide_layer"]

_MOST_PARAMETERS = 150


@statement(
    "critical-point-nearby",
    group="landscape",
    title="A critical point nearby",
    meaning="a box around the given weights holds exactly one critical point, and of which kind",
    words="A small box around {there} holds exactly one critical point of the loss.",
    formula="exists ! x^* in X : grad Phi ( x^* ) = 0",
    how="Krawczyk's test in ball arithmetic; its kind, its loss and membership of S_k are enclosed too",
    checked="Krawczyk redone in intervals",
    needs=("samples", "weights", "targets"),
)
def decide_critical_nearby(instance: Instance, ask: Ask) -> Finding:
    """Is there an isolated (up to symmetries) critical point near the given weights, and of what kind?"""
    layer = ask.layer
    network, name = instance.network, "critical-point-nearby"
    count = sum(each.parameter_count for each in network.layers)
    if count > _MOST_PARAMETERS:
        reason = (
            f"{count} parameters are more than the {_MOST_PARAMETERS} this test is made for; critical-point asks for "
            "the gradient alone."
        )
        return Finding(name, UNDECIDED, reason, {"parameters": count})
    try:
        instance.need_weights()
        found = enclose_critical_point(instance, wide_layer(instance, layer))
    except UndecidedError as error:
        return Finding(
            name, UNDECIDED, f"No critical point could be enclosed: {error}.", {"parameters": count}
        )
    return nearby_finding(found)


def wide_layer(instance: Instance, layer: int | None) -> int | None:
    """The layer k whose S_k is spoken of: the one asked for, else the first with n_k >= N below the output."""
    if layer is not None:
        return layer
    hidden = instance.network.layers[:-1]
    return next((each.index for each in hidden if each.width >= instance.N and each.kind != "maxpool"), None)


def nearby_finding(found: Enclosure, start: str = "the given weights") -> Finding:
    """The finding for an enclosure; ``start``: in words, what ``found.moved`` is the distance from."""
    low, high = enclosing_floats(*found.loss)
    moved = enclosing_floats(found.moved, found.moved)[1]
    distance = rounded_outwards(0.0, moved)[1]
    k = found.wide_layer
    summary: dict[str, Any] = {
        "kind": found.kind,
        "positive": found.inertia.positive,
        "negative": found.inertia.negative,
        "symmetries": [field.to_json() for field in found.symmetries],
        "radius": float(found.box_radius),  # a power of two
        "within": enclosing_floats(found.inner, found.inner)[1],
        "moved": moved,
        "loss": [low, high],
        "in_s_k": k,
        "smaller_loss_elsewhere": found.smaller is not None,
    }
    count = len(found.symmetries)
    up_to = f", up to {count} {'symmetry' if count == 1 else 'symmetries'}," if count else ""
    member = "" if k is None else f" It lies in S_{k}."
    smaller = " Elsewhere the loss is smaller." if found.smaller is not None else ""
    reason = (
        f"Exactly one critical point{up_to} within {float(found.box_radius):.3g} of a point {distance:g} "
        f"from {start} at most (largest change of a parameter): a {found.kind} with loss in [{low}, {high}]."
        f"{member}{smaller}"
    )
    return Finding("critical-point-nearby", PROVED, reason, summary, found, k)


def enclosing_floats(low: Fraction, high: Fraction) -> tuple[float, float]:
    """Floats that enclose the interval: a float nearest to an end may lie inside it.

    >>> below, above = enclosing_floats(Fraction(1, 10), Fraction(1, 10))
    >>> below <= Fraction(1, 10) <= above, above - below < 1e-16
    (True, True)
    """
    below, above = float(low), float(high)
    if below > low:
        below = math.nextafter(below, -math.inf)
    if above < high:
        above = math.nextafter(above, math.inf)
    return below, above
