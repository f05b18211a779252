"""Lemma 2.5: if some filters make U_k of full rank, almost all of them do.

Claim.  Under Assumption 2.4 the set of W_k in R^{l x T} with rank U_k < min(n_{k-1}, n_k) has Lebesgue measure zero:
a minor of U_k is a polynomial in W_k, and a polynomial that is not 0 vanishes on a null set only.

Checked here: the statement itself, that filters drawn at random have full rank, and that the null set is not empty.
Without Assumption 2.4 (its only hypothesis) U_k is rank-deficient for every W_k.
"""

from itertools import product
from typing import Any

from exactcnn import verify
from proofs_checks._instances import conv, network, weights
from proofs_checks._script import Script, main


def checks(script: Script) -> None:
    script.heading("Almost all filters")
    layers = [
        ("28 x 28 images, three 3 x 3 filters", [1, 28, 28], conv(3, "relu", kernel=3, bias="none")),
        ("RGB images 10 x 10, two 3 x 3 filters", [3, 10, 10], conv(2, "relu", kernel=3, bias="none")),
        ("signals of length 30, two filters of 5 taps", [1, 30], conv(2, "relu", kernel=5, bias="none")),
    ]
    for words, shape, layer in layers:
        net = network(shape, layer)
        x = [[0] * net.input_size]
        script.expect(f"{words}: almost every W_1", verify(net, x, statements="lemma-2.5"))
        for seed in (0, 1):
            script.expect(
                f"  rank of U_1 at the filters of seed {seed}",
                verify(net, x, seed=seed, statements="lifted-rank"),
            )

    script.heading("The null set is not empty")
    # Three neurons, windows of 2, two filters (a, b), (c, d): U is 3 x 4, of rank 3 iff a d != b c.
    net = network(3, conv(2, "relu", kernel=2, bias="none"))
    script.expect("three neurons, two filters (a, b), (c, d): almost every W_1",
                  verify(net, [[0] * 3], statements="lemma-2.5"))  # fmt: skip
    agreeing, deficient = 0, 0
    for a, b, c, d in product(range(-1, 2), repeat=4):
        at = verify(net, [[0] * 3], weights=weights(net, ([[a, c], [b, d]], None)), statements="lifted-rank")
        deficient += at.verdict == "refuted"
        agreeing += at.verdict == ("proved" if a * d != b * c else "refuted")
    script.fact(
        "of the 81 filter pairs with entries -1, 0, 1 exactly those with a d = b c are deficient",
        agreeing == 81 and 0 < deficient < 81,
        f"{deficient} of 81 deficient, {agreeing} as the determinant says",
    )
    equal = weights(net, ([[1, 1], [2, 2]], None))
    script.expect("  for instance equal filters", verify(net, [[0] * 3], weights=equal, statements="lifted-rank"),
                  "refuted")  # fmt: skip

    script.heading("Without Assumption 2.4")
    failing: list[tuple[str, int | list[int], dict[str, Any]]] = [
        ("12 x 12 images, two 3 x 3 filters", [1, 12, 12], conv(2, "relu", kernel=3, bias="none")),
        ("a 2 x 2 image, rows and columns as patches, one filter", 4,
         conv(1, "relu", patches=[[0, 1], [2, 3], [0, 2], [1, 3]], bias="none")),
    ]  # fmt: skip
    for words, form, layer in failing:
        net = network(form, layer)
        x = [[0] * net.input_size]
        script.counterexample(
            "Assumption 2.4", f"{words}: no W_1 at all", verify(net, x, statements="lemma-2.5")
        )
        script.counterexample("Assumption 2.4", "  nor the filters of seed 0, with kernel vectors",
                              verify(net, x, statements="lifted-rank"))  # fmt: skip


if __name__ == "__main__":
    main(checks)
