"""Floor 4: Lemma 4.3 at given weights: the gradient lies between its two bounds, all three enclosed.

The lemma is a theorem, so what is worth knowing is how tight it is here: the summary gives the
enclosures of both bounds and of ||grad_{U_{k+1}} Phi||_F, and the two ratios.  Proved means that the
enclosures alone prove both inequalities; undecided that they overlap (both sides of an inequality are
the same number, or 0) or that a hypothesis fails.  No certificate: nobody doubts the lemma.
"""

from __future__ import annotations

from math import inf, nextafter
from typing import Any

from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.gradient_bounds import GradientBounds, gradient_bounds, suits_balls
from exactcnn.landscape.streamed_bounds import streamed_bounds
from exactcnn.linalg.singular_values import rounded_outwards
from exactcnn.statements.finding import PROVED, UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_lemma_4_3"]


@statement(
    "lemma-4.3",
    group="landscape",
    title="Lemma 4.3: bounds of the gradient",
    meaning=(
        "the gradient by U_{k+1} lies between the products of extreme singular values, at the given weights"
    ),
    how="ball arithmetic up to 300 samples (extreme singular values by traces of powers), beyond by float64 with proved bounds",
    checked="no certificate (the lemma is a theorem)",
    needs=("samples", "weights"),
)
def decide_lemma_4_3(instance: Instance, ask: Ask) -> Finding:
    """Both bounds of Lemma 4.3 for k = ``layer`` (None: the wide layer)."""
    layer = ask.layer
    network = instance.network
    k = network.wide_layer(instance.N) if layer is None else layer
    obstacle = _obstacle(instance, k)
    if obstacle is None:
        try:
            # Balls tell more digits where they are affordable; float64 goes on from there.
            route = gradient_bounds if suits_balls(instance, k) else streamed_bounds
            return _finding(route(instance, k), k)
        except UndecidedError as error:
            obstacle = str(error)
    return Finding("lemma-4.3", UNDECIDED, f"No bounds: {obstacle}.", {"layer": k}, None, k)


def _obstacle(instance: Instance, k: int) -> str | None:
    network = instance.network
    if not network.has_linear_output or k >= network.depth:
        return "it needs a dense linear output layer above layer k"
    for layer in network.layers[k : network.depth - 1]:
        if layer.activation is not None and layer.activation.properties.differentiable is not True:
            return f"sigma_{layer.index}, {layer.activation}, is not known to be differentiable"
    return None


def _finding(found: GradientBounds, k: int) -> Finding:
    ordered = found.ordered
    if ordered is False:
        raise AssertionError("Lemma 4.3 is violated: an enclosure is wrong")
    sides = {name: _ends(getattr(found, name)) for name in ("lower", "gradient", "upper")}
    ratios = {
        "gradient/lower": _ends(found.gradient / found.lower) if found.lower > 0 else None,
        "upper/gradient": _ends(found.upper / found.gradient) if found.gradient > 0 else None,
    }
    factors = {name: [_ends(low), _ends(high)] for name, (low, high) in found.factors.items()}
    summary = {"layer": k, **sides, "ratios": ratios, "factors": factors}
    chain = f"{_shown(sides['lower'])} <= {_shown(sides['gradient'])} <= {_shown(sides['upper'])}"
    if ordered:
        reason = f"||grad by U_{k + 1}|| lies between the bounds: {chain} (enclosures)."
        return Finding("lemma-4.3", PROVED, reason, summary, None, k)
    reason = f"The enclosures overlap, so they do not prove the order by themselves: {chain}."
    return Finding("lemma-4.3", UNDECIDED, reason, summary, None, k)


def _ends(ball: Any) -> list[float | None]:
    """Six digits of a non-negative ball, outwards; the conversions of the ends to floats are widened first."""
    low, high = float(ball.lower()), float(ball.upper())
    if low > 0:
        low = max(nextafter(nextafter(low, -inf), -inf), 0.0)
    if ball.upper() != 0:  # a positive number may have become 0
        high = nextafter(nextafter(high, inf), inf)
    return list(rounded_outwards(max(low, 0.0), high))


def _shown(ends: list[float | None]) -> str:
    return f"[{ends[0]:g}, {ends[1]:g}]"
