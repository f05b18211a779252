"""The rule for zero-loss-nearby (FORMAT.md, 6.10): a right inverse of F_k, and what follows from it."""

from fractions import Fraction
from operator import mul

from .balls import Enclosed
from .evidence import Context, Fields, equal, indices, require
from .instance import Instance, Layer
from .intervals import Interval, rational
from .outcome import product_cost, show


def zero_loss(context: Context, claim: Fields, raw: Fields, path: str) -> str:
    """eps = ||I - F C||_inf < 1, so dW = C (F C)^-1 r exists, solves F dW = r and is bounded entry by entry."""
    instance, k, budget, given = context.instance, claim["layer"], context.instance.budget, claim["evidence"]
    layer, count, top = instance.layer(k, path), len(instance.samples().rows), instance.layers[-1]
    equal(claim, path, samples=count, width=layer.units)
    linear = top.kind == "dense" and top.activation == {"name": "identity"} and top.number == k + 1
    require(linear, path, "layer k + 1 is not a dense linear output layer")
    targets, m, here = claim["targets"]["rows"], top.units, path + ".evidence"
    shaped = len(targets) == count and all(len(row) == m for row in targets)
    require(shaped, path + ".targets", f"expected {count} rows of {m} numbers")
    columns, C, e, w = given["columns"], given["inverse"], given["scale"], given["precision"]
    indices(columns, layer.units, here + ".columns")
    require(len(C) == len(columns) and all(len(row) == count for row in C), here + ".inverse",
            f"expected {len(columns)} rows of {count} integers")
    bits = max((abs(value).bit_length() for row in C for value in row), default=0)
    budget.spend((count + m) * count * len(columns) * (1 + product_cost(bits, 2 * w)), here)
    budget.hold(2 * count * (len(columns) + m), here, w)
    one, worst, residual = 1 << e + w + 1, 0, list[list[Interval]]()
    sizes, transposed = [sum(map(abs, row)) for row in C], list(zip(*C, strict=True))
    outputs = Outputs(instance, layer, top, w, here)
    for i, goal in enumerate(targets):
        row, values = outputs.row(i)
        aims = [rational(y, claim["targets"]["denominator"], w) for y in goal]
        residual.append([(y[0] - v[1], y[1] - v[0]) for y, v in zip(aims, values, strict=True)])
        sums, widths = [row[h][0] + row[h][1] for h in columns], [row[h][1] - row[h][0] for h in columns]
        total = sum(map(mul, widths, sizes))
        total += sum(abs(sum(map(mul, sums, column)) - (one if i == j else 0)) for j, column in enumerate(transposed))
        require(total < one, here, f"||I - F C|| is not below 1 in row {i}")
        worst = max(worst, total)
    low, high = half_squares(residual, w)
    claimed = claim["loss"]
    require(claimed[0] <= low and high <= claimed[1], path + ".loss", "the loss is not shown to lie there")
    square = 0
    for column in zip(*residual, strict=True):
        middles, widths = [a + b for a, b in column], [b - a for a, b in column]
        rho = max(max(abs(a), abs(b)) for a, b in column)
        for row, size in zip(C, sizes, strict=True):
            bound = abs(sum(map(mul, row, middles))) + sum(map(mul, map(abs, row), widths))
            square += (bound - (-2 * worst * rho * size // (one - worst))) ** 2
    require(claim["distance"] >= 0 and square <= (claim["distance"] * one) ** 2, path + ".distance",
            "the change of the weights is not shown to be so small")
    return (f"some weights of layer {top.number} within Frobenius distance {decimal(claim['distance'])} of the given "
            f"ones give zero loss exactly on the {count} samples and the targets in the claim, all else unchanged; at "
            f"the given weights the loss is between {decimal(-claimed[0], -1)} and {decimal(claimed[1])} "
            f"(and rank F_{k} = {count})")


class Outputs:
    """Rows of F_k and of F_k W + 1 b^T as intervals at w binary places."""

    def __init__(self, instance: Instance, layer: Layer, top: Layer, w: int, path: str) -> None:
        self.enclosed, self.units, self.w = Enclosed(instance, layer, w, path), range(layer.units), w
        self.columns, self.over, self.bias, self.bias_over = instance.parameters(top)
        self.cost, self.budget, self.path = layer.units * top.units * product_cost(w, 64), instance.budget, path

    def row(self, sample: int) -> tuple[list[Interval], list[Interval]]:
        self.budget.spend(self.cost, self.path)
        row, values = self.enclosed.row(sample, self.units), list[Interval]()
        sums, widths = [low + high for low, high in row], [high - low for low, high in row]
        below = self.over * self.bias_over << 1
        for column, b in zip(self.columns, self.bias, strict=True):
            middle = sum(map(mul, sums, column)) * self.bias_over + (b * self.over << self.w + 1)
            radius = sum(map(mul, widths, map(abs, column))) * self.bias_over
            values.append(((middle - radius) // below, -(-(middle + radius) // below)))
        return row, values


def half_squares(residual: list[list[Interval]], w: int) -> tuple[Fraction, Fraction]:
    """Bounds of Phi = 1/2 sum r^2."""
    low = sum(max(a, -b, 0) ** 2 for row in residual for a, b in row)
    high = sum(max(abs(a), abs(b)) ** 2 for row in residual for a, b in row)
    return Fraction(low, 2 << 2 * w), Fraction(high, 2 << 2 * w)


def decimal(value: Fraction, sign: int = 1) -> str:
    """Six digits or more of a number >= 0, rounded up; of minus a number <= 0, rounded down, with sign -1."""
    if abs(value) > 10**30:
        return show(sign * value)
    places, scaled = 6, -(-value.numerator * 10**6 // value.denominator)
    while abs(scaled) < 10**5 and places < 40:
        places += 1
        scaled = -(-value.numerator * 10**places // value.denominator)
    digits = str(abs(scaled)).rjust(places + 1, "0")
    return f"{'-' if sign * scaled < 0 else ''}{digits[:-places]}.{digits[-places:]}"
