"""Interval and tangent arithmetic for the loss surface, second-order conditions and symmetries (FORMAT.md, 6.12).

A box holds an interval for every parameter; parameters are numbered layer by layer, W row by row, then b.
"""

from fractions import Fraction
from math import isqrt
from operator import mul as product
from typing import Any

from .balls import sigma
from .evidence import Fields, indices, require
from .instance import Layer, bias_sizes
from .intervals import Interval, erf_at, over, pi, plus, rational, rising, squared, times
from .landscape import Exact, Surface
from .outcome import Rejected, product_cost

Matrix = list[list[Interval]]


def minus(x: Interval) -> Interval:
    return -x[1], -x[0]


class Intervals:
    """Arithmetic at w binary places; a slope is None where an activation may have a kink."""

    zero: Any = (0, 0)

    def __init__(self, w: int) -> None:
        self.w, self.one = w, (1 << w, 1 << w)
        self.known: dict[Any, Any] = {}

    def rational(self, q: Fraction) -> Any:
        return rational(q.numerator, q.denominator, self.w)

    def add(self, x: Any, y: Any) -> Any:
        return plus(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        return times(x, y, self.w)

    def largest(self, values: list[Any]) -> list[int]:
        best = max(range(len(values)), key=lambda n: values[n][0])
        return [best, *(n for n, x in enumerate(values) if n != best and x[1] >= values[best][0])]

    def joined(self, values: list[Any]) -> Any:
        return max(low for low, _ in values), max(high for _, high in values)

    def jet(self, spec: dict[str, Any], t: Any, path: str) -> tuple[Any, Any]:
        return self.jets(spec, t, path)[:2]

    def jets(self, spec: dict[str, Any], t: Interval, path: str) -> tuple[Any, Any, Any]:
        """sigma, sigma', sigma'' on t."""
        key = (*spec.items(), t)
        if key not in self.known:
            self.known[key] = self.derived(spec, t, sigma(spec, self.w)(t), path)
        return self.known[key]  # type: ignore[no-any-return]

    def derived(self, spec: dict[str, Any], t: Interval, v: Interval, path: str) -> tuple[Any, Any, Any]:
        name, w, one, mul = spec["name"], self.w, self.one, self.mul
        alpha = self.rational(spec.get("alpha", Fraction(1)))
        two_t = (2 * t[0], 2 * t[1])
        if name in ("relu", "leaky_relu", "elu"):
            if t[0] > 0:
                return v, one, self.zero
            slope = self.rational(spec.get("slope", Fraction(0)))
            curved = mul(alpha, rising("exp", t, w)) if name == "elu" and t[1] < 0 else self.zero
            return (v, plus(slope, curved), curved) if t[1] < 0 else (v, None, None)
        if name in ("identity", "square"):
            return (v, one, self.zero) if name == "identity" else (v, two_t, (2 * one[0], 2 * one[1]))
        if name in ("sigmoid", "sigmoid2", "softplus", "silu"):
            argument = mul(alpha, t) if name == "softplus" else t
            s = v if name in ("sigmoid", "sigmoid2") else rising("sigmoid", argument, w)
            d = mul(s, plus(one, minus(s)))
            bent = plus(one, (-2 * s[1], -2 * s[0]))
            if name == "silu":
                return v, plus(s, mul(t, d)), mul(d, plus((2 * one[0], 2 * one[1]), mul(t, bent)))
            if name == "softplus":
                return v, s, mul(alpha, d)
            factor = rising("log", (2 << w, 2 << w), w) if name == "sigmoid2" else one
            return v, mul(factor, d), mul(mul(mul(factor, factor), d), bent)
        if name == "tanh":
            d = plus(one, minus(squared(v, w)))
            return v, d, mul((-2 * v[1], -2 * v[0]), d)
        if name == "arctan":
            d = over(one, plus(one, squared(t, w)), w)
            return v, d, mul(minus(two_t), squared(d, w))
        square = squared(t, w)
        if name == "gaussian":
            return v, mul(minus(two_t), v), mul(plus((4 * square[0], 4 * square[1]), (-2 * one[0], -2 * one[0])), v)
        require(name == "gelu", path, f"the derivatives of {name} are not known to this checker")
        # pi is known within SLACK at 64 more places, far below one unit
        whole = isqrt((pi(w + 64) >> 64) << (w + 1))
        normal = over(rising("exp", ((-square[1] - 1) >> 1, (-square[0] + 1) >> 1), w), (whole - 2, whole + 2), w)
        root = isqrt(2 << 2 * w)
        scaled = over(t, (root, root + 1), w)
        low, high = plus((erf_at(scaled[0], w)[0], erf_at(scaled[1], w)[1]), one)
        first = plus((low >> 1, -(-high >> 1)), mul(t, normal))
        return v, first, mul(normal, plus((2 * one[0], 2 * one[1]), minus(square)))


class Tangents:
    """Pairs (x, x'): a number and its derivative along one direction."""

    def __init__(self, base: Intervals) -> None:
        self.base, self.zero = base, (base.zero, base.zero)

    def rational(self, q: Fraction) -> Any:
        return self.base.rational(q), self.base.zero

    def add(self, x: Any, y: Any) -> Any:
        return plus(x[0], y[0]), plus(x[1], y[1])

    def mul(self, x: Any, y: Any) -> Any:
        mul = self.base.mul
        return mul(x[0], y[0]), plus(mul(x[0], y[1]), mul(x[1], y[0]))

    def largest(self, values: list[Any]) -> list[int]:
        return self.base.largest([x for x, _ in values])

    def joined(self, values: list[Any]) -> Any:
        (only,) = values  # a Box has no ties
        return only

    def jet(self, spec: dict[str, Any], t: Any, path: str) -> tuple[Any, Any]:
        value, first, second = self.base.jets(spec, t[0], path)
        mul = self.base.mul
        require(first is not None, path, "a unit may be at a kink")
        return (value, mul(first, t[1])), (first, mul(second, t[1]))


class Box:
    """The loss surface over a box of parameters, `values` being an interval for each."""

    def __init__(
        self, context: Any, targets: Any, values: list[Interval], w: int, path: str, exact: Any = None
    ) -> None:
        """`exact`: the point itself, at which the gradient is 0 exactly; twins are only allowed there."""
        self.context, self.targets, self.values, self.w, self.path = context, targets, values, w, path
        self.exact = exact
        self.layers, self.base = context.instance.layers, Intervals(w)
        self.starts, at = [0], 0
        for layer in self.layers:
            at += layer.patch_length * layer.filters + bias_sizes(layer) if layer.activation else 0
            self.starts.append(at)
        require(len(values) == at, path, f"{len(values)} parameters are given, the network has {at}")
        self.surface = self.at(values, self.base)
        smooth = all(m is not None if layer.activation else len(m) == 1
                     for layer, rows in zip(self.layers, self.surface.slopes, strict=True) for row in rows for m in row)
        require(smooth, path, "a unit may be at a kink or a pooling patch may have a tie")

    def at(self, values: list[Any], numbers: Any) -> Surface:
        point: list[Any] = []
        for layer, start in zip(self.layers, self.starts, strict=False):
            T, end = layer.filters, start + layer.patch_length * layer.filters
            rows = [values[place : place + T] for place in range(start, end, T)]
            bias = values[end : end + bias_sizes(layer)] if layer.activation else []
            point.append({"W": rows, "b": bias} if layer.activation else None)
        deep = any(layer.activation and layer.activation["name"] == "gelu" for layer in self.layers)
        cost = 60 * product_cost(self.w, 2 * self.w) + (self.w * self.w // 2 if deep else 50 * (1 + self.w // 128))
        return Surface(self.context, self.targets, point, self.path, numbers, cost)

    def gradient(self) -> list[Interval]:
        return flat(self.surface.gradient())

    def curvature(self, direction: list[Interval]) -> list[Interval]:
        """The Hessian times a direction."""
        tangents = self.at(list(zip(self.values, direction, strict=True)), Tangents(self.base))
        return [entry[1] for entry in flat(tangents.gradient())]

    def hessian(self, free: list[int]) -> Matrix:
        """Its rows and columns at the free parameters."""
        columns = []
        for j in free:
            column = self.curvature([self.base.one if n == j else (0, 0) for n in range(len(self.values))])
            columns.append([column[i] for i in free])
        return [list(row) for row in zip(*columns, strict=True)]

    # Symmetries: directions, given by vector fields, along which the loss is constant near every point of the box.

    def symmetry(self, spec: Fields, path: str) -> list[Interval]:
        """The field's vector over the box."""
        field: list[Interval] = [(0, 0)] * len(self.values)
        if spec["kind"] == "idle":
            j = spec["parameter"]
            require(j < len(field) and self.is_idle(j), path, "this parameter is not shown to be without effect")
            field[j] = self.base.one
            return field
        if spec["kind"] == "level":
            return self.level(field, spec["unit"], spec["vector"], path)
        k, index = spec["layer"], spec["index"]
        require(k < len(self.layers), path, "there is no layer above")
        layer, above, unitwise = self.layers[k - 1], self.layers[k], self.layers[k - 1].spec.get("bias") == "unit"
        name = (layer.activation or {"name": ""})["name"]
        if spec["kind"] == "twin":
            return self.twin(field, layer, above, spec, path)
        degree = {"relu": 1, "leaky_relu": 1, "identity": 1, "square": 2 if spec["kind"] == "scaling" else 0}
        homogeneous = degree.get(name, 0) and above.activation is not None
        require(bool(homogeneous), path, "layers l and l + 1 are not of the kinds this symmetry needs")
        gathers, T, start = self.surface.gathers[k], layer.filters, self.starts[k - 1]
        bias = start + layer.patch_length * T
        if spec["kind"] == "scaling":
            require(index < T, path, "no such filter")
            for j in [*range(start + index, bias, T), *range(bias + index, self.starts[k], T)]:
                field[j] = self.values[j]
            for r in range(above.patch_length):
                hits = {patch[r] % T == index for patch in gathers if patch[r] >= 0}
                require(len(hits) < 2, path, f"tap {r} of layer {k + 1} reads this filter at some patches only")
                if hits == {True}:
                    for j in range(self.starts[k] + r * above.filters, self.starts[k] + (r + 1) * above.filters):
                        field[j] = minus((degree[name] * self.values[j][0], degree[name] * self.values[j][1]))
            return field
        size = bias_sizes(layer)
        require(index < size, path, "no such bias")
        moved = {index} if unitwise else set(range(index, layer.units, T))
        steady = all(row[h] == self.base.one for row in self.surface.slopes[k - 1] for h in moved)
        require(steady, path, "a unit is not shown to have slope 1 at every sample")
        field[bias + index] = self.base.one
        return self.compensated(field, k, moved, path)

    def twin(self, field: list[Interval], layer: Layer, above: Layer, spec: Fields, path: str) -> list[Interval]:
        """Two dense units with equal weights: a multiple of the first one's row above moves from the other to it."""
        first, other, T, start = spec["index"], spec["other"], above.filters, self.starts[layer.number]
        dense = layer.kind == above.kind == "dense" and self.exact is not None
        require(dense and first != other and max(first, other) < layer.units, path, "no pair of units of dense layers")
        entry = self.exact[layer.number - 1]
        rows = [*entry["W"], *([entry["b"]] if entry["b"] else [])]
        require(all(row[first] == row[other] for row in rows), path, "the two units have different parameters")
        for t in range(T):
            value = self.values[start + first * T + t]
            field[start + first * T + t], field[start + other * T + t] = value, minus(value)
        return field

    def level(self, field: list[Interval], h: int, vector: list[Fraction], path: str) -> list[Interval]:
        """A unit of layer 1 with the same pre-activation t at every sample, moved along parameters that shift t by 1
        at every sample; its row above is divided as its value is multiplied."""
        exact, numbers, data = self.exact, Exact(), self.context.instance.samples()
        dense = exact is not None and len(self.layers) > 1 and self.layers[0].kind == self.layers[1].kind == "dense"
        require(dense and h < self.layers[0].units, path, "no unit of dense layers 1 and 2")
        layer, T, start = self.layers[0], self.layers[0].filters, self.starts[1]
        size, sums = layer.patch_length, list[Any]()
        require(len(vector) == size + (bias_sizes(layer) > 0), path + ".vector", "one number for each parameter")
        for i in range(len(data.rows)):
            x = [Fraction(v, data.denominator) for v in data.sample(i)]
            moved = sum(map(product, x, vector), Fraction(0)) + (vector[size] if len(vector) > size else 0)
            require(moved == 1, path + ".vector", f"does not move sample {i} by 1")
            total: Any = ()
            for v, row in zip(x, exact[0]["W"], strict=True):
                total = numbers.add(total, numbers.mul(numbers.rational(v), row[h]))
            sums.append(total)
        require(all(each == sums[0] for each in sums), path, "the pre-activations of this unit are not all equal")
        value, slope = self.surface.F[1][0][h], self.surface.slopes[0][0][h]
        require(slope[0] > 0 or slope[1] < 0, path, "the slope of this unit may be 0")
        for r, each in enumerate(vector):
            field[r * T + h] = self.base.rational(each)
        for j in range(start + h * self.layers[1].filters, start + (h + 1) * self.layers[1].filters):
            field[j] = minus(times(over(slope, value, self.w), self.values[j], self.w))
        return field

    def compensated(self, field: list[Interval], k: int, moved: set[int], path: str) -> list[Interval]:
        """The biases of layer k + 1 take back what its patches see of the moved units."""
        above, gathers, start = self.layers[k], self.surface.gathers[k], self.starts[k]
        T, bias = above.filters, self.starts[k] + above.patch_length * above.filters
        taps = [[r for r, u in enumerate(patch) if u in moved] for patch in gathers]
        kind = above.spec["bias"]
        if kind == "none":
            require(not any(taps), path, f"layer {k + 1} has no bias")
        elif kind == "filter":
            require(all(each == taps[0] for each in taps), path, f"layer {k + 1} shares its biases")
            taps = taps[:1]
        for p, each in enumerate(taps):
            for t in range(T if each else 0):
                total: Interval = (0, 0)
                for r in each:
                    total = plus(total, self.values[start + r * T + t])
                field[bias + p * T + t] = minus(total)
        return field

    def is_idle(self, j: int) -> bool:
        """Every unit the parameter feeds is an inactive ReLU, or what it multiplies is 0 near the whole box."""
        k = next(n for n, end in enumerate(self.starts[1:], 1) if j < end)
        layer, gathers, place = self.layers[k - 1], self.surface.gathers[k - 1], j - self.starts[k - 1]
        size, T = layer.patch_length * layer.filters, layer.filters

        def off(layer: Layer, i: int, h: int) -> bool:
            relu = (layer.activation or {"name": ""})["name"] == "relu"
            return relu and bool(self.surface.slopes[layer.number - 1][i][h] == (0, 0))

        samples = range(len(self.surface.F[0]))
        if place >= size:
            n = place - size
            fed = [n] if layer.spec["bias"] == "unit" else range(n, layer.units, T)
            return all(off(layer, i, h) for i in samples for h in fed)
        r, t = divmod(place, T)

        def dark(i: int, u: int) -> bool:
            return off(self.layers[k - 2], i, u) if k > 1 else bool(self.surface.F[0][i][u] == (0, 0))

        return all(patch[r] < 0 or off(layer, i, p * T + t) or dark(i, patch[r])
                   for p, patch in enumerate(gathers) for i in samples)


def flat(gradient: list[Any]) -> list[Any]:
    return [v for entry in gradient if entry for part in (*entry[0], entry[1]) for v in part]


def transversal(box: Box, symmetries: list[Fields], free: list[int], path: str) -> None:
    """The fields span a complement of the free coordinates at every point of the box."""
    count, chosen = len(box.values), set(free)
    indices(free, count, path + ".free")
    others = [j for j in range(count) if j not in chosen]
    require(len(others) == len(symmetries), path, f"{len(others)} fixed parameters, {len(symmetries)} symmetries")
    box.context.instance.budget.spend(len(others) ** 3 * product_cost(box.w, 2 * box.w), path)
    fields = [box.symmetry(each, f"{path}.symmetries[{n}]") for n, each in enumerate(symmetries)]
    rows = [[field[j] for j in others] for field in fields]
    while rows:
        best = max(((min(abs(x[0]), abs(x[1])), i, j) for i, row in enumerate(rows) for j, x in enumerate(row)
                    if x[0] > 0 or x[1] < 0), default=None)
        if best is None:
            raise Rejected(f"{path}: the symmetries are not shown to be independent of the free parameters")
        _, i, j = best
        pivot = rows.pop(i)
        eliminated = []
        for row in rows:
            factor = over(row[j], pivot[j], box.w)
            eliminated.append([plus(x, minus(times(factor, y, box.w)))
                               for n, (x, y) in enumerate(zip(row, pivot, strict=True)) if n != j])
        rows = eliminated


def inertia(H: Matrix, Q: list[list[int]], budget: Any, path: str) -> tuple[int, int]:
    """Positive and negative eigenvalues of every symmetric matrix in H.  If no Gershgorin disc of Q^T H Q meets 0
    then Q is regular, and by Sylvester the signs of its diagonal are those of H."""
    order = len(H)
    require(len(Q) == order and all(len(row) == order for row in Q), path, f"expected {order} x {order} integers")
    bits = max((abs(value).bit_length() for row in Q for value in row), default=0)
    budget.spend(4 * order**3 * (1 + product_cost(2 * bits, 512)), path)
    columns, signs = list(zip(*Q, strict=True)), []
    sums, widths = [[a + b for a, b in row] for row in H], [[b - a for a, b in row] for row in H]
    for i, q in enumerate(columns):
        left = [sum(map(product, q, column)) for column in zip(*sums, strict=True)]
        slack = [sum(map(product, map(abs, q), column)) for column in zip(*widths, strict=True)]
        middle = [sum(map(product, left, other)) for other in columns]
        radius = [sum(map(product, slack, map(abs, other))) for other in columns]
        # The discs of rows: 2 B_ij is within radius_j of middle_j.
        spread = sum(abs(m) + r for j, (m, r) in enumerate(zip(middle, radius, strict=True)) if j != i)
        require(abs(middle[i]) - radius[i] > spread, path, f"the eigenvalue disc {i} may meet 0")
        signs.append(middle[i] > 0)
    return signs.count(True), signs.count(False)
