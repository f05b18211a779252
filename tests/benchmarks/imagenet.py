"""Benchmark: Theorem 3.5's witness at ImageNet's size, N = 1,281,167 images of 3 x 224 x 224 bytes.

    python -m tests.benchmarks.imagenet [N ..]

VGG's first layer: 64 filters 3 x 3, padding 1, a bias per unit, n_1 = 3,211,264, sigmoid.  The images are
synthetic: byte (i, pixel) is a hash of the seed, the pixel and i, so only the pixels that peeling touches
ever exist.  Each position takes off up to 64 samples: about N / 64 of the 50,176 positions are visited.

Floor.  Positions visited N / 64, samples left N / 2 on average, 27 pixels each: 27 N^2 / 128 multiply-adds of
bytes, 3.5e11 at full size; new pixel columns 9 per position at the border of a band, 3 inside: N^2 / 128 * 3 bytes
generated, 3.8e10.  "generate alone" below makes just these columns and nothing else.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from itertools import pairwise

import numba
import numpy as np

import exactcnn
from exactcnn.features.peeling import Peeling, directions
from exactcnn.features.streamed_peeling import peel_columns
from exactcnn.network.layers import Layer

IMAGENET = 1_281_167


@numba.njit(parallel=True, cache=True)
def _hashed(samples, salt):
    result = np.empty(samples.size, np.uint8)
    for i in numba.prange(samples.size):
        z = np.uint64(samples[i]) * np.uint64(0x9E3779B97F4A7C15) + salt
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        result[i] = np.uint8(z >> np.uint64(56))
    return result


class SyntheticImages:
    """A ColumnSource that remembers what it was asked for."""

    def __init__(self, samples: int, seed: int = 0) -> None:
        self.samples, self.seed, self.bytes, self.asked = samples, seed, 0, []

    def column(self, unit: int, samples: np.ndarray) -> np.ndarray:
        self.bytes += samples.size
        self.asked.append((unit, samples.size))
        return self.make(unit, samples)

    def make(self, unit: int, samples: np.ndarray) -> np.ndarray:
        salt = np.uint64((unit * 0xD1342543DE82EF95 + self.seed * 0xA0761D6478BD642F + 1) % 2**64)
        return _hashed(samples, salt)


def verify(layer: Layer, source: SyntheticImages, found: Peeling, positions: int) -> int:
    """Check the order from its definition at up to ``positions`` positions; the comparisons made."""
    a = directions(layer, found.seed, found.bits)[:, 0]
    order, owner = np.array(found.order), np.array(found.units) // layer.filters
    assert len(set(found.units)) == len(found.units)
    assert np.array_equal(np.sort(np.concatenate([order, np.array(found.left, dtype=order.dtype)])),
                          np.arange(source.samples))  # fmt: skip
    visited = np.unique(owner)
    chosen = np.random.default_rng(0).permutation(visited)[:positions]
    count = 0
    for p in chosen:
        real = layer.patches.real[p]
        z = np.zeros(order.size, np.int64)
        for unit, weight in zip(layer.patches.indices[p][real], a[real], strict=True):
            z += weight * source.make(int(unit), order).astype(np.int64)
        before = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(z)[:-1]])
        places = np.flatnonzero(owner == p)
        assert (before[places] < z[places]).all()
        count += int(places.sum())
    return count


def main(sizes: list[int]) -> None:
    net = exactcnn.Network.from_dict(
        {
            "input": {"shape": [3, 224, 224]},
            "layers": [{"kind": "conv", "filters": 64, "kernel": 3, "padding": 1, "activation": "sigmoid"}],
        }
    )
    layer = net.layer(1)
    peel_columns(layer, SyntheticImages(1000))  # compile
    times = []
    for N in sizes:
        source = SyntheticImages(N)
        start = time.perf_counter()
        found = peel_columns(layer, source)
        elapsed = time.perf_counter() - start
        touched = len({unit for unit, _ in source.asked})
        generated = source.bytes
        start = time.perf_counter()
        for unit, size in source.asked:
            source.make(unit, np.arange(size))
        alone = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"N = {N}: left {len(found.left)}, {len(set(u // 64 for u in found.units))} positions, {touched} of "
            f"{layer.below.size} pixels touched, {generated / 1e9:.2f} GB; peeling {elapsed:.1f} s "
            f"({generated / elapsed / 1e6:.0f} MB/s), generate alone {alone:.1f} s, ratio {elapsed / alone:.1f}; "
            f"peak memory {memory:.2f} GB",
            flush=True,
        )
        times.append((N, elapsed))
        start = time.perf_counter()
        positions = layer.patch_count if N <= 100_000 else 100
        compared = verify(layer, source, found, positions)
        print(f"  verified: {compared:.2e} comparisons in {time.perf_counter() - start:.1f} s", flush=True)
    for (n, s), (m, t) in pairwise(times):
        print(f"exponent between N = {n} and {m}: {math.log(t / s) / math.log(m / n):.2f}")


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]] or [10_000, 30_000, 100_000, 300_000, IMAGENET])
