"""Floor 4: `extension-c`: Theorem 4.5 for class labels and k <= L-2, with a premise that is not empty (theory 3.6).

For class labels (Y v = 1, ``landscape.class_labels``) a critical point with [F_{L-1}, 1] of full column rank has
U_L v = 0, hence lies outside S_k: Theorem 4.5 says nothing there.  *Extension C* asks less.  Let rank F_k = N, U_l of
full column rank for l = k+2..L-1, sigma_l' without zeros for l = k+1..L-1, layer k+1 fully connected, layer L
dense and linear with biases, and U_L injective on the orthogonal complement of v.  Then critical implies Phi = 0.

*Proof.*  As shown in ``class_labels``, the derivatives by U_L and b_L alone give R v = 0: the rows of R = F_L - Y lie
in v's complement.  grad_{U_{k+1}} = F_k^T Delta_{k+1} = 0 and rank F_k = N give Delta_{k+1} = 0.  As Delta_l =
(Delta_{l+1} U_{l+1}^T) o sigma_l'(G_l) without zeros in sigma_l', Delta_{l+1} U_{l+1}^T = 0, and for l+1 < L full
column rank gives Delta_{l+1} = 0; going up, R U_L^T = 0.  Each row r of R has U_L r = 0 and r.v = 0, so r = 0.  []

Decided at the given point like Theorem 4.5: injectivity by a minor of [U_L; v^T], whose kernel is
ker U_L within v's complement.  v is chosen among all solutions of Y v = 1 if classes are missing.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from exactcnn.errors import UndecidedError
from exactcnn.features.instance import Instance
from exactcnn.landscape.class_labels import augmented_rank_is_full, class_vectors, injective_beside
from exactcnn.landscape.decimals import in_words
from exactcnn.landscape.derivatives import Surface, targets_of
from exactcnn.landscape.domains import ln_two
from exactcnn.statements.at_point import conclude, setting
from exactcnn.statements.finding import UNDECIDED, Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_extension_c"]


@statement(
    "extension-c",
    group="landscape",
    title="Extension C: Theorem 4.5 for class labels",
    meaning=(
        "Theorem 4.5 for class labels and k <= L-2: U_L injective on the complement of v (Y v = 1) is enough"
    ),
    how="a minor of [U_L; v^T], then as for theorem-4.5; the proof stands in its module",
    checked="as for theorem-4.4",
    needs=("samples", "weights", "targets"),
    wide=True,
)
def decide_extension_c(instance: Instance, ask: Ask) -> Finding:
    """At the given point of Extension C's set: if it is critical, is Phi = 0?"""
    k = ask.k
    summary: dict[str, Any] = {"layer": k}
    obstacle = _obstacle(instance, k)
    if obstacle is not None:
        return _undecided(obstacle, k, summary)
    try:
        found = setting(instance, ask, -1, exact_only=True)
    except UndecidedError as error:
        return _undecided(f"it does not apply here: {error}", k, summary)
    layers = instance.network.layers
    between = list(zip(layers[k:-2], layers[k + 1 : -1], strict=True))
    found = replace(
        found,
        hypotheses={
            **found.hypotheses,
            "pyramid": all(a.width >= b.width for a, b in between),
            "dense-above": layers[k].kind == "dense",
        },
    )
    summary["hypotheses"] = found.hypotheses
    if found.undecisive is not None:
        return _undecided(f"it does not apply here: {found.undecisive.reason[:-1]}", k, summary)
    surface = found.surface
    assert surface is not None
    v, rows, injective, degenerate = _beside_v(instance, surface)
    summary |= {"v": [str(q) for q in v], "U_v_zero": degenerate}
    L = len(layers)
    if rows is None:
        known = "is not" if injective is False else "is not known to be"
        return _undecided(
            f"it does not apply here: U_{L} {known} injective on the complement of v", k, summary
        )
    full = augmented_rank_is_full(surface.F[-2], ln_two(1))
    critical = all(value.sign() == 0 for value in surface.flat_gradient())
    zero_loss = surface.loss.sign() == 0
    more = {"critical": critical, "zero_loss": zero_loss, "augmented_full_column_rank": full}
    found = replace(found, summary={**summary, **more})
    loss = "= 0" if zero_loss else f"= {in_words(surface.loss)} > 0"
    facts = (
        f"U_{L} is injective on the complement of v = ({', '.join(map(str, v))}), the point is "
        f"{'' if critical else 'not '}critical and Phi {loss}"
    )
    if degenerate:
        facts += (
            f"; U_{L} v = 0, so the point is not in S_{k} if n_{L - 1} >= n_{L}, and Theorem 4.5 is silent"
        )
    return conclude("extension-c", k, instance, found, zero_loss or not critical, facts, v=v, rows=rows)


def _undecided(why: str, k: int, summary: dict[str, Any]) -> Finding:
    return Finding("extension-c", UNDECIDED, f"Extension C: {why}.", summary, None, k)


def _obstacle(instance: Instance, k: int) -> str | None:
    network = instance.network
    if k > network.depth - 2:
        return f"it speaks of k <= L - 2 = {network.depth - 2}; for k = {k} Theorem 4.5 has no such gap"
    if not network.has_linear_output or network.layers[-1].bias == "none":
        return "it needs a dense linear output layer with biases"
    if next(class_vectors(targets_of(instance)), None) is None:
        return "it speaks of class labels, and the different rows of Y are linearly dependent"
    return None


def _beside_v(
    instance: Instance, surface: Surface
) -> tuple[tuple[Fraction, ...], tuple[int, ...] | None, bool | None, bool]:
    """(v, rows of a minor of [U_L; v^T] or None, is U_L injective beside v?, is U_L v = 0?), the best v there is."""
    entry = surface.point[-1]
    assert entry is not None
    U, m = entry[0], instance.network.widths[-1]
    answers: list[tuple[tuple[Fraction, ...], bool | None]] = []
    for v in class_vectors(targets_of(instance)):
        numbers = np.empty(m, dtype=object)
        numbers[:] = [ln_two(q) for q in v]
        minor, injective = injective_beside(U, numbers)
        if injective and minor is not None:
            return v, minor.rows, True, _kills(U, numbers)
        answers.append((v, injective))
    v, _ = answers[0]
    numbers = np.empty(m, dtype=object)
    numbers[:] = [ln_two(q) for q in v]
    decided = all(answer is False for _, answer in answers)
    return v, None, False if decided else None, _kills(U, numbers)


def _kills(U: np.ndarray, v: np.ndarray) -> bool:
    return all(sum((a * b for a, b in zip(row, v, strict=True)), ln_two()).sign() == 0 for row in U)
