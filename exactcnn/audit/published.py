"""Floor 5: what was printed: the paper's Table 1 and Figure 1, parameter totals, known differences.

Nothing here is computed and nothing computed comes from here: ``compare`` holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exactcnn.audit.architecture import Architecture
from exactcnn.audit.googlenet import googlenet, squeezenet
from exactcnn.audit.inception import inception_v3, inception_v4
from exactcnn.audit.modern import convnext_t, efficientnet_b0, mobilenet_v2, vit_b_16
from exactcnn.audit.plain import figure_1, vgg
from exactcnn.audit.residual import enet, resnet, xception

__all__ = ["ARCHITECTURES", "EXPLANATIONS", "FIGURE_1", "PARAMETERS", "TABLE_1", "Explanation"]

ARCHITECTURES: dict[str, Callable[[], Architecture]] = {
    "vgg-a": lambda: vgg("A"),
    "vgg-b": lambda: vgg("B"),
    "vgg-c": lambda: vgg("C"),
    "vgg-d": lambda: vgg("D"),
    "vgg-e": lambda: vgg("E"),
    "inception-v3": inception_v3,
    "inception-v4": inception_v4,
    "squeezenet": squeezenet,
    "enet": enet,
    "googlenet": googlenet,
    "resnet-50": lambda: resnet(50),
    "resnet-152": lambda: resnet(152),
    "xception": xception,
    "convnext-t": convnext_t,
    "efficientnet-b0": efficientnet_b0,
    "mobilenet-v2": mobilenet_v2,
    "vit-b-16": vit_b_16,
    "figure-1": figure_1,
}

# Table 1 of Nguyen and Hein 2018: n_1 and max n_k in thousands, given there as lower bounds, beside
# N ~ 1200K.  One row stands for VGG A to E, one for ResNet.
TABLE_1: dict[str, tuple[int, int]] = {
    **{f"vgg-{column}": (3000, 3000) for column in "abcde"},
    "inception-v3": (700, 1300),
    "inception-v4": (700, 1300),
    "squeezenet": (1180, 1180),
    "enet": (1000, 1000),
    "googlenet": (800, 800),
    "resnet-50": (800, 800),
    "resnet-152": (800, 800),
    "xception": (700, 700),
}

# The widths written into Figure 1, input and output included.
FIGURE_1: tuple[int, ...] = (784, 67_600, 16_900, 2_880, 720, 100, 10)

# Trained parameters as published with the networks' programs: they check the definitions.
PARAMETERS: dict[str, tuple[int, str]] = {
    "vgg-a": (132_863_336, "torchvision vgg11"),
    "vgg-b": (133_047_848, "torchvision vgg13"),
    "vgg-d": (138_357_544, "torchvision vgg16"),
    "vgg-e": (143_667_240, "torchvision vgg19"),
    "inception-v3": (23_834_568, "torchvision inception_v3 without the auxiliary classifier"),
    "inception-v4": (42_679_816, "Keras and timm, inception_v4"),
    "squeezenet": (1_248_424, "torchvision squeezenet1_0"),
    "googlenet": (6_998_552, "Caffe bvlc_googlenet without auxiliary classifiers"),
    "resnet-50": (25_557_032, "torchvision resnet50"),
    "resnet-152": (60_192_808, "torchvision resnet152"),
    "xception": (22_855_952, "Keras Xception, trainable"),
    "convnext-t": (28_589_128, "torchvision convnext_tiny"),
    "efficientnet-b0": (5_288_548, "torchvision efficientnet_b0"),
    "mobilenet-v2": (3_504_872, "torchvision mobilenet_v2"),
}


@dataclass(frozen=True)
class Explanation:
    """Why ``architecture``'s computed ``quantity`` is ``computed`` and not what was printed.

    It holds for that very number: another one is a new difference, not explained.
    """

    architecture: str
    quantity: str
    computed: int
    text: str


EXPLANATIONS: tuple[Explanation, ...] = (
    Explanation(
        "xception",
        "max n_k",
        2_765_952,
        "the table prints the first layer's 700K for both columns. It is a valid lower bound, but the "
        "second convolution, 147 x 147 x 64 = 1,382,976, and the first separable one, 147 x 147 x 128, are "
        "wider than N = 1,281,167: Xception does have a layer with n_k >= N",
    ),
)
