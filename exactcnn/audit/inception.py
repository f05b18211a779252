"""Floor 5: InceptionV3 and InceptionV4: batch norm after every convolution, no biases, input 299 x 299."""

from __future__ import annotations

from typing import Any

from exactcnn.audit.architecture import Architecture
from exactcnn.audit.graph import Graph

__all__ = ["inception_v3", "inception_v4"]

# A branch: (filters, kernel) or (filters, kernel, options of the last convolution), from below upwards.
Branch = tuple[tuple[Any, ...], ...]


def _conv(net: Graph, name: str, below: str, filters: int, kernel: Any, **options: Any) -> str:
    options.setdefault("padding", "same")
    return net.conv(name, below, filters, kernel, bias=False, norm="batch", **options)


def _branch(net: Graph, name: str, below: str, steps: Branch) -> str:
    for number, (filters, kernel, *rest) in enumerate(steps, 1):
        options = rest[0] if rest else {}
        below = _conv(net, f"{name}_{number}", below, filters, kernel, **options)
    return below


def _module(net: Graph, name: str, below: str, branches: list[Branch], pool: int | None) -> str:
    """Parallel branches and, with ``pool`` filters, a 3x3 average followed by 1x1."""
    ends = [_branch(net, f"{name}/{n}", below, steps) for n, steps in enumerate(branches, 1)]
    if pool is not None:
        average = net.avgpool(f"{name}/avgpool", below, 3, stride=1, padding=1)
        ends.append(_conv(net, f"{name}/pool_proj", average, pool, 1))
    return net.concat(name, *ends)


def _reduction(net: Graph, name: str, below: str, branches: list[Branch]) -> str:
    """Branches that end with stride 2 beside a 3x3/2 max-pooling."""
    ends = [_branch(net, f"{name}/{n}", below, steps) for n, steps in enumerate(branches, 1)]
    return net.concat(name, *ends, net.maxpool(f"{name}/maxpool", below, 3, stride=2))


def _forked(net: Graph, name: str, below: str, filters: int) -> tuple[str, str]:
    """The 1x3 and 3x1 pair that ends a branch of the last modules."""
    return (
        _conv(net, f"{name}_1x3", below, filters, (1, 3)),
        _conv(net, f"{name}_3x1", below, filters, (3, 1)),
    )


_HALVE = {"stride": 2, "padding": 0}
_VALID = {"padding": 0}


def inception_v3() -> Architecture:
    """Szegedy et al., "Rethinking the Inception architecture" (CVPR 2016), Table 1, Figures 5 to 7, 10.

    The table leaves details open; they are those of the authors' released network (TF-slim), which
    replaces the table's conv 3x3/2 at 71 x 71 by a 3x3 convolution and a 3x3/2 max-pooling.  The
    auxiliary classifier, used in training only, is left out.
    """
    net = Graph((3, 299, 299))
    at = _branch(net, "conv1", "input", ((32, 3, _HALVE), (32, 3, _VALID), (64, 3)))
    at = net.maxpool("pool1", at, 3, stride=2)
    at = _branch(net, "conv2", at, ((80, 1), (192, 3, _VALID)))
    at = net.maxpool("pool2", at, 3, stride=2)
    for name, pool in (("5b", 32), ("5c", 64), ("5d", 64)):
        five: Branch = ((48, 1), (64, 5))
        at = _module(net, name, at, [((64, 1),), five, ((64, 1), (96, 3), (96, 3))], pool)
    at = _reduction(net, "6a", at, [((384, 3, _HALVE),), ((64, 1), (96, 3), (96, 3, _HALVE))])
    for name, c in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        short: Branch = ((c, 1), (c, (1, 7)), (192, (7, 1)))
        long: Branch = ((c, 1), (c, (7, 1)), (c, (1, 7)), (c, (7, 1)), (192, (1, 7)))
        at = _module(net, name, at, [((192, 1),), short, long], 192)
    seven: Branch = ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, _HALVE))
    at = _reduction(net, "7a", at, [((192, 1), (320, 3, _HALVE)), seven])
    for name in ("7b", "7c"):
        straight = _conv(net, f"{name}/1", at, 320, 1)
        short_fork = _forked(net, f"{name}/2", _branch(net, f"{name}/2", at, ((384, 1),)), 384)
        long_fork = _forked(net, f"{name}/3", _branch(net, f"{name}/3", at, ((448, 1), (384, 3))), 384)
        average = net.avgpool(f"{name}/avgpool", at, 3, stride=1, padding=1)
        projected = _conv(net, f"{name}/pool_proj", average, 192, 1)
        at = net.concat(name, straight, *short_fork, *long_fork, projected)
    at = net.dense("fc", net.global_average("avgpool", at), 1000)
    source = "Szegedy et al. 2016 (arXiv 1512.00567), Table 1, and its released network"
    return Architecture("inception-v3", "InceptionV3", source, net, (at,))


