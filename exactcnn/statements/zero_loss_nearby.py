"""Floor 4: zero-loss-nearby: an exact global minimum with zero loss, at a proved distance (theory 2.13).

About the weights exactly as they are (trained floats are dyadic rationals) and the data's targets,
k = L-1: if rank F_{L-1} = N, then changing nothing but the matrix of the output layer makes the loss
exactly 0, and the change is at most ``distance`` in Frobenius norm.  Up to a few hundred samples a right inverse proves it; beyond
that a change of the output weights that nearly interpolates, by floats with proved bounds (``landscape.least_change``).
Both have a certificate, which holds no inverse.  A wide layer k < L-1 under dense layers: the matrix of layer k+1
changes, by Newton and Kantorovich (``landscape.nearby_deep``).  Refuted: two equal samples have different
targets, so no parameters at all give zero loss.
"""

from __future__ import annotations

from fractions import Fraction
from math import inf, nextafter

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.interpolation import target_matrix
from exactcnn.landscape.nearby import Nearby, nearby_by_balls, nearby_by_floats, suits_balls
from exactcnn.landscape.nearby_deep import nearby_by_newton, wide_layer_below
from exactcnn.linalg.singular_values import rounded_outwards
from exactcnn.statements.corollary_3_6 import output_obstacle
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding
from exactcnn.statements.rank import decide_rank
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_zero_loss_nearby"]


@statement(
    "zero-loss-nearby",
    group="landscape",
    title="A global minimum nearby",
    meaning="an exact minimum with zero loss lies at a proved distance, by output weights alone (k = L-1)",
    words=(
        "Within the stated distance of the output weights among {there} there are others that fit every "
        "target exactly."
    ),
    formula="F_k W + b = Y",
    how=(
        "a right inverse of F_{L-1} in balls, up to 300 samples; beyond, a change of the output weights by float solves with "
        "proved bounds of what it leaves over (all 1,797 digits, ten outputs: a minute); a wide layer k < L-1 under dense layers: "
        "Krawczyk's test sample by sample, changing W_{k+1}"
    ),
    checked=(
        "a change of the output matrix, what it leaves over and (by a Fiat-Shamir test) sigma_min(F), in the checker's own "
        "intervals; of a deeper layer only rank F_k = N"
    ),
    needs=("samples", "weights"),
)
def decide_zero_loss_nearby(instance: Instance, ask: Ask) -> Finding:
    """How far is an exact interpolating minimum from the given weights, at most?"""
    layer = ask.layer
    name, network = "zero-loss-nearby", instance.network
    deep = _deep_layer(instance, layer)
    if deep is not None:
        return _deep(instance, ask.at(deep))
    obstacle = output_obstacle(instance, layer)
    if obstacle is not None:
        return Finding(name, UNDECIDED, obstacle, {"distance": None}, None, layer)
    k = network.depth - 1
    try:
        Y = target_matrix(instance.need_samples(), network.widths[-1])
        clash = _clash(instance.need_samples().x, Y)
        if clash is not None:
            return _refuted(clash, k)
        small = suits_balls(instance, k)
        found = nearby_by_balls(instance) if small else nearby_by_floats(instance)
    except UndecidedError as error:
        return Finding(name, UNDECIDED, f"No distance: {error}.", {"layer": k, "distance": None}, None, k)
    note = (
        ""
        if found.inverse is not None
        else " By float64 with proved bounds; a certificate shows it without floats."
    )
    return Finding(name, PROVED, _reason(found) + note, _summary(found), found, k)


def _deep_layer(instance: Instance, layer: int | None) -> int | None:
    """k < L-1 where that is asked for, or where layer L-1 is too narrow and a wide layer lies under dense ones."""
    network = instance.network
    if layer is None and network.depth >= 2 and network.layers[-2].width >= instance.N:
        return None
    k = wide_layer_below(instance) if layer is None else layer
    dense = (
        k is not None and k < network.depth - 1 and all(each.kind == "dense" for each in network.layers[k:])
    )
    return k if dense else None


