"""Many values of one activation: Taylor's polynomials on cells, with a bound of all that is left out (FORMAT.md, Lemma 25).

The cell m holds the t with |t - m/2^c| <= 2^-c; c = 4 for |t| < 32, else 0.  A polynomial is made where values are asked for
often; where it cannot be (kinks, values that may not exist) and for the first few, the tree is evaluated in intervals.
"""

from typing import Any

from .activations import Activation, evaluate
from .intervals import Interval, Intervals
from .outcome import Rejected, require
from .series import Series

FINE, GUARD, OFTEN = 4, (48, 0, 0, 0, 16), 4  # c; further places of polynomials; values of a cell after which it gets one
NEAR, LONGEST = 32, 24  # arguments of fine cells; what a polynomial has no more terms than
MOST = 2**40  # what an enclosed activation may reach
Cell = tuple[list[int], int, int]  # coefficients from the last to the first, error, slope


def reach(x: Interval) -> int:
    return max(-x[0], x[1])


class Cells:
    def __init__(self, sigma: Activation, w: int, path: str = "", fine: int = FINE) -> None:
        self.sigma, self.w, self.path, self.numbers, self.guard = sigma, w, path, Intervals(w), GUARD[fine]
        self.u, self.fine, self.far = w + self.guard, fine, Cells(sigma, w, path, 0) if fine else None
        self.series = Series(Intervals(self.u), min(self.u // (fine + 1) + 1, LONGEST))
        self.order = 4  # of the series that were enough last
        self.known, self.met = dict[int, Cell | None](), dict[int, int]()
        self.table: Any = None  # the same in other form, of a helper

    def cell(self, m: int, times: int = 1) -> Cell | None:
        """The polynomial of a cell, in units of 2^-u; None where there is none, or not yet."""
        if m not in self.known:
            self.met[m] = self.met.get(m, 0) + times
            if self.met[m] <= OFTEN or self.w > 128:
                return None
            self.known[m] = self.made(m)
        return self.known[m]

    def made(self, m: int) -> Cell | None:
        step = 1 << self.u - self.fine

        def jet(low: int, high: int, order: int) -> Any:
            t = ((low * step, high * step), *self.series.one[:-1])
            return evaluate(self.sigma.row.tree, t[: order + 1], self.series, self.sigma.spec)

        small = 1 << self.guard - 4  # a remainder that needs no further term
        try:
            for order in (self.order, len(self.series.one) - 1):
                box = jet(m - 1, m + 1, order)
                rests = [reach(x) >> (self.fine + 1) * k for k, x in enumerate(box)]
                degree = next((k for k, rest in enumerate(rests[1:]) if rest < small), order - 1)
                if rests[degree + 1] < small:
                    break
            middle, self.order = jet(m, m, degree), max(self.order, degree + 1)
        except Rejected:
            return None
        error, found = 0, list[int]()
        for low, high in middle[::-1]:
            found.append(low + high >> 1)
            error = (error >> self.fine + 1) + (high - low) + 2
        error += rests[degree + 1] + 1
        return (found, error, reach(box[1])) if error < 1 << self.guard and 2 * reach(box[0]) < MOST << self.u else None

    def enclosed(self, v: int, radius: int, D: int) -> Interval:
        """Of the tree; over 2^w."""
        w, t = self.w, ((v - radius << self.w) // D, -((-v - radius << self.w) // D))
        low, high = evaluate(self.sigma.row.tree, self.numbers.bounded(t), self.numbers, self.sigma.spec)
        require(-MOST << w < low <= high < MOST << w, self.path, f"{self.sigma.name} exceeds 2^40")
        return low, high

    def values(self, numerators: list[int], radius: int, D: int) -> tuple[list[int], int]:
        """sigma(v / D) in units of 2^-(w + 1), and a radius for all; v is known within the radius."""
        if self.far and max(map(abs, numerators), default=0) >= NEAR * D:
            away = [abs(v) >= NEAR * D for v in numerators]
            near, width = self.values([v for v, off in zip(numerators, away, strict=True) if not off], radius, D)
            far, wider = self.far.values([v for v, off in zip(numerators, away, strict=True) if off], radius, D)
            ends = iter(near), iter(far)
            return [next(ends[off]) for off in away], max(width, wider)
        u, shift, drop = self.u, self.u - self.fine, self.guard - 1
        half, blur, known, widest, error = 1 << shift - 1, -(-(radius << u) // D) + 1, dict[int, Interval](), 0, 0
        found = []
        for v in numerators:
            n = (v << u) // D
            m = n + half >> shift
            cell = self.cell(m) if blur <= half else None
            if cell is None:
                low, high = known[v] if v in known else known.setdefault(v, self.enclosed(v, radius, D))
                widest = max(widest, high - low)
                found.append(low + high)
                continue
            coefficients, off, slope = cell
            s, h = n - (m << shift), 0
            for a in coefficients:
                h = a + (h * s >> u)
            found.append(h >> drop)
            error = max(error, off + (slope * blur >> u) + 1)
        return found, max(widest, (error >> drop) + 2 if error else 0)
