"""Beyond the paper, 3.1: Assumption 2.4 is not automatic, even for ordinary convolutions.

Claim. Patches that cover all neurons and differ are not enough. A valid convolution with stride 1, c input channels
and T = c + 1 filters l_1 x l_2 has generic rank (c+1) q_1 q_2 - prod_i max(0, q_i - c (l_i - 1)), q the output
size: 28 x 28 images with two 3 x 3 filters have rank 776, not 784. Never deficient: T >= l; T <= c; odd kernels
with same padding, stride 1 and T = 1 or T >= c; one dimension, stride 1, c = 1, T = 2 (Sylvester). Patches of size
2 with one filter: n minus the number of balanced components of the graph.

Checked here: both bounds of the generic rank of U_1 on instances, against the formulas. The formula for c > 1 is
proved in FORMAT.md only as an upper bound; that it is reached is shown instance by instance (a minor mod p).
"""

from exactcnn import verify
from proofs_checks._instances import conv, network
from proofs_checks._script import Script, main


def generic(shape, layer):
    net = network(shape, layer)
    return verify(net, [[0] * net.input_size], statements="assumption-2.4")


def formula(c: int, inputs: tuple[int, ...], kernel: tuple[int, ...]) -> int:
    q = [n - k + 1 for n, k in zip(inputs, kernel, strict=True)]
    all_units, missing = c + 1, 1
    for size, k in zip(q, kernel, strict=True):
        all_units *= size
        missing *= max(0, size - c * (k - 1))
    return all_units - missing


def checks(script: Script) -> None:
    script.heading("Patches that cover and differ, and yet no filter does")
    layer = conv(1, "relu", patches=[[0, 1], [2, 3], [0, 2], [1, 3]], bias="none")
    found = generic(4, layer)
    script.counterexample(
        "nothing: patches cover and differ", "a 2 x 2 image, rows and columns, one filter", found
    )
    script.fact("  the generic rank is 3 of 4", found.findings[0].evidence.upper == 3)

    script.heading("Ordinary convolutions with one filter more than channels")
    for words, shape, kernel, expected in (
        ("28 x 28 images, two 3 x 3 filters", [1, 28, 28], (3, 3), 776),
        ("28 x 28 images, two 5 x 5 filters", [1, 28, 28], (5, 5), 752),
        ("5 x 5 images, two 3 x 3 filters", [1, 5, 5], (3, 3), 17),
        ("RGB 14 x 14, four 3 x 3 filters", [3, 14, 14], (3, 3), 540),
        ("9 x 7 images, two filters 2 x 3", [1, 9, 7], (2, 3), None),
        ("two channels 7 x 7, three 2 x 2 filters", [2, 7, 7], (2, 2), None),
    ):
        c, *inputs = shape
        found = generic(shape, conv(c + 1, "relu", kernel=list(kernel), bias="none"))
        script.counterexample("nothing: an ordinary convolution", words, found)
        evidence, rank = found.findings[0].evidence, formula(c, tuple(inputs), kernel)
        shown = f"{evidence.lower} <= rank <= {evidence.upper}, formula {rank}"
        script.fact("  both bounds are the formula's rank", evidence.lower == evidence.upper == rank, shown)
        if expected is not None:
            script.fact(f"  which is {expected}", rank == expected)

    script.heading("Never deficient")
    for words, shape, layer in (
        ("T >= l: nine 3 x 3 filters on 8 x 8", [1, 8, 8], conv(9, "relu", kernel=3, bias="none")),
        ("T <= c: three channels, two filters", [3, 8, 8], conv(2, "relu", kernel=3, bias="none")),
        ("same padding, one filter", [1, 9, 9], conv(1, "relu", kernel=3, padding=1, bias="none")),
        ("same padding, T = c + 1", [2, 6, 6], conv(3, "relu", kernel=3, padding=1, bias="none")),
        ("one dimension, two filters of 4 taps", [1, 20], conv(2, "relu", kernel=4, bias="none")),
    ):
        script.expect(words, generic(shape, layer))

    script.heading("Patches of size 2, one filter: n minus the balanced components")
    # Edges i < j raise the height by 1; balanced: every cycle returns to its height.
    for words, n, edges, balanced in (
        ("a triangle: 0-1-2 and 0-2 disagree", 3, [[0, 1], [1, 2], [0, 2]], 0),
        ("the square above: balanced", 4, [[0, 1], [2, 3], [0, 2], [1, 3]], 1),
        ("two squares: two balanced components", 8,
         [[0, 1], [2, 3], [0, 2], [1, 3], [4, 5], [6, 7], [4, 6], [5, 7]], 2),
    ):  # fmt: skip
        found = generic(n, conv(1, "relu", patches=edges, bias="none"))
        evidence = found.findings[0].evidence
        script.expect(words, found, "proved" if n - balanced == min(n, len(edges)) else "refuted")
        script.fact(
            "  the rank",
            evidence.lower == evidence.upper == n - balanced,
            f"{evidence.lower} = {n} - {balanced}",
        )


if __name__ == "__main__":
    main(checks)
