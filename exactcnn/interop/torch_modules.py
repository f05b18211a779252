"""Floor 6: the few modules that ``to_torch`` needs and PyTorch does not have.

``from_torch`` takes ``Function`` by its name and follows the others through their forward.  At module
level, so that they can be pickled; without torch they are empty shells that nobody makes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    import torch
except ImportError:  # tools that import every module (doctest) must be able to
    torch = None  # type: ignore[assignment, unused-ignore]

__all__ = ["FUNCTIONS", "ChannelsFirst", "Function", "Gathered", "PoolPatches", "Shifted"]

_Module: Any = object if torch is None else torch.nn.Module
_LN2 = 0.6931471805599453

FUNCTIONS: dict[str, Any] = {
    "square": lambda t: t * t,
    "arctan": lambda t: t.atan(),
    "gaussian": lambda t: (-t * t).exp(),
    "sigmoid2": lambda t: (t * _LN2).sigmoid(),
}


class Shifted(_Module):  # type: ignore[misc]
    """Adds a bias of its own to each unit."""

    def __init__(self, shift: np.ndarray) -> None:
        super().__init__()
        self.shift = torch.nn.Parameter(torch.tensor(shift))

    def forward(self, x: Any) -> Any:
        return x + self.shift


class Function(_Module):  # type: ignore[misc]
    """An activation by name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Any) -> Any:
        return FUNCTIONS[self.name](x)

    def extra_repr(self) -> str:
        return self.name


class Gathered(_Module):  # type: ignore[misc]
    """(N, n) to (N, P, l): the values of explicit patches."""

    def __init__(self, indices: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("indices", torch.tensor(indices))

    def forward(self, x: Any) -> Any:
        return x[:, self.indices]


class PoolPatches(Gathered):
    """(N, n) to (N, 1, P): the maximum over each explicit patch."""

    def forward(self, x: Any) -> Any:
        return x[:, self.indices].amax(dim=2)[:, None]


class ChannelsFirst(_Module):  # type: ignore[misc]
    """(N, P, T) to (N, T, P)."""

    def forward(self, x: Any) -> Any:
        return x.transpose(1, 2)