def _deep(instance: Instance, ask: Ask) -> Finding:
    """By Newton and Kantorovich on the matrix of layer k+1; the certificate holds the rank of F_k."""
    name, k = "zero-loss-nearby", ask.k
    try:
        clash = _clash(
            instance.need_samples().x, target_matrix(instance.need_samples(), instance.network.widths[-1])
        )
        if clash is not None:
            return _refuted(clash, k)
        found = nearby_by_newton(instance, k)
    except UndecidedError as error:
        return Finding(name, UNDECIDED, f"No distance: {error}.", {"layer": k, "distance": None}, None, k)
    low, high = _ends(*found.loss)
    distance = _ends(Fraction(0), found.distance)[1]
    summary: dict[str, object] = {
        "layer": k,
        "samples": found.samples,
        "width": instance.network.layer(k).width,
        "loss": [low, high],
        "distance": distance,
        "sigma_min": list(rounded_outwards(*found.sigma)),
        "route": "Newton-Kantorovich",
    }
    rank = decide_rank(instance, ask.at(k).certifiable())
    note = " It is in no certificate; rank F_k = N is, as its own claim." if rank.verdict == PROVED else ""
    reason = (
        f"The loss is in [{low:g}, {high:g}]; a global minimum with zero loss, exactly, lies within {distance:g} of "
        f"these weights, by a change of W_{k + 1} alone (Krawczyk's test, sample by sample).{note}"
    )
    return Finding(name, PROVED, reason, summary, rank.evidence if rank.verdict == PROVED else None, k)


def _refuted(clash: tuple[int, int], k: int) -> Finding:
    equal = f"Samples {clash[0]} and {clash[1]} are equal and their targets are not"
    reason = f"{equal}: no parameters at all give zero loss."
    return Finding(
        "zero-loss-nearby", REFUTED, reason, {"layer": k, "distance": None, "samples": list(clash)}, None, k
    )


def _clash(x: RationalArray, Y: RationalArray) -> tuple[int, int] | None:
    """Two equal samples with different targets."""
    first: dict[tuple[int, ...], int] = {}
    for i, row in enumerate(x.numerators.tolist()):
        j = first.setdefault(tuple(row), i)
        if j != i and Y.numerators[i].tolist() != Y.numerators[j].tolist():
            return j, i
    return None


def _ends(low: Fraction, high: Fraction) -> tuple[float, float | None]:
    """Six digits of an enclosure of something non-negative; None beyond float64."""
    if high > 10**300:
        return 0.0, None
    return rounded_outwards(max(nextafter(float(low), -inf), 0.0), nextafter(float(high), inf))


def _summary(found: Nearby) -> dict[str, object]:
    return {
        "layer": found.layer,
        "samples": found.samples,
        "width": found.width,
        "loss": list(_ends(*found.loss)),
        "loss_bound_from_gradient": None
        if found.from_gradient is None
        else rounded_outwards(0.0, found.from_gradient)[1],
        "distance": _ends(Fraction(0), found.distance)[1],
        "sigma_min": list(rounded_outwards(*found.sigma)),
        "output_weight_norm": rounded_outwards(found.weight_norm, found.weight_norm)[0],
        "route": "float64" if found.inverse is None else "right inverse",
        "precision": None if found.inverse is None else found.inverse.precision,
    }


def _reason(found: Nearby) -> str:
    low, high = _ends(*found.loss)
    distance = _ends(Fraction(0), found.distance)[1]
    if high is None or distance is None:
        return "A global minimum with zero loss exists, at a distance beyond float64."
    relative = ""
    if found.weight_norm > 0:
        part = _ends(Fraction(0), found.distance / Fraction(found.weight_norm))[1]
        relative = f" ({part:.3g} times its norm)" if part is not None else ""
    bound = ""
    if found.from_gradient is not None:
        bound = f" (at most {rounded_outwards(0.0, found.from_gradient)[1]:g} by its gradient)"
    return (
        f"The loss is in [{low:g}, {high:g}]{bound}; a global minimum with zero loss, exactly, lies within "
        f"{distance:g} of these weights, by a change of W_{found.layer + 1} alone{relative}."
    )
