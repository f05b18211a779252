"""Judgments (e) on enclosed and (f) on exact values at a point, and those on curvature (FORMAT.md, section 8)."""

from fractions import Fraction
from math import isqrt, lcm
from operator import mul

from ..core.grammar import (INDEX, INDICES, LONG, NAME, NODE, Fields, array, integer, maybe, number, pair, polynomial, record,
                            tagged)
from ..core.hypotheses import beyond
from ..core.intervals import Interval, Intervals
from ..core.matrices import LN2, Context, Fact, indices
from ..core.instance import MATRIX, Instance
from ..core.network import Node
from ..core.numbers import Vectors
from ..core.outcome import Rejected, require, show
from ..core.regular import place, regular
from .curvature import Box, inertia, transversal
from .jets import LogTwo, enclosed, in_ln2
from .surface import Surface, exact_point, flat


def exact_surface(context: Context, name: str, path: str) -> Surface:
    context.assumptions.add(LN2)
    return Surface(context, exact_point(context, name, path), LogTwo(), path)


def enclosed_point(context: Context, name: str, w: int, path: str) -> list[Interval]:
    """The parameters of a set of weights, in intervals a few units wide."""
    return [enclosed(value, Intervals(w)) for value in flat(exact_point(context, name, path))]


def loss_exact(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    value = exact_surface(context, given["weights"], path).loss()
    require(value == given["value"], path + ".value", f"claims {in_ln2(given['value'])}, but it is {in_ln2(value)}")
    words = f"the loss 1/2 ||F - Y||^2 at the weights {given['weights']} is {in_ln2(value)}"
    return Fact("loss", words, where=given["weights"], more={"value": value, "ends": (value, value)})


def gradient_exact(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """Every partial derivative by a true parameter vanishes, or one is shown that does not."""
    surface, name, partial = exact_surface(context, given["weights"], path), given["weights"], given["partial"]
    affine, starts = context.instance.network.affine, context.instance.network.starts
    require(bool(starts[0]), path, "the network has no parameters, hence none that is critical")
    require(starts[0] > (partial or 0), path + ".partial", "there is none of this number")
    start, still = 0, None  # still: the nodes whose gradient by U is 0, of a whole gradient
    try:
        gradient = flat(surface.gradient())
        still = {n.number for n in affine if not any(map(any, surface.deltas[n.number]))}
    except Rejected:  # a kink may lie below the parameter, which does not move it
        if partial is None:
            raise
        place = next(n.number for n in reversed(affine) if starts[n.number] <= partial)
        start, gradient = starts[place], flat(surface.gradient(place))
    more = {"verdict": "refuted" if partial is not None else "proved", "still": still,
            "flat": {n.number: surface.flat(n) for n in surface.nodes if n.activation}}
    if partial is None:
        wrong = next((j for j, value in enumerate(gradient) if value), None)
        require(wrong is None, path, f"the partial derivative by parameter {wrong} is not 0")
        words = f"all {len(gradient)} partial derivatives of the loss are 0 at the weights {name}"
    else:
        slope = gradient[partial - start]
        require(bool(slope), path + ".partial", "this partial derivative is 0, or none")
        words = f"the partial derivative of the loss by parameter {partial} at the weights {name} is {in_ln2(slope)}, not 0"
    return Fact("gradient", words, where=name, more=more)


def slope_enclosed(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """(e): a partial derivative has a sign."""
    name, w, j = given["weights"], given["precision"], given["partial"]
    gradient = Box(context, enclosed_point(context, name, w, path), w, path).gradient()
    require(j < len(gradient), path + ".partial", f"expected a parameter below {len(gradient)}")
    side = Intervals(w).sign(gradient[j])
    require(side in (1, -1), path, "the enclosure of this partial derivative contains 0")
    words = f"the partial derivative of the loss by parameter {j} at the weights {name} is {'above' if side == 1 else 'below'} 0"
    return Fact("gradient", words, where=name, more={"verdict": "refuted"})


class Changed(Instance):
    """An instance with a change D of the weights of its last node."""

    def __init__(self, instance: Instance, change: Fields) -> None:
        super().__init__(instance.network, instance.data, instance.targets, instance.weights)
        self.change = change

    def entry(self, node: Node, name: str, path: str) -> Fields:
        given = super().entry(node, name, path)
        if node is not self.network.nodes[-1] or given["ln2"]:
            return given
        over, D = lcm(given["W_over"], self.change["denominator"]), self.change["rows"]
        up, lift = over // given["W_over"], over // self.change["denominator"]
        W = [[up * v + lift * d for v, d in zip(*pair, strict=True)] for pair in zip(given["W"], D, strict=True)]
        return {**given, "W": W, "W_over": over}


def squares(instance: Instance, name: str, w: int, path: str) -> tuple[int, int]:
    """Bounds of ||Y - F||^2 over 2^(2 w), F the last node's, which is dense."""
    top, targets, first, low, high = instance.network.nodes[-1], instance.targets, 0, 0, 0
    require(top.kind == "dense", path, "the last node is not dense")
    require(targets is not None, path, "targets are needed, but instance.targets is null")
    goals, vectors = targets or {}, Vectors(instance, name, top.number, w, path)
    over, up = vectors.denominator * goals["denominator"], goals["denominator"]
    for packing, columns in vectors.batches(range(len(instance.samples().rows)), range(top.filters)):
        for c, (x, radius) in enumerate(columns):
            for i, v in enumerate(packing.unpack(x), first):
                middle = goals["rows"][i][c] * vectors.denominator - v * up
                least, most = (middle - radius * up << w) // over, -((-middle - radius * up << w) // over)
                low, high = low + max(least, -most, 0) ** 2, high + max(-least, most) ** 2
        first += packing.count
    return low, high


def loss_enclosed(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """(e): the loss lies in an interval."""
    name, w, (least, most) = given["weights"], given["precision"], given["bounds"]
    low, high = squares(context.instance, name, w, path)
    right = least <= Fraction(low, 2 << 2 * w) and Fraction(high, 2 << 2 * w) <= most
    require(right, path + ".bounds", "the loss is not shown to lie there")
    words = f"the loss 1/2 ||F - Y||^2 at the weights {name} is between {decimal(-least, -1)} and {decimal(most)}"
    return Fact("loss", words, where=name, more={"ends": tuple(LogTwo().rational(q) for q in given["bounds"])})


def correction(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """||D||_F and ||R - F D||_F for a change D of the output weights, R = Y - F W - 1 b^T (Lemma 18)."""
    name, w, D, top = given["weights"], given["precision"], given["change"], context.instance.network.nodes[-1]
    require(top.kind == "dense", path, "the last node is not dense")
    shaped = len(D["rows"]) == top.length and all(len(row) == top.filters for row in D["rows"])
    require(shaped, path + ".change", f"expected {top.length} rows of {top.filters} integers")
    _, high = squares(Changed(context.instance, D), name, w, path)
    size = isqrt(sum(v * v for row in D["rows"] for v in row)) + 1
    more = {"size": Fraction(size, D["denominator"]), "rest": Fraction(isqrt(high) + 1, 1 << w)}
    return Fact("correction", "", where=name, more=more)


def definite(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """The Hessian is positive definite on parameters that the symmetries leave free (Lemmas 19, 20)."""
    name, w, free = given["weights"], given["precision"], given["free"]
    box = Box(context, enclosed_point(context, name, w, path), w, path)
    transversal(box, given["symmetries"], free, path)
    positive, negative = inertia(box.hessian(free), given["transform"], path + ".transform")
    require(negative == 0, path, f"{negative} eigenvalues are negative")
    strict = "strictly" if not given["symmetries"] else f"up to {len(given['symmetries'])} symmetries"
    words = f"the Hessian at the weights {name} is positive definite on {positive} parameters ({strict})"
    return Fact("curvature", words, where=name, more={"definite": True})


def descent(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    name, w, vector = given["weights"], given["precision"], given["vector"]
    box = Box(context, enclosed_point(context, name, w, path), w, path)
    require(len(vector) == len(box.values), path + ".vector", f"expected {len(box.values)} integers")
    bent = box.curvature([(v << w, v << w) for v in vector])
    form = [box.base.mul((v << w, v << w), x) for v, x in zip(vector, bent, strict=True)]
    require(sum(high for _, high in form) < 0, path, "the second derivative is not shown to be negative")
    words = f"the second derivative of the loss along a direction at the weights {name} is negative"
    return Fact("curvature", words, where=name, more={"definite": False})


def isolated(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """T(x) = x - Y g(x) maps the box into its interior and contracts it, by |Y g(c)| + rho |I - Y H| < rho
    row by row: exactly one zero of the free partial derivatives g, and the symmetries make the others vanish (Lemma 21)."""
    name, w, free, Y, e = (given[key] for key in ("weights", "precision", "free", "preconditioner", "scale"))
    center, chosen, order = enclosed_point(context, name, w, path), set(free), len(free)
    require(all(low == high for low, high in center), path + ".weights", f"not multiples of 2^-{w}")
    indices(free, len(center), path + ".free")
    square = len(Y) == order and all(len(row) == order for row in Y)
    require(square, path + ".preconditioner", f"expected {order} x {order} integers")
    rho, one = given["radius"], 1 << e + w

    def around(radius: int) -> Box:
        values = [(low - radius, high + radius) if j in chosen else (low, high) for j, (low, high) in enumerate(center)]
        return Box(context, values, w, path)

    gradient = around(0).gradient()
    g, wide = [gradient[j] for j in free], around(rho)
    H, step, worst = wide.hessian(free), 0, 0
    for i, row in enumerate(Y):
        middle = sum(map(mul, row, [a + b for a, b in g]))
        newton = abs(middle) + sum(map(mul, map(abs, row), [b - a for a, b in g]))  # twice |Y g|_i, over 2^(e + w)
        defect = 0
        for j in range(order):
            low = sum(min(y * line[j][0], y * line[j][1]) for y, line in zip(row, H, strict=True))
            high = sum(max(y * line[j][0], y * line[j][1]) for y, line in zip(row, H, strict=True))
            unit = one if i == j else 0
            defect += max(abs(low - unit), abs(high - unit))  # |I - Y H|_ij, over 2^(e + w)
        require((newton << w) + 2 * rho * defect < 2 * rho * one, path, f"the box is not mapped into itself in row {i}")
        step, worst = max(step, newton), max(worst, defect)
    # The zero x has |x - c| <= |Y g(c)| + kappa |x - c|, hence <= |Y g(c)| / (1 - kappa).
    inner = min(-(-(step << w) // (2 * (one - worst))) if order else 0, rho)
    box = around(inner)
    transversal(wide, given["symmetries"], free, path)
    counted = inertia(box.hessian(free), given["transform"], path + ".transform")
    require(counted == given["inertia"], path + ".inertia", f"it is {counted[0]} positive, {counted[1]} negative")
    low, high = box.surface.loss()
    least, most = given["loss"]
    require(least <= Fraction(low, 1 << w) and Fraction(high, 1 << w) <= most, path + ".loss", "not shown to lie there")
    kind = "local minimum" if not counted[1] else "strict saddle" if counted[0] else "local maximum"
    kind = kind if given["symmetries"] or kind[0] == "s" else "strict " + kind
    held = f" in its {order} free parameters, the other {len(center) - order} as given," if len(center) > order else ""
    # Rounded down, for the box holds no other; the zero stays in the smaller box.
    power = f"2^{rho.bit_length() - 1 - w}"
    radius = show(Fraction(rho, 1 << w)) if 2 * inner > rho else decimal(Fraction(-rho, 1 << w), -1) if rho << 90 > 1 << w else power
    words = (f"in the box of radius {radius} around the weights {name} there is{held} exactly one "
             f"critical point of the loss; it is a {kind}, at most {decimal(Fraction(inner, 1 << w))} away, with loss between "
             f"{decimal(-least, -1)} and {decimal(most)}{members(box, given['wide'], path + '.wide')}")
    return Fact("isolated", words, where=name, more={"ends": tuple(LogTwo().rational(q) for q in given["loss"])})


def members(box: Box, wide: Fields | None, path: str) -> str:
    """The critical point lies in S: F at the node, and U of the layers from the second above, of full rank in the whole box."""
    if wide is None:
        return ""
    network, N = box.network, len(box.surface.residual)
    node = network.node(wide["node"], path)
    above = beyond(box.context.instance, node.number, path)
    require(len(wide["parts"]) == 1 + len(above), path, f"expected {1 + len(above)} parts")
    for n, (part, each) in enumerate(zip(wide["parts"], [node, *above], strict=True)):
        rows, columns, there = part["rows"], part["columns"], f"{path}.parts[{n}]"
        height, width = (each.below.units, each.above.units) if n else (N, each.above.units)
        order = min(height, width) if n else N
        require(place(part, height, width, there) == order, there, f"expected {order} rows and columns")
        F = box.surface.F[node.number]
        table = [[lifted(box, each, u, h) for h in columns] for u in rows] if n else [[F[i][h] for h in columns] for i in rows]
        require(regular(table, box.base), there, "not shown to be regular in the whole box")
    name = network.label(node.number)
    return f", in S at node {node.number} (rank {name} = {N}, every U from the second layer above of full rank)"


def lifted(box: Box, node: Node, u: int, h: int) -> Interval:
    slot, t = node.slot(h)
    patch = node.patches[slot]
    start = box.starts[node.number]
    return box.values[start + patch.index(u) * node.filters + t] if u in patch else (0, 0)


def decimal(value: Fraction, sign: int = 1) -> str:
    """Six digits or more of a number >= 0, rounded up; of minus a number <= 0, rounded down, with sign -1."""
    if not value or abs(value) > 10**30:
        return show(sign * value)
    places, scaled = 6, -(-value.numerator * 10**6 // value.denominator)
    while abs(scaled) < 10**5 and places < 40:
        places += 1
        scaled = -(-value.numerator * 10**places // value.denominator)
    digits = str(abs(scaled)).rjust(places + 1, "0")
    return f"{'-' if sign * scaled < 0 else ''}{digits[:-places]}.{digits[-places:]}"


# fmt: off
PLACES, TABLE, AT = integer(16, 4096), array(LONG), {"weights": NAME}
SYMMETRIES = array(tagged("kind", {"scaling": {"node": NODE, "index": INDEX}, "shift": {"node": NODE, "index": INDEX},
                                   "idle": {"parameter": INDEX}}))
WIDE = record({"node": NODE, "parts": array(record({"rows": INDICES, "columns": INDICES}))})
RULES = {
    "loss-exact": ({**AT, "value": polynomial}, loss_exact),
    "gradient-exact": ({**AT, "partial": maybe(INDEX)}, gradient_exact),
    "slope-enclosed": ({**AT, "precision": PLACES, "partial": INDEX}, slope_enclosed),
    "loss-enclosed": ({**AT, "precision": PLACES, "bounds": pair(number, number)}, loss_enclosed),
    "correction": ({**AT, "precision": PLACES, "change": MATRIX}, correction),
    "definite": ({**AT, "precision": PLACES, "free": INDICES, "symmetries": SYMMETRIES, "transform": TABLE}, definite),
    "descent": ({**AT, "precision": PLACES, "vector": LONG}, descent),
    "isolated": ({**AT, "precision": PLACES, "radius": integer(1, digits=2000), "free": INDICES, "symmetries": SYMMETRIES,
                  "scale": integer(0, 2**16), "preconditioner": TABLE, "transform": TABLE, "inertia": pair(INDEX, INDEX),
                  "loss": pair(number, number), "wide": maybe(WIDE)}, isolated),
}
