"""Figure 1: the paper's example network on MNIST.

Claim.  100 filters 3 x 3 on 28 x 28 images, 2 x 2 pooling, 20 filters 2 x 2, 2 x 2 pooling, dense 100, dense 10 has
the widths 784 -> 67600 -> 16900 -> 2880 -> 720 -> 100 -> 10, and n_1 = 67600 >= N = 60000: the width condition holds.

Checked here: the widths; Assumption 2.4 for the wide layer; that the network violates Assumption 4.1 (pooling), so
that Section 4 does not speak of it.  The same network cut down to the embedded 8 x 8 digits has rank F_1 = N, though
Assumption 3.1 fails on real images.  With --full --mnist FILE: rank F_1 = 60,000 for almost every parameter on
all of MNIST, and Assumption 3.1 refuted there.
Without width, biases per unit or different images the conclusion fails.
"""

from exactcnn import Network, load_data, samples, verify
from proofs_checks._instances import conv, dense, network, pool
from proofs_checks._script import Script, main

WIDTHS = (784, 67600, 16900, 2880, 720, 100, 10)
MNIST_TRAINING_IMAGES = 60_000


def figure_1(shape: list[int], filters: int = 100, bias: str = "unit") -> Network:
    return network(
        shape,
        conv(filters, "sigmoid", kernel=3, bias=bias),
        pool(kernel=2),
        conv(20, "sigmoid", kernel=2),
        pool(kernel=2),
        dense(100, "sigmoid"),
        dense(10),
    )


def checks(script: Script) -> None:
    net = figure_1([1, 28, 28])
    script.heading("The network")
    script.fact("its widths are the paper's", net.widths == WIDTHS, " -> ".join(map(str, net.widths)))
    script.fact(
        "n_1 >= N for MNIST's 60,000 training images",
        net.widths[1] >= MNIST_TRAINING_IMAGES,
        f"n_1 = {net.widths[1]}",
    )
    blank = [[0] * 784]
    script.expect(
        "Assumption 2.4 for the wide layer", verify(net, blank, statements="assumption-2.4", layer=1)
    )
    script.expect("its activations satisfy Assumption 3.2", verify(net, blank, statements="assumption-3.2"))
    script.expect("patches cover the neurons and differ", verify(net, blank, statements="structure"))
    script.expect(
        "Assumption 4.1 fails whatever the data: pooling above the wide layer",
        verify(net, blank, statements="assumption-4.1"),
        "refuted",
    )

    script.heading("The same network on the embedded 8 x 8 digits")
    digits = load_data("digits", samples=800)
    small = figure_1([1, 8, 8])
    script.expect(
        "800 digits, n_1 = 3,600: rank F_1 = N almost everywhere",
        verify(small, digits, statements="theorem-3.5", layer=1),
    )
    script.counterexample(
        "Assumption 3.1", "real images share patches: the theorem itself does not apply, the conclusion holds",
        verify(small, digits, statements="assumption-3.1"),
    )  # fmt: skip

    script.heading("Each condition dropped")
    narrow = figure_1([1, 8, 8], filters=22)
    script.counterexample(
        "n_1 >= N",
        f"22 filters: n_1 = {narrow.widths[1]} < 800",
        verify(narrow, digits, statements="theorem-3.5", layer=1),
    )
    flat = samples([[c] * 64 for c in range(120)])
    script.counterexample(
        "one bias per unit",
        "120 constant images, biases per filter: rank F_1 <= 100 for every parameter",
        verify(figure_1([1, 8, 8], bias="filter"), flat, statements="theorem-3.5", layer=1),
    )
    script.expect("  with biases per unit: full rank", verify(small, flat, statements="theorem-3.5", layer=1))
    twice = samples([[1] * 64, [1] * 64])
    script.counterexample(
        "different images", "two equal images", verify(small, twice, statements="theorem-3.5", layer=1)
    )

    script.heading("All of MNIST")
    images = script.mnist("rank F_1 = 60,000 for almost every parameter on MNIST's training images")
    if images is not None:
        script.expect(
            "rank F_1 = 60,000 for almost every parameter",
            verify(net, images, statements="theorem-3.5", layer=1),
        )
        script.counterexample(
            "Assumption 3.1",
            "two of the first 2,000 images share a patch",
            verify(net, load_data(images, samples=2000), statements="assumption-3.1"),
        )


if __name__ == "__main__":
    main(checks)
