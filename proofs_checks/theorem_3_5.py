"""Theorem 3.5: almost all parameters make the features of a wide layer linearly independent.

Claim.  Let the samples satisfy Assumption 3.1 (x_i^p != x_j^q for i != j), let layers 1..k be convolutional
or fully connected with one bias per unit, n_k >= N, and sigma_1..sigma_k real analytic with Assumption 3.2.
Then {parameters of layers 1..k : rank F_k < N} has Lebesgue measure zero.

Checked here, on this data: for convolutional and deep networks with sigmoid and softplus the conclusion, from one
witness.  Then each hypothesis is dropped, and rank F_k < N for all parameters, or on a box of them.
"""

from typing import Any

from exactcnn import rank, samples, verify
from proofs_checks._instances import conv, dense, network, pool, random_rows
from proofs_checks._script import Script, main

ASK: dict[str, Any] = {"statements": "theorem-3.5"}


def checks(script: Script) -> None:
    x = samples(random_rows(1, 12, 6, -99, 99))
    script.heading("The theorem, with all its hypotheses")
    for k in (1, 2, 3):
        above = [dense(14, "softplus") for _ in range(k - 1)]
        net = network(6, conv(3, "sigmoid", kernel=2), *above, dense(2))
        found = verify(net, x, layer=k, **ASK)
        script.expect(
            f"12 samples, layer k = {k}, n_k = {net.widths[k]}: rank F_k = 12 almost everywhere", found
        )
        hypotheses = found.findings[0].summary["hypotheses"]
        script.fact(
            "all six hypotheses hold on this instance", all(hypotheses.values()), ", ".join(hypotheses)
        )

    script.heading("Each hypothesis dropped")
    first = conv(3, "sigmoid", kernel=2)
    script.counterexample(
        "Assumption 3.1",
        "two equal samples have equal features",
        verify(network(3, first), [[1, 2, 3], [1, 2, 3]], **ASK),
    )
    script.counterexample(
        "Assumption 3.1",
        "six different samples that differ in one pixel only, one filter of one tap: rank F_1 <= 3 + 1",
        verify(network(3, conv(3, "sigmoid", kernel=1)), [[0, 0, c] for c in range(6)], **ASK),
    )
    script.counterexample(
        "n_k >= N",
        "nine samples, eight units",
        verify(network(3, conv(4, "sigmoid", kernel=2)), [[i, i * i, 1] for i in range(9)], **ASK),
    )
    constant = [[c] * 4 for c in range(6)]
    for bias in ("filter", "none"):
        script.counterexample(
            "one bias per unit",
            f"constant images, bias = {bias}: equal patches give equal units, rank F_1 <= T_1 = 3",
            verify(network(4, conv(3, "sigmoid", kernel=2, bias=bias)), constant, **ASK),
        )
    script.expect(
        "the same constant images with one bias per unit", verify(network(4, first), constant, **ASK)
    )
    for below in ((), ("sigmoid",)):
        layers = [dense(5, name) for name in (*below, "relu")]
        script.counterexample(
            "sigma real analytic",
            f"ReLU in layer {len(layers)}: a box of parameters, of positive volume, on which F_k = 0",
            verify(network(2, *layers), [["1/2", -3], [2, 2], [0, 7]], layer=len(layers), **ASK),
        )
    corners = [[0, 0], [1, 0], [0, 1], [1, 1]]
    with_ones = rank([[*row, 1] for row in corners]).upper
    script.counterexample(
        "Assumption 3.2",
        "sigma = identity is analytic, but unbounded at -inf: rank F_1 < 4 at random parameters",
        verify(network(2, dense(5, "identity")), corners, statements="rank"),
    )
    script.fact(
        "and at all others, as F_1 = [X 1] [W; b] and rank [X 1] < 4",
        with_ones < 4,
        f"rank [X 1] <= {with_ones}",
        hypothesis="Assumption 3.2",
    )
    # Max-pooling first: two samples with different patches and equal maxima become equal.
    first_pools = network(2, pool(kernel=2), dense(4, "sigmoid"))
    rows = [[1, 5], [2, 5]]
    script.counterexample(
        "layer 1 convolutional or fully connected",
        "pooling first: (1, 5) and (2, 5) become equal; rank F_2 = 1 at random parameters",
        verify(first_pools, rows, layer=2, statements="rank"),
    )
    script.fact(
        "and at all others: F_1 has two equal rows",
        len({max(row) for row in rows}) == 1,
        "both maxima are 5",
        hypothesis="layer 1 convolutional or fully connected",
    )
    pooled = network(4, conv(5, "sigmoid", kernel=2), pool(kernel=2), dense(5, "sigmoid"))
    script.expect(
        "max-pooling between the layers: the theorem does not speak of it, Extension A proves it",
        verify(pooled, [[1, 2, 3, 4], [4, 3, 2, 1]], layer=3, statements="extension-a"),
    )

    script.heading("MNIST")
    images = script.mnist("Figure 1's first layer on 60,000 MNIST images")
    if images is not None:
        figure_1 = network([1, 28, 28], conv(100, "sigmoid", kernel=3))
        script.expect(
            "60,000 images, n_1 = 67,600: rank F_1 = 60,000 almost everywhere",
            verify(figure_1, images, **ASK),
        )


if __name__ == "__main__":
    main(checks)
