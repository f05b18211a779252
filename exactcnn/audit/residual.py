"""Floor 5: networks with additions: ResNet-50 and 152, Xception, ENet."""

from __future__ import annotations

from typing import Any

from exactcnn.audit.architecture import Architecture
from exactcnn.audit.graph import Graph

__all__ = ["enet", "resnet", "xception"]

_BN: dict[str, Any] = {"bias": False, "norm": "batch"}


def resnet(depth: int) -> Architecture:
    """He et al., "Deep residual learning" (CVPR 2016), Table 1, columns 50-layer and 152-layer.

    Input 224 x 224, projection shortcuts where the shape changes (option B), stride 2 in the first
    1x1 convolution of conv3_1, conv4_1, conv5_1 as in the authors' network (torchvision moves it to
    the 3x3 one; parameters are the same).  Convolutions without biases, batch norm.
    """
    repeats = {50: (3, 4, 6, 3), 152: (3, 8, 36, 3)}[depth]
    net = Graph((3, 224, 224))
    at = net.conv("conv1", "input", 64, 7, stride=2, padding=3, **_BN)
    at = net.maxpool("pool1", at, 3, stride=2, padding=1)
    for stage, blocks in enumerate(repeats, 2):
        width = 64 * 2 ** (stage - 2)
        for block in range(1, blocks + 1):
            name = f"conv{stage}_{block}"
            stride = 2 if block == 1 and stage > 2 else 1
            inner = net.conv(f"{name}/a", at, width, 1, stride=stride, **_BN)
            inner = net.conv(f"{name}/b", inner, width, 3, padding=1, **_BN)
            inner = net.conv(f"{name}/c", inner, 4 * width, 1, **_BN)
            if block == 1:
                at = net.conv(f"{name}/projection", at, 4 * width, 1, stride=stride, **_BN)
            at = net.add(name, at, inner)
    at = net.dense("fc", net.global_average("avgpool", at), 1000)
    source = f"He et al. 2016 (arXiv 1512.03385), Table 1, {depth}-layer"
    return Architecture(f"resnet-{depth}", f"ResNet-{depth}", source, net, (at,))


def _separable(net: Graph, name: str, below: str, filters: int) -> str:
    """Depthwise 3x3, then 1x1; batch norm after the pair only."""
    below = net.depthwise(f"{name}/depthwise", below, 3, padding="same", bias=False)
    return net.conv(f"{name}/pointwise", below, filters, 1, **_BN)


def xception() -> Architecture:
    """Chollet, "Xception" (CVPR 2017), Figure 5; input 299 x 299, "same" padding from block 2 on."""
    net = Graph((3, 299, 299))
    at = net.conv("block1_conv1", "input", 32, 3, stride=2, **_BN)
    at = net.conv("block1_conv2", at, 64, 3, **_BN)
    entry = {2: (128, 128), 3: (256, 256), 4: (728, 728)}
    for block, filters in (*entry.items(), *((n, (728, 728, 728)) for n in range(5, 13)), (13, (728, 1024))):
        name, inner, strided = f"block{block}", at, len(filters) == 2
        for number, width in enumerate(filters, 1):
            inner = _separable(net, f"{name}_sepconv{number}", inner, width)
        if strided:
            inner = net.maxpool(f"{name}_pool", inner, 3, stride=2, padding="same")
            at = net.conv(f"{name}_shortcut", at, filters[-1], 1, stride=2, padding="same", **_BN)
        at = net.add(name, at, inner)
    at = _separable(net, "block14_sepconv1", at, 1536)
    at = _separable(net, "block14_sepconv2", at, 2048)
    at = net.dense("fc", net.global_average("avgpool", at), 1000)
    source = "Chollet 2017 (arXiv 1610.02357), Figure 5"
    return Architecture("xception", "Xception", source, net, (at,))


def _enet_block(net: Graph, name: str, at: str, out: int, inner: str, how: str) -> str:
    """The common end of ENet's bottlenecks: expansion, sum, PReLU (one slope per channel)."""
    inner = net.conv(f"{name}/expand", inner, out, 1, **_BN)
    shape = net[at].above
    if how == "down":
        at = net.pad(f"{name}/pad", net.maxpool(f"{name}/maxpool", at, 2), out)
    elif how == "up":
        at = net.conv(f"{name}/main", at, out, 1, **_BN)
        at = net.unpool(f"{name}/unpool", at, (2 * shape.extents[0], 2 * shape.extents[1]))
    return net.add(name, at, inner, extra=out)


def _enet_bottleneck(net: Graph, name: str, at: str, out: int, how: str, size: int = 1) -> str:
    """``how``: regular, dilated, asymmetric, down or up; ``size`` is the dilation or the long kernel."""
    width = out // 4
    shape = net[at].above
    slopes: dict[str, Any] = {"norm": "batch", "extra": width}
    first = 2 if how == "down" else 1
    inner = net.conv(f"{name}/project", at, width, first, stride=first, bias=False, **slopes)
    if how == "asymmetric":
        inner = net.conv(f"{name}/conv_a", inner, width, (size, 1), padding="same", bias=False)
        inner = net.conv(f"{name}/conv_b", inner, width, (1, size), padding="same", **slopes)
    elif how == "up":
        above = (2 * shape.extents[0], 2 * shape.extents[1])
        inner = net.transposed(f"{name}/deconv", inner, width, 3, stride=2, padding=1, above=above, **slopes)
    else:
        inner = net.conv(f"{name}/conv", inner, width, 3, padding="same", dilation=size, **slopes)
    return _enet_block(net, name, at, out, inner, how)


def enet(classes: int = 19) -> Architecture:
    """Paszke et al., "ENet" (2016), Table 1 and Figure 2; the table's example input 512 x 512.

    Projections are to a quarter of the output's channels.  ``classes`` is the table's C, 19 for
    Cityscapes; it changes only the output layer C x 512 x 512.
    """
    net = Graph((3, 512, 512))
    left = net.conv("initial/conv", "input", 13, 3, stride=2, padding=1)
    at = net.concat("initial", left, net.maxpool("initial/maxpool", "input", 2), norm="batch", extra=16)
    at = _enet_bottleneck(net, "bottleneck1.0", at, 64, "down")
    for n in range(1, 5):
        at = _enet_bottleneck(net, f"bottleneck1.{n}", at, 64, "regular")
    at = _enet_bottleneck(net, "bottleneck2.0", at, 128, "down")
    half = (("regular", 1), ("dilated", 2), ("asymmetric", 5), ("dilated", 4))
    section = (*half, ("regular", 1), ("dilated", 8), ("asymmetric", 5), ("dilated", 16))
    for stage in (2, 3):
        for n, (how, size) in enumerate(section, 1 if stage == 2 else 0):
            at = _enet_bottleneck(net, f"bottleneck{stage}.{n}", at, 128, how, size)
    for stage, out, regular in ((4, 64, 2), (5, 16, 1)):
        at = _enet_bottleneck(net, f"bottleneck{stage}.0", at, out, "up")
        for n in range(1, regular + 1):
            at = _enet_bottleneck(net, f"bottleneck{stage}.{n}", at, out, "regular")
    at = net.transposed("fullconv", at, classes, 2, stride=2, padding=0, above=(512, 512))
    source = f"Paszke et al. 2016 (arXiv 1606.02147), Table 1 (512 x 512, C = {classes})"
    return Architecture("enet", "ENet", source, net, (at,))
