"""(a) A square matrix is non-singular (FORMAT.md, section 6): mod a prime or over R by enclosures, each recomputed or shown by
solutions for random right-hand sides."""

import hashlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from math import isqrt
from operator import mul
from typing import Any

from .grammar import INDICES, LONG, Fields, array, canonical, integer, integers, maybe, record
from .intervals import Intervals
from .matrices import MATRIX, MOST_ENTRIES, ORACLE, Context, Fact, Matrix, indices
from .outcome import TooMuch, require, show

PRIME = integer(3, 2**63 - 1)
FIRST_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


def is_prime(n: int) -> bool:
    """Miller-Rabin; with these twelve bases it is a proof for n < 3.1 * 10^23 (Sorenson and Webster)."""
    if any(n % q == 0 for q in FIRST_PRIMES):
        return n in FIRST_PRIMES
    twos = (n - 1 & 1 - n).bit_length() - 1
    for base in FIRST_PRIMES:
        powers = [pow(base, n - 1 >> i, n) for i in range(1, twos + 1)]
        if powers[-1] != 1 and n - 1 not in powers:
            return False
    return n > 1


def is_nonsingular(rows: Iterable[list[int]], p: int) -> bool:
    """Gaussian elimination on a square matrix of residues, columns from the last to the first, so that they pop off;
    a pivot row with few entries (U is sparse) touches only those places."""
    matrix = list(rows)
    while matrix:
        last = [row.pop() for row in matrix]
        candidates = [i for i, entry in enumerate(last) if entry][:16]
        if not candidates:
            return False
        best = max(candidates, key=lambda i: matrix[i].count(0))
        pivot, inverse = matrix.pop(best), pow(last.pop(best), -1, p)
        support = [(j, b) for j, b in enumerate(pivot) if b]
        for entry, row in zip(last, matrix, strict=True):
            c = entry * inverse % p
            if c and 3 * len(support) < len(pivot):
                for j, b in support:
                    row[j] = (row[j] - c * b) % p
            elif c:
                row[:] = [(a - c * b) % p for a, b in zip(row, pivot, strict=True)]
    return True


def challenges(context: Context, raw: Fields, count: int, length: int) -> Iterator[Iterator[int]]:
    """`count` streams of 64-bit numbers, drawn from everything that fixes the matrix: the instance, and the judgment without
    its solutions.  Their first `length` numbers are made at once."""
    bare = {key: value for key, value in raw.items() if key != "solutions"}
    seed = hashlib.sha256(canonical({"instance": context.raw_instance, "judgment": bare})).digest()
    for j in range(count):
        yield stream(b"exactcnn/challenge/2/" + seed + j.to_bytes(4, "big"), 8 * length)


def stream(message: bytes, size: int) -> Iterator[int]:
    start = 0
    while True:  # a longer output of SHAKE-256 continues a shorter one
        raw = hashlib.shake_256(message).digest(size)
        yield from (int.from_bytes(raw[i : i + 8], "big") for i in range(start, size, 8))
        start, size = size, 2 * size


def place(given: Fields, height: int, width: int, path: str) -> int:
    """Rows and columns of a square submatrix; its order."""
    rows, columns = given["rows"], given["columns"]
    indices(rows, height, path + ".rows")
    indices(columns, width, path + ".columns")
    require(len(rows) == len(columns) > 0, path, f"{len(rows)} rows but {len(columns)} columns")
    return len(rows)


