"""F_k enclosed at given weights, and the verified inverse (FORMAT.md, 5.1 and 6.1)."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isqrt
from operator import mul
from typing import Any

from .expressions import enclose, parse
from .instance import Instance, Layer
from .intervals import Interval, bounded, over, plus, rational, rising, squared, tanh, times
from .intervals import erf_at as erf
from .outcome import Rejected, product_cost


def sigma(spec: dict[str, Any], w: int) -> Callable[[Interval], Interval]:
    """An interval that contains the activation's values on an interval."""
    name, alpha, one = spec["name"], spec.get("alpha", Fraction(1)), (1 << w, 1 << w)
    constants = alpha, 1 / alpha, spec.get("slope", alpha)
    factor, inverse, slope = (rational(a.numerator, a.denominator, w) for a in constants)

    def piecewise(below: Callable[[Interval], Interval]) -> Callable[[Interval], Interval]:
        """t for t >= 0, an increasing function with value 0 at 0 below."""
        def apply(x: Interval) -> Interval:
            if x[0] >= 0:
                return x
            low, high = below((x[0], min(x[1], 0)))
            return low, max(x[1], high) if x[1] > 0 else high
        return apply

    def gelu(x: Interval) -> Interval:
        root = isqrt(2 << 2 * w)
        scaled = over(x, (root, root + 1), w)
        low, high = plus((erf(scaled[0], w)[0], erf(scaled[1], w)[1]), one)
        return times(x, (low >> 1, -(-high >> 1)), w)

    known: dict[str, Callable[[Interval], Interval]] = {
        "relu": lambda x: (max(x[0], 0), max(x[1], 0)), "identity": lambda x: x,
        "square": lambda x: squared(x, w), "sigmoid": lambda x: rising("sigmoid", x, w), "tanh": lambda x: tanh(x, w),
        "sigmoid2": lambda x: rising("sigmoid", times(x, rising("log", (2 << w, 2 << w), w), w), w),
        "arctan": lambda x: rising("atan", x, w), "silu": lambda x: times(x, rising("sigmoid", x, w), w),
        "gaussian": lambda x: rising("exp", (-(s := squared(x, w))[1], -s[0]), w), "gelu": gelu,
        "softplus": lambda x: times(rising("softplus", times(x, factor, w), w), inverse, w),
        "elu": piecewise(lambda x: times(plus(rising("exp", x, w), (-one[0], -one[0])), factor, w)),
        "leaky_relu": piecewise(lambda x: times(x, slope, w)),
    }
    if name == "custom":
        tree = parse(spec["expression"])
        return lambda x: enclose(tree, x, w)
    return known[name]


class Enclosed:
    """Rows of F_k as intervals, at w binary places."""

    def __init__(self, instance: Instance, layer: Layer, w: int, path: str) -> None:
        self.data, self.budget, self.w, self.path = instance.samples(), instance.budget, w, path
        self.stages: list[Any] = []
        for each in instance.layers[: layer.number]:
            gathers = [[max(u, -1) if each.activation else u for u in patch] for patch in each.patches(self.budget)]
            parameters = instance.parameters(each) if each.activation else None
            function = sigma(each.activation, w) if each.activation else None
            self.stages.append((each, gathers, parameters, function))

    def row(self, sample: int, units: Sequence[int]) -> list[Interval]:
        state = [rational(value, self.data.denominator, self.w) for value in self.data.sample(sample)]
        for place, (layer, gathers, parameters, function) in enumerate(self.stages, 1):
            wanted = units if place == len(self.stages) else range(layer.units)
            # A few hundred operations of w bits for each value of an elementary function (erf is the longest).
            spec, w = layer.activation or {}, self.w
            text = spec.get("expression", "erf" if spec.get("name") == "gelu" else "")
            each = 4000 * (1 + w // 128) + (3000 + w * w // 2 * (1 + w // 1024) if "erf" in text else 0)
            each *= 1 + len(text) // 4
            self.budget.spend(len(wanted) * (layer.patch_length * product_cost(self.w, 64) + each), self.path)
            if parameters is None:
                pools = [[state[u] for u in gathers[h] if u >= 0] for h in wanted]
                state = [(max(low for low, _ in pool), max(high for _, high in pool)) for pool in pools]
                continue
            columns, denominator, bias, bias_over = parameters
            below, bottom = denominator * bias_over << 1, denominator << self.w + 1
            sums = [low + high for low, high in state] + [0]
            widths = [high - low for low, high in state] + [0]
            state, at = [], -1
            for h in wanted:
                p, t = divmod(h, layer.filters)
                if p != at:
                    x, d, at = [sums[u] for u in gathers[p]], [widths[u] for u in gathers[p]], p
                middle = sum(map(mul, x, columns[t])) * bias_over + bias[h] * bottom
                radius = sum(map(mul, d, map(abs, columns[t]))) * bias_over
                low, high = (middle - radius) // below, -(-(middle + radius) // below)
                state.append(bounded(function(bounded((low, high), self.w)), self.w))
        return state


def check_inverse(instance: Instance, layer: Layer, evidence: dict[str, Any], path: str) -> None:
    """||I - R A||_inf < 1 for every A in the enclosure, so A is non-singular."""
    rows, columns, R, e = evidence["rows"], evidence["columns"], evidence["inverse"], evidence["scale"]
    order, w = len(rows), evidence["precision"]
    if len(R) != order or any(len(row) != order for row in R):
        raise Rejected(f"{path}.inverse: expected {order} x {order} integers")
    bits = max((abs(value).bit_length() for row in R for value in row), default=0)
    instance.budget.spend(order**3 * (1 + product_cost(bits, 2 * w)), path)
    instance.budget.hold(3 * order**2, path, w)
    enclosed = Enclosed(instance, layer, w, path)
    table = [enclosed.row(i, columns) for i in rows]
    regular(table, R, e, w, path)


def regular(table: list[list[Interval]], R: list[list[int]], e: int, w: int, path: str) -> None:
    """||I - R A||_inf < 1 for every square A in the table."""
    if any(low > high for row in table for low, high in row):
        raise Rejected(f"{path}: an enclosure is turned inside out")
    sums = [[low + high for low, high in column] for column in zip(*table, strict=True)]
    widths = [sum(high - low for low, high in row) for row in table]
    one = 1 << e + w + 1
    for i, row in enumerate(R):
        total = sum(map(mul, map(abs, row), widths))
        total += sum(abs(sum(map(mul, row, column)) - (one if i == j else 0)) for j, column in enumerate(sums))
        if total >= one:
            raise Rejected(f"{path}: ||I - R A|| is not below 1 in row {i}")
