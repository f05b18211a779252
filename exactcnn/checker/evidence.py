"""What the rules share: comparing claimed with computed values, pivots, and non-vanishing minors.

`require` and its relatives raise Rejected when the evidence does not establish the claim.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import Any

from .grammar import canonical
from .instance import Instance
from .modular import challenge, is_nonsingular, is_prime
from .outcome import Rejected, show

Fields = dict[str, Any]
Submatrix = Callable[[], Iterator[list[int]]]
LINDEMANN = "Lindemann's theorem (e^a is transcendental for rational a != 0)"
ORACLE = "SHA-256 and SHAKE-256 behave as random oracles (Fiat-Shamir)"


@dataclass
class Context:
    """What all claims of a certificate share, and what verifying them has relied on."""

    instance: Instance
    raw_instance: Any
    deterministic: bool
    assumptions: set[str] = field(default_factory=set)
    error_bits: list[int] = field(default_factory=list)


def require(condition: bool, path: str, message: str) -> None:
    if not condition:
        raise Rejected(f"{path}: {message}")


def equal(claim: Fields, path: str, **computed: Any) -> None:
    for key, value in computed.items():
        require(claim[key] == value, f"{path}.{key}", f"claims {show(claim[key])}, but it is {show(value)}")


def indices(values: Sequence[int], below: int, path: str) -> None:
    for place, value in enumerate(values):
        if value >= below or (place and value <= values[place - 1]):
            raise Rejected(f"{path}: expected strictly increasing indices below {show(below)}, "
                           f"found {show(value)} at place {place}")


def bounds(claim: Fields, lower: int, upper: int, goal: int, path: str) -> None:
    verdict = "proved" if lower == goal else "refuted" if upper < goal else "undecided"
    equal(claim, path, lower=lower, upper=upper, verdict=verdict)
    require(lower <= upper, path, f"lower bound {lower} exceeds upper bound {upper}")


def in_words(name: str, lower: int, upper: int) -> str:
    if lower == upper:
        return f"{name} = {lower}"
    return f"{lower} <= {name} <= {upper}" if lower else f"{name} <= {upper}"


def independent(vectors: list[Fields], size: int, path: str) -> None:
    """Triangular at the pivots: no entry at an earlier vector's pivot."""
    pivots: set[int] = set()
    for s, vector in enumerate(vectors):
        here, support = f"{path}.vectors[{s}]", [index for index, _ in vector["entries"]]
        indices(support, size, here + ".entries")
        require(all(value != 0 for _, value in vector["entries"]), here, "an entry is zero")
        require(vector["pivot"] in support, here, "the pivot is not one of the indices")
        require(pivots.isdisjoint(support), here, "has an entry at the pivot of an earlier vector")
        pivots.add(vector["pivot"])


def minor(
    context: Context, raw: Fields, evidence: Fields, size: tuple[int, int], submatrix: Submatrix, path: str,
    wide: Callable[[], Any] | None = None,
) -> int:
    """The order of the minor, once it is shown not to vanish mod p; `wide` multiplies large ones with vectors."""
    budget, p, order = context.instance.budget, evidence["prime"], len(evidence["rows"])
    indices(evidence["rows"], size[0], path + ".rows")
    indices(evidence["columns"], size[1], path + ".columns")
    require(len(evidence["columns"]) == order, path, f"{order} rows but {len(evidence['columns'])} columns")
    require(p > 2 and is_prime(p), path + ".prime", f"{p} is not an odd prime")
    if evidence["kind"] == "minor" or context.deterministic:
        budget.hold(order**2, path)
        require(is_nonsingular(submatrix(), p, budget), path, f"the minor vanishes mod {p}")
        return order
    solutions, path = evidence["solutions"], path + ".solutions"
    for j, x in enumerate(solutions):
        right = len(x) == order and max(x, default=0) < p
        require(right, f"{path}[{j}]", f"expected {order} residues mod {p}")
    strength = p ** min(len(solutions), 200)  # 3^200 > 2^192: more vectors only cost time
    require(strength >= 2**192, path, f"{len(solutions)} vectors mod {p} do not reach p^c >= 2^192")
    products = wide() if wide is not None else None
    fast = products if products is not None and products.usable else None
    budget.spend(len(solutions) * order * (order + 20) // (50 if fast else 1), path)
    budget.hold(len(solutions) * order, path)
    lower = {key: value for key, value in raw["evidence"]["lower"].items() if key != "solutions"}
    statement = {**raw, "evidence": {**raw["evidence"], "lower": lower}}
    seed = hashlib.sha256(canonical({"instance": context.raw_instance, "claim": statement})).digest()
    targets = [challenge(seed, j, order, p) for j in range(len(solutions))]
    if fast:
        for first, found in fast.batches(solutions):
            for j, b in enumerate(targets):
                require(found[:, j].tolist() == b[first : first + len(found)], f"{path}[{j}]",
                        f"A x = b fails in one of the rows from {first} on")
    for i, row in enumerate(() if fast else submatrix()):
        for j, (x, b) in enumerate(zip(solutions, targets, strict=True)):
            require(sum(map(mul, row, x)) % p == b[i], f"{path}[{j}]", f"A x = b fails in row {i}")
    context.assumptions.add(ORACLE)
    context.error_bits.append(strength.bit_length() - 1)
    return order