def inception_v4() -> Architecture:
    """Szegedy et al., "Inception-v4, Inception-ResNet" (AAAI 2017), Figures 3 to 9."""
    net = Graph((3, 299, 299))
    # Figure 3, the stem; "V" in the figure: no padding.
    at = _branch(net, "stem1", "input", ((32, 3, _HALVE), (32, 3, _VALID), (64, 3)))
    pooled = net.maxpool("stem2/maxpool", at, 3, stride=2)
    at = net.concat("stem2", pooled, _conv(net, "stem2/conv", at, 96, 3, **_HALVE))
    wide: Branch = ((64, 1), (64, (7, 1)), (64, (1, 7)), (96, 3, _VALID))
    at = _module(net, "stem3", at, [((64, 1), (96, 3, _VALID)), wide], None)
    strided = _conv(net, "stem4/conv", at, 192, 3, **_HALVE)
    at = net.concat("stem4", strided, net.maxpool("stem4/maxpool", at, 3, stride=2))
    for n in range(1, 5):  # Figure 4
        branches: list[Branch] = [((96, 1),), ((64, 1), (96, 3)), ((64, 1), (96, 3), (96, 3))]
        at = _module(net, f"A{n}", at, branches, 96)
    # Figure 7 with k, l, m, n = 192, 224, 256, 384 of Table 1.
    at = _reduction(net, "reduction_A", at, [((384, 3, _HALVE),), ((192, 1), (224, 3), (256, 3, _HALVE))])
    for n in range(1, 8):  # Figure 5
        short: Branch = ((192, 1), (224, (1, 7)), (256, (7, 1)))
        long: Branch = ((192, 1), (192, (1, 7)), (224, (7, 1)), (224, (1, 7)), (256, (7, 1)))
        at = _module(net, f"B{n}", at, [((384, 1),), short, long], 128)
    seven: Branch = ((256, 1), (256, (1, 7)), (320, (7, 1)), (320, 3, _HALVE))
    at = _reduction(net, "reduction_B", at, [((192, 1), (192, 3, _HALVE)), seven])  # Figure 8
    for n in range(1, 4):  # Figure 6
        name = f"C{n}"
        straight = _conv(net, f"{name}/1", at, 256, 1)
        short_fork = _forked(net, f"{name}/2", _branch(net, f"{name}/2", at, ((384, 1),)), 256)
        below = _branch(net, f"{name}/3", at, ((384, 1), (448, (1, 3)), (512, (3, 1))))
        long_fork = _forked(net, f"{name}/3", below, 256)
        average = net.avgpool(f"{name}/avgpool", at, 3, stride=1, padding=1)
        projected = _conv(net, f"{name}/pool_proj", average, 256, 1)
        at = net.concat(name, straight, *short_fork, *long_fork, projected)
    at = net.dense("fc", net.global_average("avgpool", at), 1000)
    source = "Szegedy et al. 2017 (arXiv 1602.07261), Figures 3 to 9, Table 1"
    return Architecture("inception-v4", "InceptionV4", source, net, (at,))
