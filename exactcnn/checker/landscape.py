"""Loss, gradient and directional derivatives of it (FORMAT.md, 6.10), and the rules for loss and critical-point.

A Surface works in any arithmetic with zero, add, mul, rational, jet, largest and joined.  Here: Q[ln 2], a number being
a tuple (c_0, c_1, ..) of Fractions without trailing zeros, c_0 + c_1 ln 2 + ..; ln 2 is transcendental, so it
is 0 only as the empty tuple.
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


def trimmed(values: list[Fraction]) -> Number:
    while values and not values[-1]:
        values.pop()
    return tuple(values)


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


class Exact:
    """Arithmetic in Q[ln 2]."""

    zero: Any = ()

    def rational(self, q: Fraction) -> Any:
        return trimmed([q])

    def add(self, a: Any, b: Any) -> Any:
        return trimmed([Fraction(x) + y for x, y in zip_longest(a, b, fillvalue=Fraction(0))])

    def mul(self, a: Any, b: Any) -> Any:
        product = [Fraction(0)] * (len(a) + len(b))
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                product[i + j] += x * y
        return trimmed(product)

    def largest(self, values: list[Any]) -> list[int]:
        """The places of the maximum."""
        best = [0]
        for n in range(1, len(values)):
            side = sign(self.add(values[n], self.mul((Fraction(-1),), values[best[0]])))
            best = [n] if side > 0 else [*best, n] if side == 0 else best
        return best

    def joined(self, values: list[Any]) -> Any:
        """The maximum, given all values that may be it."""
        return values[0]

    def jet(self, spec: dict[str, Any], t: Any, path: str) -> tuple[Any, Any]:
        """sigma(t) and sigma'(t), None where it does not exist."""
        name, one = spec["name"], (Fraction(1),)
        if name == "identity":
            return t, one
        if name == "square":
            return self.mul(t, t), self.mul((Fraction(2),), t)
        if name in ("relu", "leaky_relu"):
            side, slope = sign(t), trimmed([spec.get("slope", Fraction(0))])
            return (t, one) if side > 0 else (self.mul(t, slope), slope if side else None)
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
    """F_0 .. F_L, the slopes (for pooling the places of the maximum) and F_L - Y, at one point."""

    def __init__(self, context: Context, targets: Any, point: Any, path: str, numbers: Any, cost: int = 200) -> None:
        instance, self.path, self.numbers = context.instance, path, numbers
        data, layers = instance.samples(), instance.layers
        count = len(data.rows)
        right = len(targets) == count and all(len(row) == layers[-1].units for row in targets)
        require(right, path + ".targets", f"expected {count} rows of {layers[-1].units} numbers")
        require(len(point) == len(layers), path + ".point", f"expected {len(layers)} entries")
        work = count * sum(layer.units * layer.patch_length for layer in layers)
        instance.budget.spend(cost * work, path)
        self.layers, self.point, self.F, self.slopes = layers, point, list[Any](), list[Any]()
        self.felt = set[int]()  # layers l with dPhi/dG_l not 0, once the gradient is computed
        self.gathers = [layer.patches(instance.budget) for layer in layers]
        for layer, entry in zip(layers, point, strict=True):
            self.fits(layer, entry)
        state = [[numbers.rational(Fraction(v, data.denominator)) for v in data.sample(i)] for i in range(count)]
        for layer, gathers, entry in zip(layers, self.gathers, point, strict=True):
            self.F.append(state)
            state = self.passed(layer, gathers, entry, state)
        self.residual = [[numbers.add(f, numbers.rational(-y)) for f, y in zip(row, ys, strict=True)]
                         for row, ys in zip(state, targets, strict=True)]

    def fits(self, layer: Layer, entry: Any) -> None:
        here = f"{self.path}.point[{layer.number - 1}]"
        require((entry is None) == (layer.kind == "maxpool"), here, "null exactly for maxpool")
        if entry is not None:
            rows, b, size = entry["W"], entry["b"], bias_sizes(layer)
            right = len(rows) == layer.patch_length and all(len(row) == layer.filters for row in rows)
            require(right and (len(b) if b else 0) == size, here, "weights of other shapes are needed")

    def passed(self, layer: Layer, gathers: list[list[int]], entry: Any, state: Any) -> Any:
        above, slopes, numbers = [], [], self.numbers
        for row in state:
            values: list[Any] = []
            marks: list[Any] = []
            for h in range(layer.units):
                p, t = divmod(h, layer.filters)
                real = [(r, u) for r, u in enumerate(gathers[p if entry else h]) if u >= 0]
                if entry is None:
                    best = [real[n][1] for n in numbers.largest([row[u] for _, u in real])]
                    values.append(numbers.joined([row[u] for u in best]))
                    marks.append(best)
                    continue
                g = entry["b"][h if layer.spec["bias"] == "unit" else t] if entry["b"] else numbers.zero
                for r, u in real:
                    g = numbers.add(g, numbers.mul(entry["W"][r][t], row[u]))
                value, slope = numbers.jet(layer.activation or {}, g, f"{self.path}: layer {layer.number}")
                values.append(value)
                marks.append(slope)
            above.append(values)
            slopes.append(marks)
        self.slopes.append(slopes)
        return above

    def loss(self) -> Any:
        total, numbers = self.numbers.zero, self.numbers
        for row in self.residual:
            for value in row:
                total = numbers.add(total, numbers.mul(value, value))
        return numbers.mul(numbers.rational(Fraction(1, 2)), total)

    def gradient(self) -> list[Any]:
        """For each layer null or (dW, db); a kink that the loss feels is a rejection."""
        D, found, numbers = self.residual, [], self.numbers
        lower = [None, *self.slopes[:-1]]
        for layer, gathers, entry, below, slopes, under in zip(
                *map(reversed, (self.layers, self.gathers, self.point, self.F, self.slopes, lower)), strict=True):
            back = [[numbers.zero] * len(row) for row in below]
            dW = [[numbers.zero] * layer.filters for _ in range(layer.patch_length)]
            db = [numbers.zero] * (bias_sizes(layer) if entry else 0)
            for i, row in enumerate(D):
                for h, d in enumerate(row):
                    p, t = divmod(h, layer.filters)
                    mark = slopes[i][h]
                    if not d:
                        continue
                    smooth = mark is not None
                    if entry is None:  # a tie of units with slope 0 (inactive ReLUs) has slope 0
                        sharp = layer.number == 1 or self.layers[layer.number - 2].activation is None
                        smooth = len(mark) == 1 or not (sharp or any(under[i][u] != numbers.zero for u in mark))
                    require(smooth, self.path, f"a kink at sample {i}, layer {layer.number}, unit {h}")
                    if entry is None:
                        back[i][mark[0]] = numbers.add(back[i][mark[0]], d)
                        continue
                    delta = numbers.mul(d, mark)
                    self.felt |= {layer.number} if delta else set()
                    if db:
                        place = h if layer.spec["bias"] == "unit" else t
                        db[place] = numbers.add(db[place], delta)
                    for r, u in enumerate(gathers[p]):
                        if u >= 0:
                            dW[r][t] = numbers.add(dW[r][t], numbers.mul(delta, below[i][u]))
                            back[i][u] = numbers.add(back[i][u], numbers.mul(delta, entry["W"][r][t]))
            D = back
            found.append(None if entry is None else (dW, db))
        return found[::-1]


