"""Train a wide CNN on digits with PyTorch (NumPy where there is none) and save its weights for --weights.

    python -m proofs_checks.train_wide WEIGHTS.npz [samples] [filters] [steps] [refit]
    exactcnn verify WEIGHTS.toml --samples N --scale 1/16 --weights WEIGHTS.npz --statement zero-loss-nearby

The network is the embedded default (one sigmoid convolution 3 x 3, one bias for each filter here, as
PyTorch has it, and a dense layer of ten linear units) on pixels divided by 16; WEIGHTS.toml is written
beside the weights.  Full batches, half the sum of squares, one-hot targets.  ``refit``: at the
end the output matrix is moved to the nearest interpolating one, in floats.  Nothing here is exact
and nothing relies on it: the weights are only a starting point that someone trained.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

__all__ = ["SPEC", "digits", "train", "train_numpy", "train_torch"]

SPEC = """name = "trained-digits"
input = [1, 8, 8]

[[layers]]
kind = "conv"
filters = {filters}
kernel = 3
activation = "sigmoid"
bias = "filter"

[[layers]]
kind = "dense"
units = 10
"""


def digits(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 1, 8, 8) in [0, 1] and one-hot labels, from the file that exactcnn embeds."""
    archive = np.load(Path(__file__).parents[1] / "exactcnn" / "data" / "digits.npz")
    x = archive["x"][:samples].reshape(-1, 1, 8, 8).astype(np.float32) / 16
    return x, np.eye(10, dtype=np.float32)[archive["y"][:samples].astype(int)]


def train(samples: int, filters: int, steps: int, refit: bool = False) -> dict[str, np.ndarray]:
    """Arrays by PyTorch's names or by the paper's."""
    try:
        return train_torch(samples, filters, steps, refit)
    except ImportError:
        return train_numpy(samples, filters, steps, refit)


def train_torch(samples: int, filters: int, steps: int, refit: bool = False) -> dict[str, np.ndarray]:
    """Adam on all parameters."""
    import torch

    torch.manual_seed(0)
    x, y = (torch.tensor(a) for a in digits(samples))
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, filters, 3),
        torch.nn.Sigmoid(),
        torch.nn.Flatten(),
        torch.nn.Linear(filters * 36, 10),
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(steps):
        optimiser.zero_grad()
        loss = 0.5 * ((model(x) - y) ** 2).sum()
        loss.backward()
        optimiser.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"  step {step}: loss {loss.item():.6g}", file=sys.stderr)
    if refit:
        with torch.no_grad():
            residual = (y - model(x)).double()
            F = model[:3](x).double()
            model[3].weight += (torch.linalg.pinv(F) @ residual).T.float()
    return {name: value.detach().numpy() for name, value in model.state_dict().items()}


def train_numpy(samples: int, filters: int, steps: int, refit: bool = False) -> dict[str, np.ndarray]:
    """The same network, Adam by hand; the dense weights in the paper's unit order."""
    x, y = digits(samples)
    rng = np.random.default_rng(0)
    windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], (3, 3), axis=(1, 2)).reshape(len(x), 36, 9)
    p = {
        "W1": rng.uniform(-1 / 3, 1 / 3, (9, filters)),
        "b1": rng.uniform(-1 / 3, 1 / 3, filters),
        "W2": rng.uniform(-1, 1, (36 * filters, 10)) / np.sqrt(36 * filters),
        "b2": np.zeros(10),
    }
    first, second = ({key: np.zeros_like(v) for key, v in p.items()} for _ in range(2))
    for step in range(1, steps + 1):
        F = 1 / (1 + np.exp(-(windows @ p["W1"] + p["b1"])))
        delta = F.reshape(len(x), -1) @ p["W2"] + p["b2"] - y
        back = (delta @ p["W2"].T).reshape(F.shape) * F * (1 - F)
        gradient = {
            "W1": np.tensordot(windows, back, axes=((0, 1), (0, 1))),
            "b1": back.sum(axis=(0, 1)),
            "W2": F.reshape(len(x), -1).T @ delta,
            "b2": delta.sum(axis=0),
        }
        for key, g in gradient.items():
            first[key] = 0.9 * first[key] + 0.1 * g
            second[key] = 0.999 * second[key] + 0.001 * g * g
            scaled = np.sqrt(second[key] / (1 - 0.999**step)) + 1e-8
            p[key] = p[key] - 3e-3 * first[key] / (1 - 0.9**step) / scaled
    if refit:
        F = 1 / (1 + np.exp(-(windows @ p["W1"] + p["b1"]))).reshape(len(x), -1)
        p["W2"] = p["W2"] + np.linalg.pinv(F) @ (y - F @ p["W2"] - p["b2"])
    return {key: value.astype(np.float32) for key, value in p.items()}


def main(arguments: list[str]) -> None:
    refit = "refit" in arguments
    arguments = [argument for argument in arguments if argument != "refit"]
    if not 1 <= len(arguments) <= 4 or not arguments[0].endswith(".npz"):
        sys.exit(__doc__)
    target = Path(arguments[0])
    samples, filters, steps = (int(v) for v in [*arguments[1:], *["200", "64", "500"][len(arguments) - 1 :]])
    np.savez(target, **train(samples, filters, steps, refit))  # type: ignore[arg-type]
    target.with_suffix(".toml").write_text(SPEC.format(filters=filters))
    print(f"{target} and {target.with_suffix('.toml')} written")


if __name__ == "__main__":
    main(sys.argv[1:])
