"""Beyond the paper, 3.4: saddles in S_k when layer k+1 is convolutional (open in the paper).

Claim. With W_{k+1} = 0 and suitable b_{k+1}, U_L, b_L there is a point of S_k at which every partial derivative by
a true parameter is 0 and Phi > 0: a strict saddle. With layer k+1 fully connected there is none.

Checked here: the instance of the theory (23 partials 0, Phi = 1), fresh instances for five architectures, and where
the construction fails: constant targets, a dense layer above.
"""

from fractions import Fraction

from exactcnn import MisuseError, Weights, samples, verify
from exactcnn.features.instance import Instance
from exactcnn.landscape.saddles import construct_saddle
from proofs_checks import _critical_points as points
from proofs_checks._instances import conv, dense, network, pool, random_rows
from proofs_checks._script import Script, main

ARCHITECTURES = {
    "1-D, sigmoid": (1, network(8, conv(1, "relu", kernel=2), conv(2, "sigmoid", kernel=2), dense(2))),
    "2-D, tanh": (1, network([1, 5, 5], conv(1, "square", kernel=2), conv(2, "tanh", kernel=2), dense(2))),
    "padded, relu": (1, network(6, conv(2, "leaky_relu", kernel=3, padding=1), conv(1, "relu", kernel=1), dense(2))),
    "shared biases above": (1, network(8, conv(1, "relu", kernel=2), conv(2, "sigmoid2", kernel=2, bias="filter"),
                                       dense(1))),
    "deep, pooling below": (3, network(9, conv(2, "leaky_relu", kernel=2), pool(kernel=2, stride=1),
                                       conv(1, "leaky_relu", kernel=2), conv(2, "sigmoid", kernel=2), dense(2))),
}  # fmt: skip


def fresh(k, net):
    """The first construction over some seeds that lies in S_k."""
    m = net.widths[-1]
    for seed in range(40):
        rows = random_rows(seed, 3, net.widths[0], -4, 4)
        labels = [[int(c == i % m) for c in range(m)] for i in range(3)] if m > 1 else [[i] for i in range(3)]
        start = Instance(net, samples(rows, labels), Weights.from_seed(net, seed, 4))
        weights = construct_saddle(start, k, seed)
        if weights is not None:
            point = {"network": net, "data": start.samples, "weights": weights}
            if verify(**point, statements="s-k", layer=k).verdict == "proved":
                return point
    return None


def checks(script: Script) -> None:
    script.heading("The instance with one-hot labels")
    point = points.convolution_above()
    script.expect("all 23 partial derivatives are 0", verify(**point, statements="critical-point"))
    script.expect("it lies in S_1", verify(**point, statements="s-k", layer=1))
    loss = verify(**point, statements="loss")
    script.fact("Phi = 1", loss.findings[0].summary["loss"] == ["1"], str(loss.findings[0].summary["loss"]))
    script.expect("it is no local minimum", verify(**point, statements="local-minimum"), "refuted")
    script.counterexample(
        "layer k+1 fully connected",
        "Theorem 4.5's conclusion",
        verify(**point, statements="theorem-4.5", layer=1),
    )

    script.heading("Fresh instances")
    for words, (k, net) in ARCHITECTURES.items():
        found = fresh(k, net)
        script.fact(f"{words}: a point is constructed", found is not None)
        if found is None:
            continue
        script.expect("  every partial derivative is 0", verify(**found, statements="critical-point"))
        script.expect("  it lies in S_k", verify(**found, statements="s-k", layer=k))
        value = verify(**found, statements="loss").findings[0].summary["loss"]
        script.fact(
            "  Phi > 0", Fraction(value[0]) > 0, f"Phi = {value[0]}", hypothesis="layer k+1 fully connected"
        )

    script.heading("Where there is none")
    _, net = ARCHITECTURES["1-D, sigmoid"]
    equal = Instance(net, samples(random_rows(1, 2, 8), [[1, 0], [1, 0]]), Weights.from_seed(net, 0, 4))
    script.fact("constant targets", construct_saddle(equal, 1) is None)
    above = network(4, conv(2, "relu", kernel=2), dense(3, "sigmoid"), dense(2))
    try:
        construct_saddle(
            Instance(above, samples([[1, 2, 3, 4]], [[1, 0]]), Weights.from_seed(above, 0, 4)), 1
        )
        refused = False
    except MisuseError:
        refused = True
    script.fact("a dense layer k+1: the construction does not apply", refused)


if __name__ == "__main__":
    main(checks)
