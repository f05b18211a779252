"""The rules for loss and critical-point (FORMAT.md, 6.10): exact values over Q[ln 2] by forward and backward passes.

A number is a tuple (c_0, c_1, ..) of Fractions without trailing zeros, c_0 + c_1 ln 2 + ..; ln 2 is
transcendental, so it is 0 only as the empty tuple.
"""

from fractions import Fraction
from itertools import zip_longest
from typing import Any

from .evidence import Context, Fields, equal, require
from .expressions import exact, parse
from .instance import Layer, bias_sizes
from .intervals import ln2
from .outcome import Rejected, show

LN2 = "ln 2 is transcendental (Hermite and Lindemann)"
Number = tuple[Fraction, ...]
Matrix = list[list[Number]]
ZERO: Number = ()


def trimmed(values: list[Fraction]) -> Number:
    while values and not values[-1]:
        values.pop()
    return tuple(values)


def add(a: Number, b: Number) -> Number:
    return trimmed([Fraction(x) + y for x, y in zip_longest(a, b, fillvalue=Fraction(0))])


def mul(a: Number, b: Number) -> Number:
    product = [Fraction(0)] * (len(a) + len(b))
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return trimmed(product)


def sign(a: Number) -> int:
    """By an enclosure of ln 2 that is refined until it separates the number from 0."""
    if len(a) < 2:
        return (a[0] > 0) - (a[0] < 0) if a else 0
    for bits in (64, 256, 1024, 4096):
        low, high = Fraction(ln2(bits) - 9 * bits, 1 << bits), Fraction(ln2(bits) + 9 * bits, 1 << bits)
        least = sum((c * (low if c > 0 else high) ** i for i, c in enumerate(a)), Fraction(0))
        most = sum((c * (high if c > 0 else low) ** i for i, c in enumerate(a)), Fraction(0))
        if least > 0 or most < 0:
            return 1 if least > 0 else -1
    raise Rejected("the sign of a polynomial in ln 2 takes too many bits")


def jet(spec: dict[str, Any], t: Number, path: str) -> tuple[Number, Number | None]:
    """sigma(t) and sigma'(t), None where it does not exist."""
    name, one = spec["name"], (Fraction(1),)
    if name == "identity":
        return t, one
    if name == "square":
        return mul(t, t), mul((Fraction(2),), t)
    if name in ("relu", "leaky_relu"):
        side, slope = sign(t), trimmed([spec.get("slope", Fraction(0))])
        return (t, one) if side > 0 else (mul(t, slope), slope if side else None)
    if name == "custom" and len(t) < 2:
        there = exact(parse(spec["expression"]), t[0] if t else Fraction(0), path)
        return trimmed([there[0]]), trimmed([there[1]])
    require(name in ("sigmoid", "tanh", "sigmoid2"), path, f"{name} has no exact values")
    c0, c1 = [*t, Fraction(0), Fraction(0)][:2]
    n, other = (c0, c1) if name == "sigmoid2" else (c1, c0)
    n = 2 * n if name == "tanh" else n
    good = len(t) <= 2 and not other and n.denominator == 1 and abs(n) <= 10**4
    require(good, path, f"{name} has no rational value there")
    power = Fraction(2) ** int(n)
    s = power / (1 + power)
    first = s * (1 - s)
    if name == "tanh":
        return trimmed([2 * s - 1]), (4 * first,)
    return (s,), (first,) if name == "sigmoid" else (Fraction(0), first)


