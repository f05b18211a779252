"""The nested image of FORMAT.md, section 6.7: F_k of a deep sigmoid, tanh, softplus network in GF(p).

Each unit carries residues mod M_1 and M_2 (its key) and mod q (an exponent).  Samples pass one at a time.
"""

from collections.abc import Iterator
from math import gcd
from operator import mul
from typing import Any

from .instance import Instance, Layer, bias_sizes, odd_numerators
from .modular import inverses
from .outcome import Rejected

M1, M2 = 2147483647, 2147483629
WORD = 2**64 - 1


def mix(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB & WORD
    return z ^ z >> 31


def hashed(key: int, s: int) -> int:
    return mix(key + s * 0x9E3779B97F4A7C15 & WORD)


class Nested:
    def __init__(self, instance: Instance, layer: Layer, evidence: dict[str, Any], path: str) -> None:
        self.data, self.budget, self.path, self.k = instance.samples(), instance.budget, path, layer.number
        self.evidence, self.p = evidence, evidence["prime"]
        self.moduli = (M1, M2, (self.p - 1) // 2)
        self.stages, self.cost = [], 0
        self.signs: dict[int, dict[int, int]] = {}  # softplus layer -> canonical key -> sign met
        for each in instance.layers[: layer.number]:
            count = each.patch_length * each.filters
            self.budget.spend(20 * (count + each.units), path)
            self.budget.hold(8 * count + 8 * each.units, path)
            stem = f"exactcnn/nested/1/{evidence['seed']}/{each.number}/"
            flat = odd_numerators(stem + "W", evidence["bits"], count)
            bias = odd_numerators(stem + "b", evidence["bits"], bias_sizes(each)) or [0] * each.units
            bias = bias * (each.units // len(bias))
            gathers = [[max(u, -1) for u in patch] for patch in each.patches(self.budget)]
            columns = [flat[t :: each.filters] for t in range(each.filters)]
            self.stages.append((each, (each.activation or {})["name"], gathers, columns, bias))
            self.cost += each.units * (6 * each.patch_length + 60)
        values = set[int]().union(*self.data.rows)
        self.content = gcd(self.data.denominator, *(v * self.data.factor for v in values))

    def rows(self) -> Iterator[list[int]]:
        columns, p = self.evidence["columns"], self.p
        self.budget.foresee(len(self.evidence["rows"]) * self.cost, self.path)
        for i in range(len(self.data.rows)):  # the rule has seen to it that the minor has all rows
            self.budget.spend(self.cost, self.path)
            state = [[v // self.content % m for v in self.data.sample(i)] for m in self.moduli]
            for layer, name, gathers, filters, bias in self.stages[:-1]:
                keys, exponents = self.keys(layer, name, state, gathers, filters, bias, None)
                del exponents
                state = [[value(name, key, sign, s, m) for key, sign in keys]
                         for s, m in enumerate(self.moduli, 1)]
            layer, name, gathers, filters, bias = self.stages[-1]
            keys, exponents = self.keys(layer, name, state, gathers, filters, bias, columns)
            if name == "softplus":
                yield [hashed(key, 0) % p for key, _ in keys]
                continue
            root = self.evidence["root"]
            powers = [pow(root, 2 * c if name == "tanh" else c, p) for c in exponents]
            inverted = inverses([1 + e for e in powers], p)
            if inverted is None:
                raise Rejected(f"{self.path}: a denominator vanishes mod {p}")
            shift = 1 if name == "tanh" else 0
            yield [(e - shift) * v % p for e, v in zip(powers, inverted, strict=True)]

    def keys(self, layer: Layer, name: str, state: list[list[int]], gathers: list[list[int]],
             filters: list[list[int]], bias: list[int], wanted: list[int] | None,
             ) -> tuple[list[tuple[int, int]], list[int]]:
        """(canonical key, sign) and the combination mod q of the units wanted (None: all)."""
        padded = [[*values, 0] for values in state]
        keys, exponents, last, T = list[tuple[int, int]](), list[int](), -1, layer.filters
        x: list[list[int]] = []
        for h in range(layer.units) if wanted is None else wanted:
            p, t = divmod(h, T)
            if p != last:
                x, last = [[values[u] for u in gathers[p]] for values in padded], p
            a, b, c = (sum(map(mul, filters[t], y), bias[h]) % m for y, m in zip(x, self.moduli, strict=True))
            sign = 1
            if a > M1 // 2 or (a == 0 and b > M2 // 2):
                a, b, sign = -a % M1, -b % M2, -1
            elif a == b == 0:
                sign = 0
            keys.append((a << 32 | b, sign))
            exponents.append(c)
        if name == "softplus":
            known = self.signs.setdefault(layer.number, {})
            for key, sign in keys:
                if sign == 0 or known.setdefault(key, sign) != sign:
                    raise Rejected(f"{self.path}: softplus layer {layer.number} meets opposite or zero keys")
        return keys, exponents


def value(name: str, key: int, sign: int, s: int, modulus: int) -> int:
    """The residue of an activation: free up to sigma(-c) = 1 - sigma(c), tanh odd."""
    free = hashed(key, s) % modulus
    if name == "softplus" or sign == 1:
        return free
    if name == "tanh":
        return -free % modulus if sign else 0
    return (1 - free) % modulus if sign else pow(2, -1, modulus)
