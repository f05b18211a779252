"""Floor 4: `local-minimum`: are the given weights a local minimum of the loss?

Exactly (Q[ln 2], see ``landscape.domains``): all partial derivatives 0, and the Hessian positive definite on the
parameters that the network's symmetries leave free (``landscape.symmetries``): a local minimum, strict if there
are no symmetries.  A loss of 0 is a global minimum.  Refuted by a partial derivative that is not 0, or by
a direction along which the second derivative is negative.  A Hessian that is only semidefinite on the
free parameters decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.decimals import in_words
from exactcnn.landscape.derivatives import Point, Surface
from exactcnn.landscape.inertia import ball_inertia
from exactcnn.landscape.kinks import kink_test, kinks_of
from exactcnn.landscape.krawczyk import PRECISION, candidate
from exactcnn.landscape.symmetries import Gauge, Symmetry, families_of, gauge_of
from exactcnn.statements.critical_point import (
    decide_critical_point,
    exact_surface,
    first_nonzero,
    kink_words,
    untouched,
)
from exactcnn.statements.enclosed_gradient import Partial
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["Definite", "Descent", "LocalMinimum", "decide_local_minimum"]

_DIGITS = 24  # bits of a direction's entries


@dataclass(frozen=True, eq=False)
class Definite:
    """The Hessian is positive definite on the free parameters of ``gauge``, by the discs of ``transform``."""

    gauge: Gauge
    transform: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Descent:
    """The second derivative along ``vector`` is negative."""

    vector: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LocalMinimum:
    """Why the point of ``surface`` is a local minimum or none; ``reason`` None: its loss is 0."""

    """``smaller``: another point, with a smaller loss (None: none is claimed)."""

    surface: Surface
    reason: Definite | Descent | Partial | None
    precision: int = PRECISION
    smaller: Point | None = None


@statement(
    "local-minimum",
    group="landscape",
    title="Local minimum",
    meaning="the given weights are a local minimum of the loss, up to the network's symmetries",
    words="No weights near {there} have a smaller loss.",
    formula="Phi ( x ) >= Phi ( x^* )",
    how=(
        "exact gradient 0 and Hessian positive definite on the parameters that symmetries leave free; "
        "*refuted* by a partial derivative or a direction of negative curvature"
    ),
    checked="recomputed in intervals",
    needs=("samples", "weights", "targets"),
)
def decide_local_minimum(instance: Instance, ask: Ask) -> Finding:
    """At the given weights, exactly; see ``decide_critical_nearby`` for weights that are only close to a minimum."""
    name = "local-minimum"
    surface = exact_surface(instance)
    if surface is None:
        return _by_critical_point(instance)
    value = surface.loss
    summary: dict[str, Any] = {
        "loss": [rational_text(c) for c in value.coefficients],
        "partial": None,
        "symmetries": None,
    }
    if value.sign() == 0:
        reason = "A global minimum: the loss is exactly 0 there."
        return Finding(name, PROVED, reason, summary, LocalMinimum(surface, None))
    where = first_nonzero(surface, exact=True, layers=untouched(surface))
    if kinks_of(surface) and where is None:
        return _at_kinks(instance, surface, summary)
    if where is not None:
        reason = f"Not even critical: the partial derivative by {where} is not 0."
        return Finding(
            name, REFUTED, reason, {**summary, "partial": str(where)}, LocalMinimum(surface, where)
        )
    try:
        second = _second_order(instance, families_of(surface))
    except UndecidedError as error:
        return Finding(name, UNDECIDED, f"Critical, with loss {in_words(value)}, but {error}.", summary)
    evidence = LocalMinimum(surface, second)
    if isinstance(second, Descent):
        reason = f"Critical, with loss {in_words(value)}, but the second derivative is negative in some direction: "
        return Finding(name, REFUTED, reason + "a strict saddle or a maximum.", summary, evidence)
    fields, free = second.gauge.symmetries, len(second.gauge.free)
    summary |= {"symmetries": [field.to_json() for field in fields], "free": free}
    words = (
        "A strict local minimum" if not fields else f"A local minimum, strict up to {len(fields)} symmetries"
    )
    reason = f"{words}: the gradient is exactly 0 and the Hessian positive definite on {free} parameters; the loss "
    return Finding(name, PROVED, reason + f"there is {in_words(value)}.", summary, evidence)


def _by_critical_point(instance: Instance) -> Finding:
    """Where nothing is exact: a partial derivative that exists and is not 0 refutes, as it refutes `critical-point`."""
    critical = decide_critical_point(instance, Ask())
    summary = {"loss": None, **critical.summary}
    if critical.verdict == REFUTED:
        return Finding("local-minimum", REFUTED, f"Not even critical. {critical.reason}", summary)
    if critical.verdict == PROVED:  # by a loss of 0
        return Finding(
            "local-minimum", PROVED, "A global minimum: the loss is exactly 0 there (not certified).", summary
        )
    reason = "The loss and its derivatives are not exact at these weights, and no partial derivative is shown not to be 0"
    return Finding("local-minimum", UNDECIDED, f"{reason}; critical-point-nearby encloses them.", summary)


def _at_kinks(instance: Instance, surface: Surface, summary: dict[str, Any]) -> Finding:
    """By the test on smooth pieces (``landscape.kinks``); it has no certificate."""
    name, value = "local-minimum", in_words(surface.loss)
    try:
        found = kink_test(instance)
    except UndecidedError as error:
        felt = f" ({kink_words(surface)})" if surface.kinks else ""
        return Finding(
            name, UNDECIDED, f"Units are at kinks and the test on pieces fails: {error}{felt}.", summary
        )
    fields = found.gauge.symmetries
    summary |= {
        "symmetries": [field.to_json() for field in fields],
        "pieces": found.pieces,
        "signs": found.signs,
    }
    if not found.minimum:
        reason = f"Not a local minimum: at the kinks {found.reason} (loss {value}; not certified)."
        return Finding(name, REFUTED, reason, summary)
    words = (
        "A strict local minimum" if not fields else f"A local minimum, strict up to {len(fields)} symmetries"
    )
    reason = f"{words}, at kinks: {found.reason} ({found.pieces} pieces; not certified); the loss there is {value}."
    return Finding(name, PROVED, reason, summary)


def with_smaller(finding: Finding, point: Point) -> Finding:
    """The same finding, with a point of smaller loss (numbers of ExactDomain) in its evidence."""
    evidence = replace(finding.evidence, smaller=point)
    return replace(finding, reason=f"{finding.reason} A point of smaller loss is given.", evidence=evidence)


def _second_order(instance: Instance, families: list[Symmetry]) -> Definite | Descent:
    """UndecidedError if the Hessian is degenerate beyond the symmetries, or there is none."""
    from flint import arb, ctx

    with ctx.workprec(PRECISION):
        surface = candidate(instance)
        gauge = gauge_of(surface, families)
        H = surface.hessian()
        diagonal = ball_inertia([[H[i, j] for j in gauge.free] for i in gauge.free])
        if diagonal is not None and not diagonal.inertia.negative:
            return Definite(gauge, diagonal.transform)
        middle = np.array([[float(v.mid()) for v in row] for row in H])
        values, vectors = np.linalg.eigh((middle + middle.T) / 2)
        top = vectors[:, int(values.argmin())]
        vector = [round(float(v) * 2**_DIGITS) for v in top]
        form = sum(
            (H[i, j] * v * w for i, v in enumerate(vector) for j, w in enumerate(vector) if v and w), arb(0)
        )
        if form < 0:
            return Descent(tuple(vector))
    raise UndecidedError("its Hessian is degenerate: second derivatives do not decide")
