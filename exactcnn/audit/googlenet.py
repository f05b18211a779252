"""Floor 5: GoogLeNet and SqueezeNet: modules whose branches are concatenated, no batch norm."""

from __future__ import annotations

from exactcnn.audit.architecture import Architecture
from exactcnn.audit.graph import Graph

__all__ = ["googlenet", "squeezenet"]

# Columns #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj of GoogLeNet's Table 1; None: a
# 3x3/2 max-pooling.
_INCEPTION: dict[str, tuple[int, int, int, int, int, int] | None] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "pool3": None,
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "pool4": None,
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet() -> Architecture:
    """Szegedy et al., "Going deeper with convolutions" (CVPR 2015), Table 1; input 224 x 224.

    Biases, no batch norm, poolings in ceil mode (they must be: 112 -> 56 -> 28 -> 14 -> 7).  The two
    auxiliary classifiers, used in training only, are left out.
    """
    net = Graph((3, 224, 224))
    at = net.conv("conv1", "input", 64, 7, stride=2, padding=3)
    at = net.maxpool("pool1", at, 3, stride=2, ceil=True)
    at = net.conv("conv2_reduce", at, 64, 1)
    at = net.conv("conv2", at, 192, 3, padding=1)
    at = net.maxpool("pool2", at, 3, stride=2, ceil=True)
    for name, widths in _INCEPTION.items():
        if widths is None:
            at = net.maxpool(name, at, 3, stride=2, ceil=True)
            continue
        one, reduce3, three, reduce5, five, projection = widths
        branches = [
            net.conv(f"{name}/1x1", at, one, 1),
            net.conv(f"{name}/3x3", net.conv(f"{name}/3x3_reduce", at, reduce3, 1), three, 3, padding=1),
            net.conv(f"{name}/5x5", net.conv(f"{name}/5x5_reduce", at, reduce5, 1), five, 5, padding=2),
            net.conv(
                f"{name}/pool_proj",
                net.maxpool(f"{name}/pool", at, 3, stride=1, padding=1),
                projection,
                1,
            ),
        ]
        at = net.concat(name, *branches)
    at = net.dense("fc", net.global_average("pool5", at), 1000)
    source = "Szegedy et al. 2015 (arXiv 1409.4842), Table 1"
    return Architecture("googlenet", "GoogLeNet", source, net, (at,))


def squeezenet(pixels: int = 227) -> Architecture:
    """Iandola et al., "SqueezeNet" (2016), Table 1, version 1.0.

    The table says input 224 and conv1 111 x 111; a 7x7/2 window without padding gives 111 from 227
    pixels, which the authors' Caffe model crops to, and 109 from 224, where the last row and column
    are in no window.
    """
    net = Graph((3, pixels, pixels))
    at = net.conv("conv1", "input", 96, 7, stride=2)
    fires = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192)}
    fires |= {8: (64, 256), 9: (64, 256)}
    for number, (squeeze, expand) in fires.items():
        if number in (2, 5, 9):
            at = net.maxpool(f"maxpool{number - 1}", at, 3, stride=2, ceil=True)
        name = f"fire{number}"
        at = net.conv(f"{name}/squeeze1x1", at, squeeze, 1)
        left = net.conv(f"{name}/expand1x1", at, expand, 1)
        right = net.conv(f"{name}/expand3x3", at, expand, 3, padding=1)
        at = net.concat(name, left, right)
    at = net.global_average("avgpool10", net.conv("conv10", at, 1000, 1))
    source = f"Iandola et al. 2016 (arXiv 1602.07360), Table 1 (version 1.0, {pixels} x {pixels})"
    remark = "Taken at 227 x 227 pixels, from which conv1 has the 111 x 111 places of the authors' table"
    return Architecture(
        "squeezenet", "SqueezeNet", source, net, (at,), remark=remark if pixels == 227 else None
    )