def minor_mod_p(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """The minor does not vanish after a ring homomorphism to GF(p) (Lemmas 1 to 4)."""
    matrix, p = Matrix(context, given["of"], path), given["prime"]
    order = place(given, matrix.count, matrix.width, path)
    matrix.check_root(p, given["root"], given["divisor"])

    def blocks(large: bool) -> Iterator[Any]:
        fast = context.helper if large and context.helper and order**2 >= context.helper.LARGE else None
        return matrix.residues(given["rows"], given["columns"], p, given["root"], fast)

    nonsingular_mod_p(context, given, raw, order, blocks, path)
    return rank_at(matrix, order)


def nonsingular_mod_p(context: Context, given: Fields, raw: Fields, order: int, blocks: Any, path: str) -> None:
    """`blocks` yields the square matrix mod p in batches of rows.  Solutions: A x = b for b drawn after A was fixed."""
    p, solutions = given["prime"], given["solutions"]
    require(is_prime(p), path + ".prime", f"{show(p)} is not a prime")
    if solutions is not None:
        for j, x in enumerate(solutions):
            require(len(x) == order and max(x) < p, f"{path}.solutions[{j}]", f"expected {order} residues mod {p}")
        strength = p ** len(solutions)
        require(strength >= 2**192, path, f"{len(solutions)} vectors mod {p} do not reach p^c >= 2^192")
    if solutions is None or context.deterministic:
        if order**2 > MOST_ENTRIES:
            raise TooMuch(f"{path}: a matrix of order {order} is more than this checker eliminates")
        rows = (list(row) for block in blocks(False) for row in zip(*block.columns, strict=True))
        require(is_nonsingular(rows, p), path, f"the minor vanishes mod {p}")
        return
    bound, first = 2**64 // p * p, 0  # uniform residues, by rejection
    drawn = challenges(context, raw, len(solutions), order + order // 8 + 16)
    targets = [list(islice((v % p for v in numbers if v < bound), order)) for numbers in drawn]
    for block in blocks(True):
        for j, (found, b) in enumerate(zip(block.products(solutions, p), targets, strict=True)):
            right = found == b[first : first + block.count]
            require(right, f"{path}.solutions[{j}]", f"A x = b fails in one of the rows from {first} on")
        first += block.count
    require(first == order, path, f"only {first} of {order} rows were met")
    context.assumptions.add(ORACLE)
    context.error_bits.append(strength.bit_length() - 1)


def rank_at(matrix: Matrix, order: int, **more: Any) -> Fact:
    of, words = (matrix.letter, matrix.number), f"rank {matrix.name} >= {order} at the weights {matrix.weights}"
    return Fact("rank", words, of, matrix.weights, low=order, more={"row": matrix.spec.get("row"), **more})


def minor_enclosed(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """A is regular for every A in the enclosure, by elimination; or A x = b nearly, for b drawn after A: then
    sigma_min(A) is at least delta / (2 max |x|) but for probability (delta sqrt(n) + 2^-64)^t (Lemma 6)."""
    matrix, w = Matrix(context, given["of"], path), given["precision"]
    require(matrix.features, path + ".of", "only features are enclosed")
    order, solutions = place(given, matrix.count, matrix.width, path), given["solutions"]
    if solutions is None or context.deterministic:
        if order > 300:
            raise TooMuch(f"{path}: intervals are eliminated up to order 300 only")
        numbers, rows = Intervals(w), []
        for packing, columns, over in matrix.enclosed(given["rows"], given["columns"], w, 1):
            table = [[((v - r << w) // over, -((-v - r << w) // over)) for v in packing.unpack(x)] for x, r in columns]
            rows += [list(row) for row in zip(*table, strict=True)]
        require(regular(rows, numbers), path, "the enclosed matrix is not shown to be regular")
        return rank_at(matrix, order)
    r, e, vectors = solutions["bits"], solutions["scale"], solutions["vectors"]
    strength = (r - (order.bit_length() + 1) // 2 - 1) * len(vectors)
    require(strength >= 192, path + ".solutions", f"{len(vectors)} vectors at {r} bits do not reach 192 bits")
    for j, x in enumerate(vectors):
        require(len(x) == order, f"{path}.solutions.vectors[{j}]", f"expected {order} integers")
    fixed = {**raw, "bits": r}  # before the hash; the vectors come after it
    targets = [[2 * v + 1 - 2**64 for v in islice(numbers, order)]
               for numbers in challenges(context, fixed, len(vectors), order)]
    squares, first, over = [0] * len(vectors), 0, 1
    room = order * max(max(map(abs, x)) for x in vectors) + 1
    for packing, columns, over in matrix.enclosed(given["rows"], given["columns"], w, room):
        packed, radii = [v for v, _ in columns], [radius for _, radius in columns]
        for j, (x, b) in enumerate(zip(vectors, targets, strict=True)):
            # 2^(64 + e) over (b - A x), within slack
            slack = sum(map(mul, map(abs, x), radii)) << 64
            products = packing.unpack(sum(map(mul, x, packed)))
            exact = ((b[first + i] * over << e) - (v << 64) for i, v in enumerate(products))
            squares[j] += sum((abs(v) + slack) ** 2 for v in exact)
        first += packing.count
    require(first == order, path, f"only {first} of {order} rows were met")
    for j, square in enumerate(squares):
        small = square << 2 * r + 2 <= (over << 64 + e) ** 2
        require(small, f"{path}.solutions.vectors[{j}]", f"A x = b is not shown within 2^-{r + 1}")
    context.assumptions.add(ORACLE)
    context.error_bits.append(strength)
    length = max(isqrt(sum(v * v for v in x)) + 1 for x in vectors)  # over 2^e
    return rank_at(matrix, order, sigma=Fraction(2**e, length << r + 1), columns=given["columns"], rows=given["rows"])


def regular(rows: list[list[Any]], numbers: Intervals) -> bool:
    """Gaussian elimination in intervals: every square matrix in the enclosure is regular."""
    while rows:
        best = max(range(len(rows)), key=lambda i: numbers.absolute(rows[i][-1])[0])
        pivot = rows.pop(best)
        if numbers.sign(pivot[-1]) in (None, 0):
            return False
        for row in rows:
            factor = numbers.div(row.pop(), pivot[-1])
            row[:] = [numbers.add(a, numbers.mul((-factor[1], -factor[0]), b)) for a, b in zip(row, pivot, strict=False)]
    return True


# fmt: off
PLACE = {"rows": INDICES, "columns": INDICES}
MOD_P = {"prime": PRIME, "solutions": maybe(array(integers(0), 1, 200))}
ENCLOSED = maybe(record({"bits": integer(1, 60), "scale": integer(0, 2**13), "vectors": array(LONG, 1, 200)}))
RULES: dict[str, tuple[dict[str, Any], Any]] = {
    "minor-mod-p": ({"of": MATRIX, **PLACE, **MOD_P, "root": maybe(integer(0)),
                     "divisor": integer(1, digits=100_000)}, minor_mod_p),
    "minor-enclosed": ({"of": MATRIX, **PLACE, "precision": integer(16, 4096), "solutions": ENCLOSED}, minor_enclosed),
}