def exact_surface(context: Context, claim: Fields, path: str) -> Surface:
    surface = Surface(context, claim["targets"], claim["point"], path, Exact())
    context.assumptions.add(LN2)
    value = surface.loss()
    require(value == claim["value"], path + ".value", f"claims {in_ln2(claim['value'])}, but it is {in_ln2(value)}")
    return surface


def loss(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    exact_surface(context, claim, path)
    return f"the loss 1/2 ||F_L - Y||^2 at the given point is {in_ln2(claim['value'])}"


def critical(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    surface, where = exact_surface(context, claim, path), claim["partial"]
    equal(claim, path, verdict="proved" if where is None else "refuted")
    return vanishes(surface, claim, path) if where is None else slopes(surface, where, path)


def vanishes(surface: Surface, claim: Fields, path: str) -> str:
    gradient = surface.gradient()
    wrong = [k for k, entry in enumerate(gradient, 1) if entry and (any(map(any, entry[0])) or any(entry[1]))]
    require(not wrong, path, f"a partial derivative of layer {wrong[:1]} is not 0")
    count = sum(len(entry[0]) * len(entry[0][0]) + len(entry[1]) for entry in gradient if entry)
    return (f"all {count} partial derivatives of the loss are 0 at the given point, where it is "
            f"{in_ln2(claim['value'])}")


def slopes(surface: Surface, where: Fields, path: str) -> str:
    gradient = surface.gradient()
    k, part, index = where["layer"], where["part"], where["index"]
    require(k <= len(gradient) and gradient[k - 1] is not None, path, f"layer {show(k)} has no parameters")
    entry = gradient[k - 1]
    flat = [v for row in entry[0] for v in row] if part == "W" else entry[1]
    require(index < len(flat) and bool(flat[index]), path + ".partial", "this partial derivative is 0 or none")
    return f"the partial derivative of the loss by {part}_{k}[{index}] is {in_ln2(flat[index])}, not 0"


def in_ln2(value: Number) -> str:
    names = ("", " ln 2", *(f" (ln 2)^{i}" for i in range(2, 100)))
    return " + ".join(f"{show(c)}{name}" for c, name in zip(value, names, strict=False) if c) or "0"
