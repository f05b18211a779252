"""Table 1: the widths of well-known architectures against the number of ImageNet's training images.

Claim.  VGG A to E, InceptionV3 and V4, SqueezeNet, ENet, GoogLeNet, ResNet and Xception have at least the widths n_1
and max n_k of the table, so that many of them have a layer with n_k >= N, N ~ 1200K (N = 1,281,167 exactly).

Checked here: both widths are computed from layer-by-layer definitions (`exactcnn audit`) and compared with the printed
ones, the first layers once more through a network of exactcnn; and who really reaches N.  Xception does, though the
table prints 700K for it; SqueezeNet reaches the rounded N only, GoogLeNet, ResNet and ENet do not reach it.
Assumption 2.4 is decided for their layers by the rules of `exactcnn audit`, which have no certificates; the
same windows on small inputs are certified here, those where it fails too.
"""

from typing import Any

from exactcnn import Network, verify
from exactcnn.audit import ARCHITECTURES, audit
from proofs_checks._instances import conv, dense, network, random_rows
from proofs_checks._script import Script, main

N = 1_281_167
# (n_1, max n_k) in thousands, as the paper prints them; "all numbers are lower bounds".
PRINTED = {
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
# Where the printed max n_k is far below the width.
FAR_BELOW = {"xception"}
REACHES_N = {*(f"vgg-{column}" for column in "abcde"), "inception-v3", "inception-v4", "xception"}

# First layers, written down a second time: input pixels, then the layers up to the one compared.
STEMS: dict[str, tuple[int, list[dict[str, Any]]]] = {
    "vgg-a": (224, [conv(64, "relu", kernel=3, padding=1)]),
    "inception-v3": (
        299,
        [
            conv(32, "relu", kernel=3, stride=2),
            conv(32, "relu", kernel=3),
            conv(64, "relu", kernel=3, padding=1),
        ],
    ),
    "squeezenet": (227, [conv(96, "relu", kernel=7, stride=2)]),
    "googlenet": (224, [conv(64, "relu", kernel=7, stride=2, padding=3)]),
    "resnet-50": (224, [conv(64, "relu", kernel=7, stride=2, padding=3)]),
    "xception": (299, [conv(32, "relu", kernel=3, stride=2), conv(64, "relu", kernel=3)]),
}


def blank(net: Network) -> list[list[int]]:
    return [[0] * net.input_size]


def checks(script: Script) -> None:
    found = {name: audit(ARCHITECTURES[name]()) for name in PRINTED}
    script.heading("Both columns, computed")
    for name, printed in PRINTED.items():
        architecture = found[name].architecture
        widths = (architecture.first.width, architecture.widest.width)
        pairs = list(zip(widths, (1000 * thousands for thousands in printed), strict=True))
        shown = ", ".join(f"{width:,} (printed {bound // 1000}K)" for width, bound in pairs)
        script.fact(
            f"{name}: n_1 and max n_k are at least what is printed", all(w >= b for w, b in pairs), shown
        )
        near = [10 * width < 11 * bound for width, bound in pairs]
        if name in FAR_BELOW:
            script.fact("  max n_k is far above it: the table understates it", near == [True, False])
        else:
            script.fact("  and within a tenth above it", all(near))
        verdict = found[name].verdict
        script.fact("  no difference without an explanation", verdict in ("as printed", "explained"), verdict)

    script.heading("The first layers, through another program")
    for name, (pixels, layers) in STEMS.items():
        net = network([3, pixels, pixels], *layers)
        nodes = [node for node in found[name].architecture.graph.nodes if node.kind == "conv"]
        audited = tuple(node.width for node in nodes[: len(layers)])
        script.fact(
            f"{name}: layers 1 to {len(layers)}", net.widths[1:] == audited, f"{net.widths[1:]} and {audited}"
        )

    script.heading(f"Who has a hidden layer with n_k >= N = {N:,}")
    for name in PRINTED:
        entry = found[name]
        widest = entry.architecture.widest_weighted
        shown = f"{widest.name}: {widest.width:,}"
        if name in REACHES_N:
            script.fact(f"{name} does", entry.reaches_n and widest.width >= N, shown)
        else:
            script.fact(f"{name} does not: F_k never has rank N", not entry.reaches_n and widest.width < N, shown,
                        hypothesis="n_k >= N")  # fmt: skip
    narrow = network([1, 5, 5], conv(3, "relu", kernel=3), dense(8, "relu"), dense(2))
    script.counterexample(
        "n_k >= N",
        "in small: 28 samples, n_1 = 27: no parameters give rank F_1 = N",
        verify(narrow, random_rows(0, 28, 25), statements="theorem-3.4", layer=1),
    )

    script.heading("Assumption 2.4 for convolutions of these architectures")
    for name in PRINTED:
        entry = found[name]
        proved, refuted, undecided = (
            len(entry.layers(verdict)) for verdict in ("proved", "refuted", "undecided")
        )
        strided = name.startswith("resnet") or name == "xception"
        script.fact(
            f"{name}: " + ("fails for its 1 x 1 shortcuts of stride 2" if strided else "holds for all"),
            undecided == 0 and bool(refuted) == strided and proved > 0,
            f"{proved} hold, {refuted} fail",
        )
    small = {
        "3 x 3, padding 1, 3 channels, 64 filters, on 8 x 8 (VGG)": ([3, 8, 8], conv(64, "relu", kernel=3, padding=1)),
        "7 x 7, stride 2, padding 3, 64 filters, on 12 x 12 (ResNet, GoogLeNet)": (
            [3, 12, 12], conv(64, "relu", kernel=7, stride=2, padding=3)),
        "1 x 1, 8 channels to 4 filters, on 5 x 5 (SqueezeNet's squeeze)": ([8, 5, 5], conv(4, "relu", kernel=1)),
    }  # fmt: skip
    for words, (shape, layer) in small.items():
        net = network(shape, layer)
        script.expect(words, verify(net, blank(net), statements="assumption-2.4"))
    shortcut = network([4, 6, 6], conv(8, "relu", kernel=1, stride=2))
    script.counterexample(
        "every neuron is in a patch",
        "1 x 1 of stride 2, 4 channels to 8 filters, on 6 x 6 (ResNet's shortcut): three in four neurons are unread",
        verify(shortcut, blank(shortcut), statements="assumption-2.4"),
    )
    script.counterexample(
        "every neuron is in a patch",
        "  and `structure` says so",
        verify(shortcut, blank(shortcut), statements="structure"),
    )


if __name__ == "__main__":
    main(checks)
