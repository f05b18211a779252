"""The rules for local-minimum and critical-point-nearby (FORMAT.md, 6.12)."""

from fractions import Fraction
from operator import mul
from typing import Any

from .balls import regular
from .curvature import Box, flat, inertia, transversal
from .evidence import Context, Fields, equal, indices, require
from .intervals import Interval, plus, rational, rising, times
from .landscape import exact_surface, in_ln2, slopes, vanishes
from .nearby import decimal
from .outcome import product_cost, show


def enclosed(point: Any, w: int) -> list[Interval]:
    """The entries of a point with numbers in Q[ln 2], in intervals a few units wide."""
    log, values = rising("log", (2 << w, 2 << w), w), list[Interval]()
    for number in flat([entry and (entry["W"], entry["b"] or []) for entry in point]):
        total: Interval = (0, 0)
        for c in reversed(number):
            total = plus(times(total, log, w), rational(c.numerator, c.denominator, w))
        values.append(total)
    return values


def local_minimum(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    surface, given = exact_surface(context, claim, path), claim["evidence"]
    here, budget = path + ".evidence", context.instance.budget
    equal(claim, path, verdict="proved" if given["kind"] in ("definite", "zero-loss") else "refuted")
    bare = given["kind"] in ("zero-loss", "partial")
    require(not bare or claim["smaller"] is None, path + ".smaller", "no such point is shown with this evidence")
    if given["kind"] == "zero-loss":
        require(not claim["value"], here, "the loss is not 0")
        return "the given point is a global minimum: the loss 1/2 ||F_L - Y||^2 is 0 there"
    if given["kind"] == "partial":
        return f"no local minimum: {slopes(surface, given, here)}"
    w = given["precision"]
    box = Box(context, claim["targets"], enclosed(claim["point"], w), w, here, claim["point"])
    if given["kind"] == "direction":
        vector = given["vector"]
        require(len(vector) == len(box.values), here + ".vector", f"expected {len(box.values)} integers")
        bent = box.curvature([(v << w, v << w) for v in vector])
        form = [times((v << w, v << w), x, w) for v, x in zip(vector, bent, strict=True)]
        require(sum(high for _, high in form) < 0, here, "the second derivative is not shown to be negative")
        return ("no local minimum, whatever the gradient: the second derivative of the loss along the direction in "
                f"the claim is negative (loss {in_ln2(claim['value'])}){smaller(claim, box, path)}")
    reason, free, fields = vanishes(surface, claim, path), given["free"], given["symmetries"]
    transversal(box, fields, free, here)
    positive, negative = inertia(box.hessian(free), given["transform"], budget, here + ".transform")
    require(negative == 0, here, f"{negative} eigenvalues are negative")
    kind = "strict local minimum" if not fields else f"local minimum (strict up to {len(fields)} symmetries)"
    return f"{kind}: {reason}; the Hessian is positive definite on {positive} parameters{smaller(claim, box, path)}"


def smaller(claim: Fields, box: Box, path: str) -> str:
    """A point with a loss below every value in the box."""
    if claim["smaller"] is None:
        return ""
    values = enclosed(claim["smaller"], box.w)
    require(len(values) == len(box.values), path + ".smaller", f"expected {len(box.values)} parameters")
    least, most = box.surface.loss()[0], box.at(values, box.base).loss()[1]
    require(most < least, path + ".smaller", "the loss is not shown to be smaller there")
    return f"; at another point, given in the claim, the loss is below {decimal(Fraction(most, 1 << box.w))}"


def critical_nearby(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """T(x) = x - Y g(x) maps the box into its interior and contracts it, by |Y g(c)| + rho |I - Y H| < rho
    row by row: exactly one zero of the free partial derivatives g, and the symmetries make the others vanish."""
    places, w, budget = claim["places"], claim["precision"], context.instance.budget
    center, radius, free, Y, e = (claim[key] for key in ("center", "radius", "free", "preconditioner", "scale"))
    require(w >= places, path + ".precision", "less than places")
    chosen, order, shift = set(free), len(free), w - places
    indices(free, len(center), path + ".free")
    require(len(Y) == order and all(len(row) == order for row in Y), path + ".preconditioner",
            f"expected {order} x {order} integers")
    bits = max((abs(value).bit_length() for row in Y for value in row), default=0)
    budget.spend(order**3 * (1 + product_cost(bits, 2 * w)), path)

    def around(rho: int) -> Box:
        """rho at w places."""
        values = [((v << shift) - rho, (v << shift) + rho) if j in chosen else (v << shift, v << shift)
                  for j, v in enumerate(center)]
        return Box(context, claim["targets"], values, w, path)

    rho, one = radius << shift, 1 << e + w
    gradient = around(0).gradient()
    g, wide = [gradient[j] for j in free], around(rho)
    H, step, worst = wide.hessian(free), 0, 0
    for i, row in enumerate(Y):
        middle = sum(map(mul, row, [a + b for a, b in g]))
        slack = sum(map(mul, map(abs, row), [b - a for a, b in g]))
        newton = abs(middle) + slack  # twice |Y g|_i, over 2^(e + w)
        defect = 0
        for j in range(order):
            low = high = 0
            for y, line in zip(row, H, strict=True):
                a, b = line[j]
                low, high = low + min(y * a, y * b), high + max(y * a, y * b)
            unit = one if i == j else 0
            defect += max(abs(low - unit), abs(high - unit))  # |I - Y H|_ij, over 2^(e + w)
        require((newton << w) + 2 * rho * defect < 2 * rho * one, path, f"the box is not mapped into itself in row {i}")
        step, worst = max(step, newton), max(worst, defect)
    # The zero x has |x - c| <= |Y g(c)| + kappa |x - c|, hence <= |Y g(c)| / (1 - kappa).
    inner = -(-(step << w) // (2 * (one - worst))) if order else 0
    box = around(min(inner, rho))
    transversal(wide, claim["symmetries"], free, path)
    counted = inertia(box.hessian(free), claim["transform"], budget, path + ".transform")
    equal(claim, path, inertia=counted)
    low, high = box.surface.loss()
    bounds = Fraction(low, 1 << w), Fraction(high, 1 << w)
    require(claim["loss"][0] <= bounds[0] and bounds[1] <= claim["loss"][1], path + ".loss", "not shown to lie there")
    kind = "local minimum" if not counted[1] else "strict saddle" if counted[0] else "local maximum"
    kind = kind if claim["symmetries"] or kind[0] == "s" else "strict " + kind
    held = len(center) - order
    fixed = f" in its {order} free parameters, the other {held} as given," if held else ""
    return (f"in the box of radius {show(Fraction(radius, 1 << places))} around the point in the claim there is"
            f"{fixed} exactly one critical point of the loss; it is a {kind}, at most "
            f"{decimal(Fraction(inner, 1 << w))} away, with loss between {decimal(-claim['loss'][0], -1)} and "
            f"{decimal(claim['loss'][1])}{members(claim, box, path)}{smaller(claim, box, path)}")


def members(claim: Fields, box: Box, path: str) -> str:
    """The critical point lies in S_k: F_k of rank N and U_{k+2} .. U_L of full rank in the whole box."""
    if claim["wide"] is None:
        return ""
    here, k, parts = path + ".wide", claim["wide"]["layer"], claim["wide"]["parts"]
    context, layers, N = box.context, box.layers, len(box.surface.F[0])
    context.instance.layer(k, here)
    above = layers[k + 1 :]
    require(k < len(layers) and all(each.kind != "maxpool" for each in above), here, "S_k is not defined")
    require(len(parts) == 1 + len(above), here, f"expected {1 + len(above)} parts")
    features = box.surface.F[k]
    for n, part in enumerate(parts):
        rows, columns, R, there = part["rows"], part["columns"], part["inverse"], f"{here}.parts[{n}]"
        layer = above[n - 1] if n else layers[k - 1]
        height, width = (layer.below.units, layer.units) if n else (N, layer.units)
        order = min(height, width) if n else N
        indices(rows, height, there + ".rows")
        indices(columns, width, there + ".columns")
        shaped = len(rows) == len(columns) == len(R) == order and all(len(row) == order for row in R)
        require(shaped, there, f"expected {order} rows and columns, and an inverse of that order")
        bits = max((abs(value).bit_length() for row in R for value in row), default=0)
        context.instance.budget.spend(order**3 * (1 + product_cost(bits, 2 * box.w)), there)
        if n == 0:
            table = [[features[i][h] for h in columns] for i in rows]
        else:
            W, T = box.surface.point[layer.number - 1]["W"], layer.filters
            places = [{u: r for r, u in enumerate(patch)} for patch in box.surface.gathers[layer.number - 1]]
            table = [[W[places[h // T][u]][h % T] if u in places[h // T] else (0, 0) for h in columns] for u in rows]
        regular(table, R, part["scale"], box.w, there)
    return f", in S_{k} (rank F_{k} = {N}" + "".join(f", U_{each.number} of full rank" for each in above) + ")"


