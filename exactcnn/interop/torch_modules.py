"""Floor 6: the few modules that ``to_torch`` needs and PyTorch does not have.

Imported only where torch is installed.  ``from_torch`` follows ``Shifted`` and ``Function`` through their
forward, so what they compute can be read back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

__all__ = ["FUNCTIONS", "ChannelsFirst", "Function", "Gathered", "PoolPatches", "Shifted"]

FUNCTIONS: dict[str, Any] = {
    "square": torch.square,
    "arctan": torch.atan,
    "gaussian": lambda t: torch.exp(-t * t),
    "sigmoid2": lambda t: torch.sigmoid(t * 0.6931471805599453),
}


class Shifted(torch.nn.Module):
    """Adds a bias of its own to each unit."""

    def __init__(self, shift: np.ndarray, dtype: torch.dtype) -> None:
        super().__init__()
        self.shift = torch.nn.Parameter(torch.tensor(shift, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.shift


class Function(torch.nn.Module):
    """An activation by name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = FUNCTIONS[self.name](x)
        return result

    def extra_repr(self) -> str:
        return self.name


class Gathered(torch.nn.Module):
    """(N, n) to (N, P, l): the values of explicit patches."""

    indices: torch.Tensor

    def __init__(self, indices: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("indices", torch.tensor(indices))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, self.indices]


class PoolPatches(Gathered):
    """(N, n) to (N, 1, P): the maximum over each explicit patch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, self.indices].amax(dim=2)[:, None]


class ChannelsFirst(torch.nn.Module):
    """(N, P, T) to (N, T, P)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2)
