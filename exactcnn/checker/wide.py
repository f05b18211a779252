"""A x for Fiat-Shamir evidence about large F_k, with NumPy where it is installed (FORMAT.md, section 7).

The same integers as in `features`, some thousand samples at a time.  Everything is a product or sum of integers in
float64 (float32) of which every partial sum is below 2^53 (2^24) in absolute value, hence exact in whatever order
it is added up.
"""

from collections.abc import Iterator
from typing import Any

from .features import Features, Stage
from .outcome import Rejected
from .triangular import _numpy

LARGE = 10**7  # entries of the minor beyond which NumPy is worth loading
EXACT = 2**53
TABLE = 2**22  # entries of a table of images


class Products:
    """Rows of (A x_1 .. A x_c) mod p for the minor A of the evidence; `usable` is False where Python must do it."""

    def __init__(self, features: Features, evidence: dict[str, Any], path: str) -> None:
        self.features, self.evidence, self.path = features, evidence, path
        self.p, self.samples, self.units = evidence["prime"], evidence["rows"], evidence["columns"]
        self.substitution = evidence["substitution"]
        self.usable = False
        if len(self.samples) ** 2 < LARGE or (numpy := _numpy()) is None:
            return
        self.np, self.top = numpy, features.stages[-1]
        name, p = self.top.name, self.p
        short = all(stage.bits + numerator_bits(stage) <= 52 for stage in features.stages)
        if not short or len(self.units) * p * p >= EXACT or self.denominators_differ():
            return
        self.modulus, self.table = p - 1, None
        self.reach = self.top.layer.patch_length * (p // 2) ** 2 + p
        if self.substitution is None:
            self.usable = True
        elif name in ("sigmoid", "tanh", "gaussian") and self.substitution["root"] < p and 2 * self.reach < TABLE:
            d, root = self.substitution["denominator"], self.substitution["root"]
            try:
                images = features.images(list(range(p - 1)), d, p, root, path)
            except Rejected:  # a pole, perhaps at an exponent that does not occur
                return
            self.table = numpy.array(images, dtype=float)[numpy.arange(-self.reach, self.reach + 1) % self.modulus]
            self.usable = True

    def denominators_differ(self) -> bool:
        return self.substitution is not None and (
            self.substitution["denominator"] != self.features.denominator
            or self.substitution["denominator"] % self.p == 0)

    def batches(self, vectors: list[list[int]]) -> Iterator[tuple[int, Any]]:
        """(first row, array of A x mod p) in order.  Arrays of values are (units, samples)."""
        np, features, p, table = self.np, self.features, self.p, self.table
        widest = max([len(features.data.rows[0]), *(stage.layer.units for stage, _ in features.lower)])
        size = max(16, 2**21 // max(widest, 1024))
        lower = [self.arrays(stage, range(stage.layer.units)) for stage, _ in features.lower]
        top, common = self.arrays(self.top, self.units), features.content() if table is None else 1
        X = np.array(vectors, dtype=np.float64)
        form = np.float64
        if table is not None:  # exponents matter mod p - 1 only; sums below 2^24 are exact in float32 as well
            longest = max(places.stop - places.start for *_, places in top)
            form = np.float32 if max(2 * self.reach, longest * p * p) < 2**24 else np.float64
            table, X = table.astype(form), X.astype(form)
            top = [(gather, self.centred(W).astype(form), (self.centred(b) + self.reach).astype(form), places)
                   for gather, W, b, places in top]
        cost = len(self.units) * self.top.cost + sum(stage.layer.units * stage.cost for stage, _ in features.lower)
        features.budget.foresee(len(self.samples) * cost // 50, self.path)
        for first in range(0, len(self.samples), size):
            chosen = self.samples[first : first + size]
            features.budget.spend(len(chosen) * cost // 50, self.path)
            state = self.inputs(chosen)
            for (stage, _), arrays in zip(features.lower, lower, strict=True):
                state = self.apply(stage, arrays, state)
            padded = self.padded(state if table is None else self.centred(state)).astype(form)
            total = np.zeros((len(X), len(chosen)))
            for gather, W, b, places in top:
                values = self.values(self.top, padded, gather, W, b)
                if table is None:
                    part = self.activate(self.top, values) // common % p
                else:
                    part = table[values.astype(np.intp)]
                total += X[:, places] @ part
            yield first, (total % p).T

    def inputs(self, chosen: list[int]) -> Any:
        np, data = self.np, self.features.data
        rows = [data.rows[i] for i in chosen]
        if isinstance(rows[0], bytes):
            flat = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), -1)  # type: ignore[arg-type]
        else:
            flat = np.array(rows)
        return flat.T.astype(np.float64) * data.factor

    def padded(self, state: Any) -> Any:
        """With the 0 that padding neurons read at the end."""
        return self.np.concatenate([state, self.np.zeros((1, state.shape[1]))])

    def arrays(self, stage: Stage, units: Any) -> list[Any]:
        """For each patch: the units it reads, W (t, l), b (t, 1), and which of `units` these are."""
        np, found, place = self.np, list[Any](), 0
        if stage.name == "maxpool":
            return [([u for u in stage.patches[h] if u >= 0], None, None, slice(i, i + 1))
                    for i, h in enumerate(units)]
        for gather, pairs in stage.groups(units):
            W = np.array([column for column, _ in pairs], dtype=np.float64)
            b = np.array([[b] for _, b in pairs], dtype=np.float64)
            found.append((np.array(gather), W, b, slice(place, place + len(pairs))))
            place += len(pairs)
        return found

    def values(self, stage: Stage, padded: Any, gather: list[int], W: Any, b: Any) -> Any:
        if stage.name == "maxpool":
            return padded[gather].max(axis=0, keepdims=True)
        return W @ padded[gather] + b

    def activate(self, stage: Stage, values: Any) -> Any:
        if stage.name == "relu":
            return self.np.maximum(values, 0)
        if stage.name == "square":
            return values * values
        if stage.name == "leaky_relu":
            a, b = stage.slope.as_integer_ratio()
            return self.np.where(values >= 0, values * b, values * a)
        if stage.name in ("identity", "maxpool"):
            return values
        raise Rejected(f"{self.path}: {stage.name} has no values over one denominator")

    def apply(self, stage: Stage, arrays: list[Any], state: Any) -> Any:
        padded = self.padded(state)
        parts = [self.values(stage, padded, gather, W, b) for gather, W, b, _ in arrays]
        return self.activate(stage, self.np.concatenate(parts))

    def centred(self, values: Any) -> Any:
        """Mod p - 1, of absolute value at most (p - 1)/2."""
        reduced = self.np.mod(values, self.modulus)
        return self.np.where(2 * reduced > self.modulus, reduced - self.modulus, reduced)


def numerator_bits(stage: Stage) -> int:
    """How much longer than `stage.bits` the values may get on the negative side of a leaky relu."""
    return stage.slope.numerator.bit_length() if stage.name == "leaky_relu" else 0
