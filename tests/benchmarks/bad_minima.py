"""How often are there bad local minima in S_1 when layer 2 is convolutional?  (theory 3.4)

    python -m tests.benchmarks.bad_minima [TRIALS] [DIRECTORY]

For each architecture: TRIALS instances with small integer inputs and random weights, targets planted so that the
weights are near a minimum of positive loss (``landscape.search.planted``), descent from 24 other starting points, and
what exactcnn proves: a local minimum (Krawczyk, inertia), in S_1, with a point of smaller loss.  Every certificate is
checked; with DIRECTORY it is kept.  Columns: planted (targets exist), minimum (proved), in S_1, bad (smaller loss
elsewhere).
"""

from __future__ import annotations

import json
import random
import sys
import time
from fractions import Fraction
from pathlib import Path

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates import make_certificate
from exactcnn.checker import check_certificate
from exactcnn.features.instance import Instance
from exactcnn.landscape.search import planted, search_minima
from exactcnn.network.network import Network
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements.critical_nearby import nearby_finding


def architecture(activation: str, N: int, window: int, filters: int, m: int, bias: str) -> Network:
    """N pixels, one 1 x 1 filter (n_1 = N), ``filters`` filters on windows of ``window`` pixels, a dense output."""
    conv = {"kind": "conv", "filters": 1, "kernel": 1, "activation": activation, "bias": bias}
    above = {"kind": "conv", "filters": filters, "kernel": window, "stride": window, "activation": "sigmoid"}
    layers = [conv, above, {"kind": "dense", "units": m}]
    return Network.from_dict({"name": "bad minima", "input": {"shape": [N]}, "layers": layers})


CASES = {
    "sigmoid N=8 P=2 T=1 m=2": ("sigmoid", 8, 4, 1, 2, "filter"),
    "sigmoid N=8 P=2 T=1 m=3": ("sigmoid", 8, 4, 1, 3, "filter"),
    "sigmoid N=12 P=4 T=1 m=2": ("sigmoid", 12, 3, 1, 2, "filter"),
    "sigmoid N=9 P=3 T=1 m=2": ("sigmoid", 9, 3, 1, 2, "filter"),
    "sigmoid N=12 P=3 T=1 m=2": ("sigmoid", 12, 4, 1, 2, "filter"),
    "sigmoid N=16 P=4 T=2 m=4": ("sigmoid", 16, 4, 2, 4, "filter"),
    "sigmoid N=16 P=2 T=1 m=1": ("sigmoid", 16, 8, 1, 1, "none"),
    "relu N=6 P=2 T=1 m=2": ("relu", 6, 3, 1, 2, "unit"),
    "relu N=8 P=2 T=1 m=2": ("relu", 8, 4, 1, 2, "unit"),
}


def instance(case: tuple[str, int, int, int, int, str], seed: int) -> Instance:
    activation, N = case[:2]
    network, r = architecture(*case), random.Random(seed)
    rows = [[r.randint(-3, 3) for _ in range(N)] for _ in range(N)]
    entries = []
    for layer in network.layers:
        assert layer.weight_shape is not None
        W = [
            [Fraction(r.randint(-40, 40), 16) for _ in range(layer.weight_shape[1])]
            for _ in range(layer.weight_shape[0])
        ]
        b = [Fraction(r.randint(-40, 40), 16) for _ in range(layer.bias_length)]
        if activation == "relu" and layer.index == 1:  # all units on, as in the exact instance of the theory
            W, b = [[Fraction(1)]], [Fraction(r.randint(4, 12)) for _ in b]
        if (
            activation == "relu" and layer.index == 2
        ):  # small pre-activations in spite of the large biases below
            W = [[w / 8 for w in row] for row in W]
            first = entries[0].b
            assert first is not None
            sums = [
                sum(w[0] * first.to_fractions()[p * len(W) + n] for n, w in enumerate(W))
                for p in range(len(b))
            ]
            b = [v / 4 - s for v, s in zip(b, sums, strict=True)]
        entries.append(
            LayerWeights(RationalArray.from_fractions(W), RationalArray.from_fractions(b) if b else None)
        )
    return Instance(network, exactcnn.samples(rows), Weights(tuple(entries)))


def main(trials: int, directory: Path | None) -> None:
    print(f"{'case':28} {'planted':>7} {'minimum':>7} {'in S_1':>7} {'bad':>5} {'checked':>7} {'s':>6}")
    for name, case in CASES.items():
        counts = dict.fromkeys(("planted", "minimum", "in S_1", "bad", "checked"), 0)
        start = time.perf_counter()
        for seed in range(trials):
            inst = planted(instance(case, seed), share=Fraction(17, 20), digits=24)
            if inst is None:
                continue
            counts["planted"] += 1
            result = search_minima(inst, 24, wide_layer=1, iterations=25, spread=3, first_seed=seed)
            counts["minimum"] += bool(result.minima)
            inside = [each for each in result.minima if each.wide_layer == 1]
            counts["in S_1"] += bool(inside)
            bad = [each for each in inside if each.smaller is not None]
            counts["bad"] += bool(bad)
            for n, each in enumerate(bad):
                certificate = make_certificate(inst, [nearby_finding(each)])
                verdict = check_certificate(certificate)
                if verdict.outcome != "VERIFIED":
                    raise SystemExit(f"{name}, seed {seed}: {verdict.outcome} {verdict.reason}")
                counts["checked"] += n == 0
                if directory is not None:
                    path = directory / f"{name.replace(' ', '-').replace('=', '')}-{seed}-{n}.json"
                    path.write_text(json.dumps(certificate))
        took = time.perf_counter() - start
        shown = " ".join(
            f"{count:>{width}}" for count, width in zip(counts.values(), (7, 7, 7, 5, 7), strict=True)
        )
        print(f"{name:28} {shown} {took:6.1f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
