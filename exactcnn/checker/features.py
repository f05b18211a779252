"""Exact features F_k (FORMAT.md, section 5): rational ones, their images in GF(p), and symbols.

Samples go through the network one at a time, as integers over one common denominator per layer, so that
nothing of size N x n_k needs to be stored.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import gcd, lcm
from operator import mul
from typing import Any

from .instance import Instance, Layer
from .modular import inverses
from .outcome import Rejected, product_cost, show

RATIONAL = ("relu", "leaky_relu", "identity", "square")
EXPONENTIAL = ("sigmoid", "tanh", "silu", "elu", "gaussian")


def is_rational(layer: Layer) -> bool:
    return layer.activation is None or layer.activation["name"] in RATIONAL


class Stage:
    """One layer as a map from integers over `below` to integers over `denominator` of at most `bits` bits.

    An exponential layer yields its pre-activations here.  `cost` is the work for one unit.
    """

    def __init__(self, layer: Layer, instance: Instance, below: int, bits: int) -> None:
        budget, what, length = instance.budget, f"layer {layer.number}", layer.patch_length
        self.layer, self.patches = layer, layer.patches(budget)
        self.denominator, self.bits, self.cost = below, bits, 2 * length
        self.name = layer.activation["name"] if layer.activation else "maxpool"
        if layer.activation is not None:
            columns, over, bias, bias_over = instance.parameters(layer)
            self.denominator = lcm(over * below, bias_over)  # of W x and of the bias
            up, bias_up = self.denominator // (over * below), self.denominator // bias_over
            size = max(max(map(abs, column)) for column in columns).bit_length() + up.bit_length()
            bias_size = max(map(abs, bias)).bit_length() + bias_up.bit_length()
            budget.spend(length * layer.filters * product_cost(size, up.bit_length()), what)
            budget.spend(layer.units * product_cost(bias_size, bias_up.bit_length()), what)
            budget.hold(length * layer.filters, what, size)
            budget.hold(layer.units, what, bias_size)
            self.columns = columns if up == 1 else [[w * up for w in column] for column in columns]
            self.bias = bias if bias_up == 1 else [b * bias_up for b in bias]
            self.bits = max(bits + size + length.bit_length(), bias_size) + 1
            self.cost = length * product_cost(bits, size) + 5
            if self.name == "square":
                self.cost += product_cost(self.bits, self.bits)
                self.denominator, self.bits = self.denominator**2, 2 * self.bits
            if self.name == "leaky_relu":
                self.slope = layer.activation["slope"]
                self.cost += product_cost(self.bits, self.slope.denominator.bit_length())
                self.bits += self.slope.denominator.bit_length()
                self.denominator *= self.slope.denominator
        budget.foresee(layer.units * self.cost, f"the values of {what}")
        budget.hold(layer.units, f"the values of {what}", self.bits)

    def groups(self, units: Sequence[int]) -> list[Any]:
        """What `apply` needs for the given units, in increasing order: for each patch its filters."""
        if self.name == "maxpool":
            return [[u for u in self.patches[h] if u >= 0] for h in units]
        filters: dict[int, list[Any]] = {}
        for h in units:
            p, t = divmod(h, self.layer.filters)
            filters.setdefault(p, []).append((self.columns[t], self.bias[h]))
        # Padding neurons read the 0 that `apply` puts at the end.
        return [([max(u, -1) for u in self.patches[p]], pairs) for p, pairs in filters.items()]

    def apply(self, state: list[int], groups: list[Any]) -> list[int]:
        if self.name == "maxpool":
            return [max([state[u] for u in patch]) for patch in groups]
        padded, values = [*state, 0], list[int]()
        for patch, pairs in groups:
            x = [padded[u] for u in patch]
            values += [sum(map(mul, x, column), b) for column, b in pairs]
        if self.name == "relu":
            return [g if g > 0 else 0 for g in values]
        if self.name == "square":
            return [g * g for g in values]
        if self.name == "leaky_relu":
            a, b = self.slope.as_integer_ratio()
            return [g * b if g >= 0 else g * a for g in values]
        if self.name == "identity" or self.name in EXPONENTIAL:
            return values
        raise Rejected(f"layer {self.layer.number}: {self.name} has no values over one denominator")


class Features:
    """F_k for a claim about layer k, rational or exponential; Rejected for anything else."""

    def __init__(self, instance: Instance, layer: Layer) -> None:
        self.data, self.layer, self.budget = instance.samples(), layer, instance.budget
        self.what = f"the features of layer {layer.number}"
        self.activation: dict[str, Any] = layer.activation or {"name": "maxpool"}
        self.exponential = self.activation["name"] in EXPONENTIAL
        below = instance.layers[: layer.number - 1]
        if not all(map(is_rational, below)) or not (self.exponential or is_rational(layer)):
            raise Rejected(f"{self.what}: neither rational nor exponential, so not computable")
        self.budget.spend(2 * len(self.data.rows) * len(self.data.rows[0]), self.what)
        self.denominator, self.bits, self.stages = self.data.denominator, self.data.bits(), list[Stage]()
        for each in [*below, layer]:
            self.stages.append(Stage(each, instance, self.denominator, self.bits))
            self.denominator, self.bits = self.stages[-1].denominator, self.stages[-1].bits
        self.lower = [(stage, stage.groups(range(stage.layer.units))) for stage in self.stages[:-1]]

    def rows(self, samples: Sequence[int], units: Sequence[int]) -> Iterator[list[int]]:
        """Numerators over `denominator` of the features (exponential: of the pre-activations)."""
        top = self.stages[-1]
        cost = len(units) * top.cost + sum(stage.layer.units * stage.cost for stage, _ in self.lower)
        cost += len(self.data.rows[0])
        self.budget.foresee(len(samples) * cost, self.what)
        groups = top.groups(units)
        for i in samples:
            self.budget.spend(cost, self.what)
            state = self.data.sample(i)
            for stage, whole in self.lower:
                state = stage.apply(state, whole)
            yield top.apply(state, groups)

    def all_rows(self) -> Iterator[list[int]]:
        return self.rows(range(len(self.data.rows)), range(self.layer.units))

    def content(self) -> int:
        """The number by which all numerators and the denominator can be divided, at most."""
        common = self.denominator
        for row in self.all_rows():
            common = gcd(common, *row)
            if common == 1:
                break
        return common

    def exponents(
        self, d: int, samples: Sequence[int], units: Sequence[int], path: str
    ) -> Iterator[list[int]]:
        """Rows of n = d t; d must clear the denominators of all pre-activations, used here or not."""
        a, b = Fraction(d, self.denominator).as_integer_ratio()
        if b > 1 and any(g % b for row in self.all_rows() for g in row):
            raise Rejected(f"{path}.denominator: {show(d)} does not clear the pre-activations")
        for row in self.rows(samples, units):
            yield [g // b * a for g in row]

    def check_substitution(self, p: int, substitution: dict[str, Any] | None, path: str) -> None:
        """What a substitution must be, whatever does the arithmetic afterwards."""
        path += ".substitution"
        if (substitution is not None) != self.exponential:
            raise Rejected(f"{path}: must be null exactly for rational features")
        if substitution is not None:
            alpha = self.activation.get("alpha", Fraction(1))
            if substitution["root"] >= p or substitution["denominator"] % p == 0 or alpha.denominator % p == 0:
                raise Rejected(f"{path}: {p} must exceed the root and divide no denominator")

    def residues(self, p: int, evidence: dict[str, Any], path: str) -> Iterator[list[int]]:
        """The rows of the submatrix of F_k named by the evidence, mapped into GF(p)."""
        samples, units, substitution = evidence["rows"], evidence["columns"], evidence["substitution"]
        path += ".substitution"
        if substitution is None:
            common = self.content()
            for row in self.rows(samples, units):
                yield [g // common % p for g in row]
            return
        d, root = substitution["denominator"], substitution["root"]
        known: dict[int, int] = {}  # exponent -> image; many exponents occur often
        bits = self.bits + d.bit_length()
        work = 40 + 4 * product_cost(bits, bits + p.bit_length()) + p.bit_length()
        for row in self.exponents(d, samples, units, path):
            if len(known) > 2**28 // (128 + bits):  # keep the table within memory
                known.clear()
            fresh = [n for n in set(row) if n not in known]
            self.budget.spend(4 * len(row) + work * len(fresh), path)
            known.update(zip(fresh, self.images(fresh, d, p, root, path), strict=True))
            yield [known[n] for n in row]

    def images(self, ns: list[int], d: int, p: int, root: int, path: str) -> list[int]:
        """The images of the features with exponents ns; powers of the root repeat mod p - 1 (Fermat)."""
        name, over = self.activation["name"], pow(d, -1, p)
        if name == "gaussian":
            return [pow(root, -n * n % (p - 1), p) for n in ns]
        powers = [pow(root, (2 * n if name == "tanh" else n) % (p - 1), p) for n in ns]
        if name == "elu":
            a, b = self.activation["alpha"].as_integer_ratio()
            alpha = a * pow(b, -1, p) % p
            return [(n * over if n >= 0 else alpha * (e - 1)) % p for n, e in zip(ns, powers, strict=True)]
        inverted = inverses([1 + e for e in powers], p)
        if inverted is None:
            raise Rejected(f"{path}: a denominator 1 + g^n of an entry vanishes mod {p}")
        tops = [e - 1 for e in powers] if name == "tanh" else powers
        if name == "silu":
            tops = [n * over % p * e for n, e in zip(ns, powers, strict=True)]
        return [top * i % p for top, i in zip(tops, inverted, strict=True)]

    def symbol(self, n: int, d: int) -> tuple[int, int, int]:
        """(m, c, c0): the feature with exponent n is (c S_m + c0) / s, with one s for all entries."""
        name, m = self.activation["name"], abs(n)
        if name == "sigmoid":  # s = 2
            return (m, 2, 0) if n > 0 else (m, -2, 2) if n < 0 else (m, 0, 1)
        if name == "tanh":
            return m, (n > 0) - (n < 0), 0
        if name == "silu":  # s = d; -m (1 - S_m) for n < 0
            return m, m, min(n, 0)
        if name == "elu":  # s = d times the denominator of alpha
            a, b = self.activation["alpha"].as_integer_ratio()
            return (n, 0, n * b) if n >= 0 else (n, a * d, -a * d)
        return m, 1, 0  # gaussian

    def vanishes(self, coefficients: list[int], entries: list[int], d: int | None) -> bool:
        """Whether a combination of features is 0, for exponential ones formally."""
        if d is None:
            return not sum(map(mul, coefficients, entries))
        constant, totals = 0, dict[int, int]()
        for v, n in zip(coefficients, entries, strict=True):
            m, c, c0 = self.symbol(n, d)
            constant += v * c0
            totals[m] = totals.get(m, 0) + v * c
        return constant == 0 and not any(totals.values())

    def check_kernel(self, vectors: list[dict[str, Any]], d: int | None, left: bool, path: str) -> None:
        """v^T F_k = 0 (left) or F_k v = 0 for all the vectors v."""
        support = sorted({index for vector in vectors for index, _ in vector["entries"]})
        samples, units = range(len(self.data.rows)), range(self.layer.units)
        places = {index: place for place, index in enumerate(support)}
        sparse = [([places[index] for index, _ in v["entries"]], [c for _, c in v["entries"]])
                  for v in vectors]
        size = max((abs(c) for _, coefficients in sparse for c in coefficients), default=0).bit_length()
        cost = 5 + product_cost(self.bits + (d or 0).bit_length(), size + (d or 0).bit_length())
        cost *= sum(len(coefficients) for _, coefficients in sparse)
        self.budget.spend((len(units) if left else len(samples)) * cost, path)
        chosen: tuple[Sequence[int], Sequence[int]] = (support, units) if left else (samples, support)
        rows = self.rows(*chosen) if d is None else self.exponents(d, *chosen, path)
        if left:
            self.budget.hold(len(support) * len(units), path, self.bits)
        for line, entries in enumerate(zip(*rows, strict=True) if left else rows):
            for s, (at, coefficients) in enumerate(sparse):
                if not self.vanishes(coefficients, [entries[j] for j in at], d):
                    where = f"{'unit' if left else 'sample'} {line}"
                    raise Rejected(f"{path}.vectors[{s}]: not in the kernel, see {where}")
