"""What theorem-4.4, theorem-4.5, corollary-4.6, extension-c and zero-loss-exists share (FORMAT.md, 6.13)."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

from .evidence import Fields, require
from .instance import Instance, Layer, bias_sizes
from .landscape import Surface, trimmed
from .modular import is_nonsingular
from .outcome import Rejected, show

P, LN2_MOD = 2**31 - 1, 3  # ln 2, transcendental, may stand for any residue
NOWHERE_ZERO = ("identity", "sigmoid", "sigmoid2", "tanh", "softplus", "arctan")


def tied(instance: Instance, point: list[Any], k: int, above: list[Layer], path: str) -> None:
    """The point is that of the weights: layers 1..k, and U_l for those above up to a factor ln 2 (the same rank)."""
    for layer in [*instance.layers[:k], *above]:
        entry = point[layer.number - 1]
        if layer.kind == "maxpool":
            continue
        columns, over, bias, bias_over = instance.parameters(layer)
        W = [[Fraction(column[r], over) for column in columns] for r in range(layer.patch_length)]
        same = entry["W"] == [[trimmed([w]) for w in row] for row in W]
        if layer.number <= k:
            b = [trimmed([Fraction(v, bias_over)]) for v in bias[: bias_sizes(layer)]]
            same = same and (entry["b"] or []) == b
        else:
            same = same or entry["W"] == [[trimmed([Fraction(0), w]) for w in row] for row in W]
        require(same, f"{path}.point[{layer.number - 1}]", f"is not layer {layer.number} of the weights")


def failing(instance: Instance, surface: Surface, k: int) -> set[str]:
    """Hypotheses on the layers above k that fail for certain."""
    above, found = instance.layers[k:], set[str]()
    for layer in above[:-1]:
        a = layer.activation or {"name": "identity"}
        flat = a["name"] not in NOWHERE_ZERO and a != {"name": "elu", "alpha": 1}
        if a["name"] == "custom":
            flat = any(not slope for row in surface.slopes[layer.number - 1] for slope in row)
        found |= {"slopes-without-zeros"} if flat else set()
    tests = {
        "no-pooling-above": any(layer.kind == "maxpool" for layer in above),
        "linear-output": above[-1].kind != "dense" or above[-1].activation != {"name": "identity"},
        "pyramid": any(a.units < b.units for a, b in pairwise(above)),
        "dense-above": above[0].kind != "dense",
        "fully-connected": any(layer.kind != "dense" for layer in instance.layers)}
    return found | {name for name, fails in tests.items() if fails}


def injective(instance: Instance, claim: Fields, last: Fields, path: str) -> None:
    """Y v = 1, and [U_L; v^T] has rank m by a minor: U_L is injective on the orthogonal complement of v."""
    v, U, m = claim["v"], last["point"][-1]["W"], len(last["targets"][0])
    require(len(v) == m, path + ".v", f"expected {m} numbers")
    for i, row in enumerate(last["targets"]):
        require(sum((a * b for a, b in zip(row, v, strict=True)), Fraction(0)) == 1, path + ".v", f"y_{i}.v is not 1")
    matrix, rows = [*U, [trimmed([q]) for q in v]], claim["rows"]
    right = len(rows) == m and rows == sorted(set(rows)) and rows[-1] < len(matrix)
    require(right, path + ".rows", f"expected {m} different rows of [U_L; v^T]")
    minor = [[residue(q, path) for q in matrix[r]] for r in rows]
    require(is_nonsingular(minor, P, instance.budget), path, f"the minor vanishes mod {P}")


def residue(value: tuple[Fraction, ...], path: str) -> int:
    if any(c.denominator % P == 0 for c in value):
        raise Rejected(f"{path}: {show(P)} divides a denominator")
    return sum(c.numerator * pow(c.denominator, -1, P) * pow(LN2_MOD, i, P) for i, c in enumerate(value)) % P
