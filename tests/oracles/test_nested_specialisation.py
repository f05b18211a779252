"""Nested specialisation against 1,400-bit numerics on random small deep networks.

The specialised rank is a certified lower bound for the generic rank; the numerical rank at
random scales is the generic rank with overwhelming likelihood.  They must agree, on generic
and on degenerate instances (repeated and opposite samples, zero rows, equal filters' data).
"""

from dataclasses import replace

import flint
import pytest

from exactcnn.arithmetic.primes import odd_order_element
from exactcnn.errors import UndecidedError
from exactcnn.features.nested import NestedFeatures
from exactcnn.linalg import rank_mod_p
from tests.statements.instances import conv, instance, network, random_rows, rng

P = 2147483647
BITS = 1400


def numerical_rank(nested, scales):
    """Rank of F_k at W_l = s_l A_l, by complete pivoting on 1400-bit balls."""
    old, flint.ctx.prec = flint.ctx.prec, BITS
    try:
        inst = nested.instance
        # At full precision, since a rounded s would not be one s; small, since large ones saturate.
        scales = [flint.arb(s) / (99991 << (nested.bits - 3)) for s in scales]
        values = [[flint.arb(int(v)) for v in row] for row in inst.samples.x.numerators.tolist()]
        for layer, s in zip(inst.network.layers[: nested.k], scales, strict=True):
            T, P_ = layer.filters, layer.patches.indices.tolist()
            A = nested._drawn(layer, "W", layer.patch_size * T).reshape(layer.patch_size, T).tolist()
            b = [0] * layer.width
            if layer.bias != "none":
                b = nested._drawn(layer, "b", layer.bias_length).tolist()
                b = b * (layer.width // len(b))
            rows = []
            for x in values:
                row = []
                for p, patch in enumerate(P_):
                    for t in range(T):
                        g = s * sum(
                            (A[r][t] * x[i] for r, i in enumerate(patch) if i < len(x)),
                            flint.arb(b[p * T + t]),
                        )
                        row.append(layer.activation.ball(g))
                rows.append(row)
            values = rows
        rank, rows = 0, values
        while rows and rows[0]:
            size, i, j = max((float(abs(v.mid()).log()) if abs(v.mid()) > 0 else -1e9, i, j)
                             for i, row in enumerate(rows) for j, v in enumerate(row))  # fmt: skip
            if size < -BITS / 4:
                break
            pivot = rows.pop(i)
            rows = [
                [
                    (v - row[j] / pivot[j] * w).mid()
                    for c, (v, w) in enumerate(zip(row, pivot, strict=True))
                    if c != j
                ]
                for row in rows
            ]
            rank += 1
        return rank
    finally:
        flint.ctx.prec = old


def random_case(seed):
    r = rng(seed)
    depth = 1 + seed % 4
    layers = []
    for index in range(depth):
        activation = r.choice(["sigmoid", "tanh", "softplus", {"name": "softplus", "alpha": "1/2"}])
        bias = r.choice(["unit", "filter", "none"]) if activation in ("sigmoid", "tanh") else "unit"
        if index == 0:
            layers.append(conv(r.randint(1, 2), activation, kernel=2, padding=r.choice([0, 1]), bias=bias))
        else:
            layers.append({"kind": "dense", "units": r.randint(2, 5), "activation": activation, "bias": bias})
    net = network([3], *layers)
    rows = random_rows(r, r.randint(2, 5), 3, -2, 2)
    if seed % 3 == 0:
        rows.append(list(rows[0]))
    if seed % 5 == 1:
        rows.append([-v for v in rows[0]])
    if seed % 7 == 2:
        rows.append([0, 0, 0])
    return NestedFeatures(instance(net, rows), depth, seed=seed, bits=3), [
        r.randint(1, 9999) for _ in range(depth)
    ]


@pytest.mark.parametrize("block", range(10))
def test_specialised_rank_is_the_generic_rank(block):
    """52 random networks of depth 1 to 4 in each block, degenerate ones included."""
    decided = 0
    for seed in range(52 * block, 52 * (block + 1)):
        nested, scales = random_case(seed)
        for attempt in range(25):  # softplus asks for a draw without opposite pre-activations
            try:
                specialised = rank_mod_p(nested.image(P, odd_order_element(P))).rank
            except UndecidedError:
                nested = replace(nested, seed=nested.seed + 1000, bits=3 + attempt // 4)
                continue
            decided += 1
            assert specialised == numerical_rank(nested, scales), seed
            break
    assert decided >= 35
