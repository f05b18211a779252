"""Floor 5: chains of convolution and pooling: VGG A to E, and the network of the paper's Figure 1."""

from __future__ import annotations

from exactcnn.audit.architecture import MNIST, Architecture
from exactcnn.audit.graph import Graph

__all__ = ["figure_1", "vgg"]

# Simonyan and Zisserman, "Very deep convolutional networks" (ICLR 2015), Table 1, columns A to E:
# blocks of (filters, kernel), a 2x2 max-pooling after each; input 224 x 224 (section 2.1).
_VGG: dict[str, tuple[tuple[tuple[int, int], ...], ...]] = {
    "A": (((64, 3),), ((128, 3),), ((256, 3),) * 2, ((512, 3),) * 2, ((512, 3),) * 2),
    "B": (((64, 3),) * 2, ((128, 3),) * 2, ((256, 3),) * 2, ((512, 3),) * 2, ((512, 3),) * 2),
    "C": (
        ((64, 3),) * 2,
        ((128, 3),) * 2,
        ((256, 3), (256, 3), (256, 1)),
        ((512, 3), (512, 3), (512, 1)),
        ((512, 3), (512, 3), (512, 1)),
    ),
    "D": (((64, 3),) * 2, ((128, 3),) * 2, ((256, 3),) * 3, ((512, 3),) * 3, ((512, 3),) * 3),
    "E": (((64, 3),) * 2, ((128, 3),) * 2, ((256, 3),) * 4, ((512, 3),) * 4, ((512, 3),) * 4),
}


def vgg(column: str) -> Architecture:
    """VGG ``column`` of A, B, C, D (VGG-16), E (VGG-19); 3x3 kernels with padding 1, biases."""
    net = Graph((3, 224, 224))
    at = "input"
    for block, convolutions in enumerate(_VGG[column], 1):
        for number, (filters, kernel) in enumerate(convolutions, 1):
            at = net.conv(f"conv{block}_{number}", at, filters, kernel, padding=kernel // 2)
        at = net.maxpool(f"pool{block}", at, 2)
    for number, units in enumerate((4096, 4096, 1000), 6):
        at = net.dense(f"fc{number}", at, units)
    source = f"Simonyan and Zisserman 2015 (arXiv 1409.1556), Table 1, column {column}"
    return Architecture(f"vgg-{column.lower()}", f"VGG {column}", source, net, (at,))


def figure_1() -> Architecture:
    """The paper's own example: 100 filters 3x3 on 28x28, pooling, 20 filters 2x2, pooling, dense 100, 10.

    Odd extents before pooling lose no row: 13 x 13 x 100 = 16900 is 26/2, and 12 x 12 x 20 = 2880 is
    halved to 6 x 6 x 20 = 720.
    """
    net = Graph((1, 28, 28))
    at = net.maxpool("pool1", net.conv("conv1", "input", 100, 3), 2)
    at = net.maxpool("pool2", net.conv("conv2", at, 20, 2), 2)
    at = net.dense("fc2", net.dense("fc1", at, 100), 10)
    source = "Nguyen and Hein 2018 (arXiv 1710.10928), Figure 1"
    return Architecture("figure-1", "Figure 1", source, net, (at,), MNIST)
