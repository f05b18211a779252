"""Floor 5: what a campaign found, cell by cell, exact numbers as texts.

A share is a fact about these seeds; its interval speaks about the law behind them, and only as
far as the stream behaves like independent draws.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from exactcnn.arithmetic.texts import rational_text
from exactcnn.sampling.campaign import Campaign
from exactcnn.sampling.cells import Cell
from exactcnn.sampling.draws import Row
from exactcnn.sampling.intervals import LEVEL, clopper_pearson
from exactcnn.sampling.tables import is_full

__all__ = ["Tally", "cell_spec_path", "verify_command"]

_SHOWN_SEEDS = 20


@dataclass
class Tally:
    """Counts over the rows of one cell, filled by ``add``."""

    cell: Cell
    draws: int = 0
    full: int = 0
    deficient: int = 0
    ranks: Counter[int] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    undecided_ranks: int = 0
    dead_units: int | None = None
    deficient_seeds: list[int] = field(default_factory=list)
    undecided_seeds: list[int] = field(default_factory=list)
    smallest: Row | None = None
    first_seed: int | None = None

    def add(self, rows: list[Row]) -> None:
        for row in rows:
            if self.first_seed is None:
                self.first_seed = row.seed
            self.draws += 1
            self.routes[row.decided_by] += 1
            verdict = is_full(self.cell, row)
            self.full += verdict is True
            if verdict is False:
                self.deficient += 1
                if len(self.deficient_seeds) < _SHOWN_SEEDS:
                    self.deficient_seeds.append(row.seed)
            elif verdict is None and len(self.undecided_seeds) < _SHOWN_SEEDS:
                self.undecided_seeds.append(row.seed)
            if row.rank is None:
                self.undecided_ranks += 1
            else:
                self.ranks[row.rank] += 1
            if row.dead_units is not None:
                self.dead_units = (self.dead_units or 0) + row.dead_units
            least = None if self.smallest is None else self.smallest.sigma_low
            if verdict and row.sigma_low is not None and (least is None or row.sigma_low < least):
                self.smallest = row

    def record(self, campaign: Campaign, output: Path) -> dict[str, Any]:
        """The cell's part of the summary, ready for JSON."""
        undecided = self.draws - self.full - self.deficient
        low, _ = clopper_pearson(self.full, self.draws)
        _, high = clopper_pearson(self.full + undecided, self.draws)
        dead = None
        if self.dead_units is not None:
            dead = rational_text(Fraction(self.dead_units, self.draws * self.cell.width))
        reproved = [*self.deficient_seeds, self.first_seed]
        return {
            "cell": self.cell.index,
            **self.cell.settings,
            "n_k": self.cell.width,
            "draws": self.draws,
            "full_rank": self.full,
            "deficient": self.deficient,
            "undecided": undecided,
            "share_full": rational_text(Fraction(self.full, self.draws)),
            "share_full_interval": [_decimal(low), _decimal(high)],
            "interval_level": rational_text(LEVEL),
            "ranks": {str(rank): self.ranks[rank] for rank in sorted(self.ranks)},
            "undecided_ranks": self.undecided_ranks,
            "decided_by": {how: self.routes[how] for how in sorted(self.routes)},
            "mean_dead_share": dead,
            "smallest_sigma_min": None
            if self.smallest is None
            else {
                "seed": self.smallest.seed,
                "low": self.smallest.sigma_low,
                "high": self.smallest.sigma_high,
            },
            "deficient_seeds": self.deficient_seeds,
            "undecided_seeds": self.undecided_seeds,
            "spec": str(cell_spec_path(output, self.cell)),
            "verify": verify_command(campaign, self.cell, output, reproved[0] or 0),
        }


def _decimal(value: Fraction) -> str:
    """A multiple of 10^-6 in [0, 1] as a decimal."""
    whole = value * 10**6
    assert whole.denominator == 1
    return f"{whole.numerator // 10**6}.{whole.numerator % 10**6:06d}"


def cell_spec_path(output: Path, cell: Cell) -> Path:
    """Where the cell's network stands as a spec file."""
    return output.with_name(output.name + ".cells") / f"cell-{cell.index}.json"


def verify_command(campaign: Campaign, cell: Cell, output: Path, seed: int) -> str | None:
    """The command line that proves the row of ``seed`` again; other rows by their own --seed.

    None for samples that the command line cannot read again.
    """
    if campaign.data_options is None:
        return None
    parts = ["exactcnn", "verify", str(cell_spec_path(output, cell)), *campaign.data_options]
    parts += ["--samples", str(cell.N), "--layer", str(cell.k), "--seed", str(seed)]
    parts += ["--bits", str(cell.bits), "--distribution", cell.law.text]
    return shlex.join(parts)