class Surface:
    """F_L - Y and, layer by layer from above, the partial derivatives of Phi = 1/2 ||F_L - Y||^2."""

    def __init__(self, context: Context, claim: Fields, path: str) -> None:
        instance, self.path = context.instance, path
        data, layers = instance.samples(), instance.layers
        targets, point = claim["targets"], claim["point"]
        count = len(data.rows)
        right = len(targets) == count and all(len(row) == layers[-1].units for row in targets)
        require(right, path + ".targets", f"expected {count} rows of {layers[-1].units} numbers")
        require(len(point) == len(layers), path + ".point", f"expected {len(layers)} entries")
        work = count * sum(layer.units * layer.patch_length for layer in layers)
        instance.budget.spend(200 * work, path)
        self.layers, self.point, self.F, self.slopes = layers, point, list[Matrix](), list[Any]()
        self.felt = set[int]()  # layers l with dPhi/dG_l not 0, once the gradient is computed
        self.gathers = [layer.patches(instance.budget) for layer in layers]
        state = [[trimmed([Fraction(v, data.denominator)]) for v in data.sample(i)] for i in range(count)]
        for layer, gathers, entry in zip(layers, self.gathers, point, strict=True):
            self.F.append(state)
            state = self.passed(layer, gathers, entry, state)
        context.assumptions.add(LN2)
        self.residual = [[add(f, (-y,)) for f, y in zip(row, ys, strict=True)]
                         for row, ys in zip(state, targets, strict=True)]

    def passed(self, layer: Layer, gathers: list[list[int]], entry: Any, state: Matrix) -> Matrix:
        above, slopes = [], []
        here = f"{self.path}.point[{layer.number - 1}]"
        require((entry is None) == (layer.kind == "maxpool"), here, "null exactly for maxpool")
        if entry is not None:
            rows, b, size = entry["W"], entry["b"], bias_sizes(layer)
            right = len(rows) == layer.patch_length and all(len(row) == layer.filters for row in rows)
            require(right and (len(b) if b else 0) == size, here, "weights of other shapes are needed")
        for row in state:
            values: list[Number] = []
            marks: list[Any] = []
            for h in range(layer.units):
                p, t = divmod(h, layer.filters)
                real = [(r, u) for r, u in enumerate(gathers[p if entry else h]) if u >= 0]
                if entry is None:
                    best = [real[0][1]]
                    for _, u in real[1:]:
                        side = sign(add(row[u], mul((Fraction(-1),), row[best[0]])))
                        best = [u] if side > 0 else [*best, u] if side == 0 else best
                    values.append(row[best[0]])
                    marks.append(best)
                    continue
                g = entry["b"][h if layer.spec["bias"] == "unit" else t] if entry["b"] else ZERO
                for r, u in real:
                    g = add(g, mul(entry["W"][r][t], row[u]))
                value, slope = jet(layer.activation or {}, g, f"{self.path}: layer {layer.number}")
                values.append(value)
                marks.append(slope)
            above.append(values)
            slopes.append(marks)
        self.slopes.append(slopes)
        return above

    def loss(self) -> Number:
        total = ZERO
        for row in self.residual:
            for value in row:
                total = add(total, mul(value, value))
        return mul((Fraction(1, 2),), total)

    def gradient(self) -> list[Any]:
        """For each layer null or (dW, db); a kink that the loss feels is a rejection."""
        D, found = self.residual, []
        for layer, gathers, entry, below, slopes in zip(
                *map(reversed, (self.layers, self.gathers, self.point, self.F, self.slopes)), strict=True):
            back = [[ZERO] * len(row) for row in below]
            dW = [[ZERO] * layer.filters for _ in range(layer.patch_length)]
            db = [ZERO] * (bias_sizes(layer) if entry else 0)
            for i, row in enumerate(D):
                for h, d in enumerate(row):
                    p, t = divmod(h, layer.filters)
                    mark = slopes[i][h]
                    if not d:
                        continue
                    smooth = len(mark) == 1 if entry is None else mark is not None
                    require(smooth, self.path, f"a kink at sample {i}, layer {layer.number}, unit {h}")
                    if entry is None:
                        back[i][mark[0]] = add(back[i][mark[0]], d)
                        continue
                    delta = mul(d, mark)
                    self.felt |= {layer.number} if delta else set()
                    if db:
                        place = h if layer.spec["bias"] == "unit" else t
                        db[place] = add(db[place], delta)
                    for r, u in enumerate(gathers[p]):
                        if u >= 0:
                            dW[r][t] = add(dW[r][t], mul(delta, below[i][u]))
                            back[i][u] = add(back[i][u], mul(delta, entry["W"][r][t]))
            D = back
            found.append(None if entry is None else (dW, db))
        return found[::-1]


def loss(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    value = Surface(context, claim, path).loss()
    require(value == claim["value"], path + ".value", f"claims {in_ln2(claim['value'])}, but it is {in_ln2(value)}")
    return f"the loss 1/2 ||F_L - Y||^2 at the given point is {in_ln2(value)}"


def critical(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    surface = Surface(context, claim, path)
    value, where = surface.loss(), claim["partial"]
    gradient = surface.gradient()
    require(value == claim["value"], path + ".value", f"claims {in_ln2(claim['value'])}, but it is {in_ln2(value)}")
    equal(claim, path, verdict="proved" if where is None else "refuted")
    if where is None:
        wrong = [k for k, entry in enumerate(gradient, 1) if entry and (any(map(any, entry[0])) or any(entry[1]))]
        require(not wrong, path, f"a partial derivative of layer {wrong[:1]} is not 0")
        count = sum(len(entry[0]) * len(entry[0][0]) + len(entry[1]) for entry in gradient if entry)
        return f"all {count} partial derivatives of the loss are 0 at the given point, where it is {in_ln2(value)}"
    k, part, index = where["layer"], where["part"], where["index"]
    require(k <= len(gradient) and gradient[k - 1] is not None, path, f"layer {show(k)} has no parameters")
    entry = gradient[k - 1]
    flat = [v for row in entry[0] for v in row] if part == "W" else entry[1]
    require(index < len(flat) and bool(flat[index]), path + ".partial", "this partial derivative is 0 or none")
    return f"the partial derivative of the loss by {part}_{k}[{index}] is {in_ln2(flat[index])}, not 0"


def in_ln2(value: Number) -> str:
    names = ("", " ln 2", *(f" (ln 2)^{i}" for i in range(2, 100)))
    return " + ".join(f"{show(c)}{name}" for c, name in zip(value, names, strict=False) if c) or "0"
