"""Floor 5: architectures published after the paper: MobileNetV2, EfficientNet-B0, ConvNeXt-T, ViT-B/16."""

from __future__ import annotations

from typing import Any

from exactcnn.audit.architecture import Architecture
from exactcnn.audit.graph import Graph

__all__ = ["convnext_t", "efficientnet_b0", "mobilenet_v2", "vit_b_16"]

_BN: dict[str, Any] = {"bias": False, "norm": "batch"}


def _inverted_residual(
    net: Graph, name: str, at: str, expansion: int, kernel: int, out: int, stride: int, excite: bool
) -> str:
    """1x1 expansion, depthwise, (squeeze and excitation), 1x1 projection; added where shapes allow."""
    channels = net[at].above.channels
    inner = at
    if expansion != 1:
        inner = net.conv(f"{name}/expand", inner, expansion * channels, 1, **_BN)
    inner = net.depthwise(f"{name}/depthwise", inner, kernel, stride=stride, padding=kernel // 2, **_BN)
    if excite:
        # A quarter of the channels *below* the block (Tan and Le's own network).
        average = net.global_average(f"{name}/squeeze", inner)
        reduced = net.dense(f"{name}/reduce", average, channels // 4)
        factors = net.dense(f"{name}/excite", reduced, net[inner].above.channels)
        inner = net.scale(f"{name}/scale", inner, factors)
    inner = net.conv(f"{name}/project", inner, out, 1, **_BN)
    return net.add(name, at, inner) if stride == 1 and channels == out else inner


def mobilenet_v2() -> Architecture:
    """Sandler et al., "MobileNetV2" (CVPR 2018), Table 2; input 224 x 224, padding 1 on both sides."""
    net = Graph((3, 224, 224))
    at = net.conv("conv1", "input", 32, 3, stride=2, padding=1, **_BN)
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2))
    for stage, (t, c, n, s) in enumerate((*table, (6, 320, 1, 1)), 1):
        for block in range(1, n + 1):
            name = f"bottleneck{stage}_{block}"
            at = _inverted_residual(net, name, at, t, 3, c, s if block == 1 else 1, False)
    at = net.conv("conv2", at, 1280, 1, **_BN)
    at = net.dense("fc", net.global_average("avgpool", at), 1000)
    source = "Sandler et al. 2018 (arXiv 1801.04381), Table 2"
    return Architecture("mobilenet-v2", "MobileNetV2", source, net, (at,))


def efficientnet_b0() -> Architecture:
    """Tan and Le, "EfficientNet" (ICML 2019), Table 1; input 224 x 224.

    Strides stand in the first block of a stage.  (The table lists the resolution *entering* a stage.)
    """
    net = Graph((3, 224, 224))
    at = net.conv("stem", "input", 32, 3, stride=2, padding=1, **_BN)
    table = ((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2), (6, 5, 112, 3, 1))
    for stage, (e, k, c, n, s) in enumerate((*table, (6, 5, 192, 4, 2), (6, 3, 320, 1, 1)), 2):
        for block in range(1, n + 1):
            name = f"stage{stage}_{block}"
            at = _inverted_residual(net, name, at, e, k, c, s if block == 1 else 1, True)
    at = net.conv("head", at, 1280, 1, **_BN)
    at = net.dense("fc", net.global_average("avgpool", at), 1000)
    source = "Tan and Le 2019 (arXiv 1905.11946), Table 1"
    return Architecture("efficientnet-b0", "EfficientNet-B0", source, net, (at,))


def convnext_t() -> Architecture:
    """Liu et al., "A ConvNet for the 2020s" (CVPR 2022), Table 9 (ConvNeXt-T) and Figure 4; input 224 x 224.

    Layer norm after the stem, before each downsampling and before the classifier, and after every
    depthwise convolution; a trained scale per channel ends a block.
    """
    net = Graph((3, 224, 224))
    at = net.conv("stem", "input", 96, 4, stride=4, norm="layer")
    stages = ((96, 3), (192, 3), (384, 9), (768, 3))
    for stage, (width, blocks) in enumerate(stages, 1):
        if stage > 1:
            at = net.conv(f"downsample{stage}", at, width, 2, stride=2)
        for block in range(1, blocks + 1):
            name = f"stage{stage}_{block}"
            inner = net.depthwise(f"{name}/depthwise", at, 7, padding=3, norm="layer")
            inner = net.conv(f"{name}/expand", inner, 4 * width, 1)
            inner = net.conv(f"{name}/project", inner, width, 1, extra=width)  # the layer scale
            # The norm before the next downsampling, counted with the block it follows.
            norm = 2 * width if block == blocks and stage < len(stages) else 0
            at = net.add(name, at, inner, extra=norm)
    at = net.dense("fc", net.global_average("avgpool", at, extra=2 * 768), 1000)
    source = "Liu et al. 2022 (arXiv 2201.03545), Table 9"
    return Architecture("convnext-t", "ConvNeXt-T", source, net, (at,))


def vit_b_16() -> Architecture:
    """Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021), section 3.1, Table 1 (Base, P = 16).

    The linear map of flattened 16x16 patches is a convolution with 768 filters 16x16 and stride 16.
    What follows, attention, is none of the paper's layers and is not described.
    """
    net = Graph((3, 224, 224))
    net.conv("patch_embedding", "input", 768, 16, stride=16)
    source = "Dosovitskiy et al. 2021 (arXiv 2010.11929), equation 1, Table 1"
    remark = "Only the patch embedding is described: attention is none of the paper's layers"
    return Architecture("vit-b-16", "ViT-B/16", source, net, (), remark=remark)
