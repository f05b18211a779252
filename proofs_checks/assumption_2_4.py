"""Assumption 2.4: each convolutional layer has some filters W_k for which the lifted matrix U_k is of full rank.

Claim (the paper calls it straightforward).  If every neuron is in some patch and no two patches are the same set,
there is a W_k in R^{l x T} with rank U_k = min(n_{k-1}, n_k), where U_k = M_k(W_k) is n_{k-1} x n_k.

Checked here: layers for which it holds, each by one witness W_k and a minor mod p.  Then its two hypotheses are
dropped; and with both in place it still fails, already for ordinary convolutions, so that it must be decided layer
by layer (beyond_3_1 says for which ones).
"""

from math import prod
from typing import Any

from exactcnn import Result, verify
from proofs_checks._instances import conv, network
from proofs_checks._script import Script, main


def asked(shape: int | list[int], layer: dict[str, Any], statement: str = "assumption-2.4") -> Result:
    net = network(shape, layer)
    return verify(net, [[0] * net.input_size], statements=statement)


HOLDS: list[tuple[str, int | list[int], dict[str, Any]]] = [
    ("28 x 28 images, one 3 x 3 filter", [1, 28, 28], conv(1, "relu", kernel=3)),
    ("28 x 28 images, nine 3 x 3 filters (T >= l)", [1, 28, 28], conv(9, "relu", kernel=3)),
    (
        "28 x 28 images, 3 x 3 filters, padding 1, two filters",
        [1, 28, 28],
        conv(2, "relu", kernel=3, padding=1),
    ),
    ("RGB images 14 x 14, three 3 x 3 filters (T <= c)", [3, 14, 14], conv(3, "relu", kernel=3)),
    ("signals of length 30, two filters of 5 taps (Sylvester)", [1, 30], conv(2, "relu", kernel=5)),
    (
        "six neurons in patches of two, one filter",
        6,
        conv(1, "relu", patches=[[0, 1], [2, 3], [4, 5], [1, 2]]),
    ),
]
# Valid convolution of stride 1 with T = c + 1 filters: channels c, image, kernel l.
ORDINARY: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = [
    (1, (28, 28), (3, 3)),
    (1, (28, 28), (5, 5)),
    (3, (14, 14), (3, 3)),
    (1, (5, 5), (3, 3)),
]


def checks(script: Script) -> None:
    script.heading("It holds")
    for words, shape, layer in HOLDS:
        script.expect(words, asked(shape, layer))
        script.expect("  its patches cover the neurons and differ", asked(shape, layer, "structure"))

    script.heading("Each hypothesis dropped")
    left_out = conv(3, "relu", kernel=2, stride=3)
    script.counterexample(
        "every neuron is in a patch", "stride 3, kernel 2: U_1 has zero rows", asked(6, left_out)
    )
    script.counterexample("every neuron is in a patch", "and `structure` names the neurons",
                          asked(6, left_out, "structure"))  # fmt: skip
    twice = conv(1, "relu", patches=[[0, 1], [1, 2], [0, 1]])
    script.counterexample(
        "no two patches are the same set", "equal patches give equal columns", asked(3, twice)
    )
    script.counterexample("no two patches are the same set", "and `structure` names them",
                          asked(3, twice, "structure"))  # fmt: skip

    script.heading("Both hypotheses hold, and Assumption 2.4 fails")
    square = conv(1, "relu", patches=[[0, 1], [2, 3], [0, 2], [1, 3]])
    script.expect("a 2 x 2 image, its rows and columns as patches", asked(4, square, "structure"))
    script.counterexample(
        "Assumption 2.4 itself", "one filter (a, b): rank 3 of 4 for every a, b", asked(4, square)
    )
    for c, extents, kernel in ORDINARY:
        layer = conv(c + 1, "relu", kernel=list(kernel))
        found = asked([c, *extents], layer)
        size = (
            f"{extents[0]} x {extents[1]}, {c} channel{'s' * (c > 1)}, {kernel[0]} x {kernel[1]}, T = {c + 1}"
        )
        script.expect(f"{size}: patches cover and differ", asked([c, *extents], layer, "structure"))
        script.counterexample("Assumption 2.4 itself", f"{size}: U_1 is never of full rank", found)
        outputs = [n - size + 1 for n, size in zip(extents, kernel, strict=True)]
        formula = (c + 1) * prod(outputs) - prod(
            max(0, q - c * (size - 1)) for q, size in zip(outputs, kernel, strict=True)
        )
        summary = found.findings[0].summary
        script.fact(
            "its generic rank is (c+1) q_1 q_2 - prod max(0, q_i - c (l_i - 1))",
            summary["lower"] == summary["upper"] == formula,
            f"{summary['lower']} <= rank <= {summary['upper']}, formula {formula}, full rank {summary['full']}",
        )

    script.heading("Figure 1's convolutional layers")
    script.expect("100 filters 3 x 3 on 28 x 28", asked([1, 28, 28], conv(100, "relu", kernel=3)))
    second = "20 filters 2 x 2 on 13 x 13, 100 channels: U is 16,900 x 2,880"
    if script.options.full:
        script.expect(second, asked([100, 13, 13], conv(20, "relu", kernel=2)))
    else:
        script.skip(second, "three minutes, only with --full")


if __name__ == "__main__":
    main(checks)
