"""Floor 6: the loss of a certificate's network in plain floating point, for curves in reports; never for a verdict.

The checker's reader says what the network, the samples and the weights are, and its trees what an activation is;
they are evaluated in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf, log, pi, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from exactcnn.checker.core.activations import Activation
    from exactcnn.checker.core.instance import Instance
    from exactcnn.checker.core.network import Node
    from exactcnn.report.entries import Entry

__all__ = ["float_loss", "instance_of"]

_MOST_PARAMETERS = 400
_MOST_WORK = 500_000  # products of one evaluation
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "atan": np.arctan,
    "sqrt": np.sqrt,
    "erf": np.vectorize(erf, otypes=[float]),
    "sigmoid": lambda t: np.exp(-np.logaddexp(0, -t)),
    "softplus": lambda t: np.logaddexp(0, t),
}


class _Floats:
    """What the checker's trees are evaluated in."""

    add, mul, div, power, absolute = np.add, np.multiply, np.divide, staticmethod(lambda x, n: x**n), np.abs

    def rational(self, value: Any) -> float:
        return float(value)

    def constant(self, name: str) -> float:
        return {"pi": pi, "ln2": log(2)}[name]

    def function(self, name: str, x: Any) -> Any:
        return _FUNCTIONS[name](x)


def instance_of(entry: Entry) -> Instance:
    """The instance as the checker's reader has it; raises what odd content raises."""
    from exactcnn.checker.certificate import INSTANCE
    from exactcnn.checker.core.grammar import record
    from exactcnn.checker.core.instance import Instance, check_targets, check_weights
    from exactcnn.checker.core.network import Network
    from exactcnn.checker.files import load_data

    spec = record(INSTANCE)(entry.instance, "instance")
    network = Network(spec["network"])
    for name, weights in spec["weights"].items():
        check_weights(weights, network, name)
    data = (
        None
        if spec["data"] is None
        else load_data(spec["data"], network, str(Path(entry.path).parent), entry.data)
    )
    if spec["targets"] is not None:
        check_targets(spec["targets"], network, len(data.rows) if data else 0)
    return Instance(network, data, spec["targets"], spec["weights"])


def float_loss(instance: Instance, name: str) -> tuple[Callable[[np.ndarray], float], np.ndarray] | None:
    """(the loss of all parameters in a row, the weights of that name); None without targets, or where it is large."""
    network, data, targets = instance.network, instance.data, instance.targets
    if data is None or targets is None or name not in instance.weights:
        return None
    count = sum(map(_size, network.affine))
    if not 1 <= count <= _MOST_PARAMETERS or len(data.rows) * sum(map(_work, network.nodes)) > _MOST_WORK:
        return None
    x = np.array([list(row) for row in data.rows], dtype=float) * data.factor / data.denominator
    y = np.array(targets["rows"], dtype=float) / targets["denominator"]
    parts = [part for node in network.affine for part in _parameters(instance, node, name)]
    passes = [_pass(node, instance) for node in network.nodes]

    def loss(parameters: np.ndarray) -> float:
        states, place = [x], 0
        for node, step in zip(network.nodes, passes, strict=True):
            size = _size(node) if node.affine else 0
            states.append(step([states[s] for s in node.of], parameters[place : place + size]))
            place += size
        return 0.5 * float(((states[-1] - y) ** 2).sum())

    return loss, np.concatenate(parts)


def _size(node: Node) -> int:
    """How many parameters an affine node has."""
    return node.length * (node.filters or 1) + node.bias_size


def _work(node: Node) -> int:
    taps = node.length if node.affine else prod(node.spec.get("kernel", [1]))
    if "patches" in node.spec:
        taps = max(map(len, node.spec["patches"]))
    return node.above.units * max(taps, len(node.of))


def _parameters(instance: Instance, node: Node, name: str) -> list[np.ndarray]:
    """W row by row, then b."""
    given = instance.entry(node, name, "weights")

    def number(value: Any, over: int) -> float:
        return (
            float(sum(float(c) * log(2) ** n for n, c in enumerate(value))) if given["ln2"] else value / over
        )

    W = [number(v, given.get("W_over", 1)) for row in given["W"] for v in row]
    b = [number(v, given.get("b_over", 1)) for v in given["b"]]
    return [np.array(W, dtype=float), np.array(b, dtype=float)]


def _pass(node: Node, instance: Instance) -> Callable[[list[np.ndarray], np.ndarray], np.ndarray]:
    """(values of the sources, the node's parameters) -> its values, a row for each sample."""
    if node.activation:
        sigma = node.activation
        return lambda sources, _: _activated(sigma, sources[0])
    if node.affine:
        slots, taps = zip(*map(node.slot, range(node.above.units)), strict=True)
        reads = np.array(node.patches)[list(slots)]
        filters = node.filters or 1
        size, shared = node.length * filters, node.spec["bias"] == "filter"

        def affine(sources: list[np.ndarray], own: np.ndarray) -> np.ndarray:
            W, b = own[:size].reshape(node.length, filters), own[size:]
            gathered = sources[0][:, np.maximum(reads, 0)] * (reads >= 0)
            total: np.ndarray = (gathered * W.T[list(taps)]).sum(axis=2)
            return total if not b.size else total + (b[list(taps)] if shared else b)

        return affine
    if node.pool == "maxpool":
        pools = [[u for u in patch if u >= 0] for patch in node.patches]
        return lambda sources, _: np.stack([sources[0][:, pool].max(axis=1) for pool in pools], axis=1)
    mixture = node.mixture(instance.network.grids)

    def mixed(sources: list[np.ndarray], _: np.ndarray) -> np.ndarray:
        columns = [
            sum(float(c) * sources[s][:, u] for s, u, c in terms) + float(shift) for terms, shift in mixture
        ]
        return np.stack(columns, axis=1)

    return mixed


def _activated(sigma: Activation, t: np.ndarray) -> np.ndarray:
    from exactcnn.checker.core.activations import evaluate

    if sigma.polygon:
        constant, slope, kinks = sigma.polygon
        total = float(constant) + float(slope) * t
        return total + sum(float(change) * np.maximum(t - float(kink), 0) for kink, change in kinks)
    value: np.ndarray = evaluate(sigma.row.tree, t, _Floats(), sigma.spec)
    return np.broadcast_to(value, t.shape)
