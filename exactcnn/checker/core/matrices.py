"""What judgments are about: facts, and the matrices F_v, U_v and [U_v; row] at a set of weights (FORMAT.md, sections 5 and 6)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import mul
from typing import Any

from .grammar import NAME, NODE, Fields, array, number, tagged
from .instance import Instance
from .numbers import Packing, Vectors
from .outcome import Rejected, TooMuch, require, show

LINDEMANN = "Lindemann's theorem (e^a is transcendental for rational a != 0)"
LN2 = "ln 2 is transcendental (Hermite and Lindemann)"
ORACLE = "SHA-256 and SHAKE-256 behave as random oracles (Fiat-Shamir)"
MITYAGIN = "the zero set of a non-zero real-analytic function is null (Mityagin)"
EVERY, ALMOST, SOMEWHERE = "every parameter", "almost every parameter", "a set of parameters of positive measure"
MOST_ENTRIES = 4 * 10**7  # of a matrix that is eliminated


@dataclass(frozen=True)
class Fact:
    """What a judgment has established.  Ranks: `low` <= rank <= `high` (None: nothing is said) of the matrix `of`, a letter
    and a node; `where` is the name of a set of weights, or EVERY, ALMOST, SOMEWHERE; `more` holds what else is known."""

    kind: str
    words: str
    of: tuple[str, int] = ("", 0)
    where: str = ""
    low: int | None = None
    high: int | None = None
    more: dict[str, Any] = field(default_factory=dict)


class Block:
    """A batch of rows of a matrix mod p, as lists of columns."""

    def __init__(self, columns: list[list[int]]) -> None:
        self.columns, self.count = columns, len(columns[0])

    def products(self, vectors: list[list[int]], p: int) -> Iterator[list[int]]:
        """A x mod p for each vector."""
        packing = Packing(self.count, len(self.columns) * p * p)
        packed = list(map(packing.pack, self.columns))
        yield from ([v % p for v in packing.unpack(sum(map(mul, x, packed)))] for x in vectors)


@dataclass
class Context:
    """What all judgments of a certificate share, and what verifying them has relied on."""

    instance: Instance
    raw_instance: Any
    deterministic: bool
    error_bits: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.helper: Any = self.instance.helper
        self.assumptions: set[str] = self.instance.assumptions


def indices(values: list[int], below: int, path: str) -> None:
    for place, value in enumerate(values):
        if value >= below or (place and value <= values[place - 1]):
            raise Rejected(f"{path}: expected strictly increasing indices below {show(below)}, "
                           f"found {show(value)} at place {place}")


# fmt: off
MATRIX = tagged("matrix", {"features": {"node": NODE, "weights": NAME}, "lifted": {"node": NODE, "weights": NAME},
                           "lifted-and-row": {"node": NODE, "weights": NAME, "row": array(number, 1)}})
# fmt: on


class Matrix:
    """F_v, U_v or [U_v; row] at a set of weights: its name, its shape, its entries mod p or enclosed."""

    def __init__(self, context: Context, spec: Fields, path: str) -> None:
        self.context, self.spec, self.path, self.weights = context, spec, path, spec["weights"]
        self.instance, network = context.instance, context.instance.network
        self.number, self.features = spec["node"], spec["matrix"] == "features"
        self.letter = {"features": "F", "lifted": "U"}.get(spec["matrix"], "U+")
        self.instance.weight_set(self.weights, path)
        if self.features:
            require(self.number < len(network.grids), path + ".node", f"{self.number} is not one of the nodes")
            network.exist(self.number, path)
            self.count, self.width = len(self.instance.samples().rows), network.grids[self.number].units
            self.node = network.nodes[self.number - 1] if self.number else None
            sigma = self.node.activation if self.node else None
            # The pass ends below an activation whose values have images mod p, or are symbols.
            self.sigma = None if sigma is None or sigma.rational else sigma
            self.base = self.number if self.sigma is None or self.node is None else self.node.of[0]
        else:
            self.node = network.node(self.number, path)
            require(self.node.affine, path + ".node", f"node {self.number} is not affine")
            self.count, self.width = self.node.below.units + (self.letter == "U+"), self.node.above.units
            if self.letter == "U+":
                require(len(spec["row"]) == self.width, path + ".row", f"expected {self.width} numbers")
            self.entry = self.instance.entry(self.node, self.weights, path)
        self.name = network.label(self.number, "F" if self.features else "U")

    def check_root(self, p: int, root: int | None, divisor: int) -> None:
        """The side conditions of going to GF(p), before any arithmetic: `root` stands for e^(1/D), or for ln 2; `divisor`
        divides all numerators used and their denominator."""
        path = self.path + ".root"
        wanted = self.sigma is not None and self.sigma.has("exponential") if self.features else self.entry["ln2"]
        require((root is not None) == wanted, path, "must be null exactly where the entries are rational")
        require(root is None or 0 < root < p, path, f"must be a residue mod {p}, not 0")
        if self.features:
            known = self.sigma is None or self.sigma.has("exponential") or self.sigma.name == "softsign"
            require(known, self.path, f"{self.sigma.name if self.sigma else ''} has no image mod a prime")
            self.vectors = Vectors(self.instance, self.weights, self.base, None, self.path)
            self.divisor, rest = divisor, self.vectors.denominator % divisor
            require(rest == 0, self.path + ".divisor", f"does not divide {show(self.vectors.denominator)}")
            self.over = self.vectors.denominator // divisor
            require(self.sigma is None or self.sigma.denominators(self.over) % p != 0, self.path, f"{p} divides a denominator")
            self.context.assumptions |= {LINDEMANN} if root is not None else set()
        else:
            require(divisor == 1, self.path + ".divisor", "must be 1 for lifted matrices")
            self.context.assumptions |= {LN2} if root is not None else set()

    def residues(self, rows: list[int], columns: list[int], p: int, root: int | None, helper: Any = None) -> Iterator["Block"]:
        """The submatrix mod p in batches of rows, each a list of columns; rows may be scaled by units of GF(p)."""
        if not self.features:
            yield Block(self._lifted(rows, columns, p, root))
            return
        known: dict[int, int] = {}  # numerator -> residue; many occur often, all the more where only n mod p - 1 matters
        period = p if self.sigma is None else p - 1 if self.sigma.name in ("sigmoid", "tanh", "gaussian") else 0

        def images(ns: list[int]) -> list[int]:
            return self.sigma.images(ns, self.over, p, root, self.path) if self.sigma else ns

        for packing, found in self.vectors.batches(rows, columns):
            if helper and self.divisor == 1 and (made := helper.block(packing, [v for v, _ in found], p, period, images)):
                self.context.assumptions.add(helper.NUMPY)
                yield made
                continue
            block = []
            for value, _ in found:
                numerators = packing.unpack(value)
                if self.divisor != 1:
                    require(not any(n % self.divisor for n in numerators), self.path, "the divisor does not divide")
                    numerators = [n // self.divisor for n in numerators]
                keys = [n % period for n in numerators] if period else numerators
                fresh = [n for n in set(keys) if n not in known]
                known.update(zip(fresh, images(fresh), strict=True))
                block.append(list(map(known.__getitem__, keys)))
                if len(known) > 2**21:
                    known.clear()
            yield Block(block)

    def _lifted(self, rows: list[int], columns: list[int], p: int, root: int | None) -> list[list[int]]:
        node, place = self.node, {unit: i for i, unit in enumerate(rows)}
        if node is None or len(rows) * len(columns) > MOST_ENTRIES:
            raise TooMuch(f"{self.path}: a matrix of {len(rows)} x {len(columns)} entries")

        def residue(value: Any) -> int:
            if type(value) is int:
                return value % p
            if any(c.denominator % p == 0 for c in value):
                raise Rejected(f"{self.path}: {p} divides a denominator")
            return int(sum(c.numerator * pow(c.denominator, -1, p) * pow(root or 0, i, p) for i, c in enumerate(value)) % p)

        found = []
        for column in columns:
            entries = [0] * len(rows)
            for _, unit, r, t in node.entries([column]):
                if unit in place:
                    entries[place[unit]] = residue(self.entry["W"][r][t])
            if self.letter == "U+" and node.below.units in place:
                # [U; v] has the rank of [U / over; v]: both rows may be scaled
                entries[place[node.below.units]] = residue((self.spec["row"][column],))
            found.append(entries)
        return found

    def enclosed(self, rows: list[int], columns: list[int], w: int, room: int) -> Iterator[tuple[Packing, Any, int]]:
        """(packing, columns as packed numerators with radii, denominator) of the submatrix in batches of rows."""
        require(self.features, self.path, "only features are enclosed")
        vectors = Vectors(self.instance, self.weights, self.number, w, self.path, room)
        for packing, found in vectors.batches(rows, columns):
            yield packing, found, vectors.denominator
