"""Lemma 4.2: almost all parameters lie in S_k.

S_k = {rank F_k = N and U_l of full rank for l = k+2, .., L}.

Claim.  Under Assumptions 3.1, 4.1 and sigma_1..sigma_k real analytic the complement of S_k has Lebesgue measure zero.

Checked here: the conjunction of Theorem 3.5 (or Extension A with pooling below) and of Lemma 2.5 for the layers
above.  Then each hypothesis is dropped: S_k misses a set of positive measure, or is empty.  Assumption 2.4
for the layers k+2..L-1 is a hypothesis too, and fails for ordinary convolutions.
"""

from typing import Any

from exactcnn import samples, verify
from proofs_checks._instances import conv, dense, network, pool, random_rows
from proofs_checks._script import Script, main

ASK: dict[str, Any] = {"statements": "lemma-4.2"}


def checks(script: Script) -> None:
    script.heading("The lemma, with all its hypotheses")
    net = network(6, conv(3, "sigmoid", kernel=2), dense(10, "softplus"), dense(5, "sigmoid"), dense(2))
    x = samples(random_rows(1, 12, 6, -99, 99))
    script.expect("12 samples, convolution and dense layers, k = 1", verify(net, x, layer=1, **ASK))
    script.expect("  Assumption 3.1", verify(net, x, statements="assumption-3.1"))
    script.expect("  Assumption 4.1", verify(net, x, statements="assumption-4.1"))
    script.expect("  so the weights of seed 0 lie in S_1", verify(net, x, layer=1, statements="s-k"))
    deep = network(
        [1, 6, 6],
        conv(2, "sigmoid", kernel=2),
        conv(1, "sigmoid", kernel=2),
        conv(1, "softplus", kernel=2),
        dense(2),
    )
    script.expect(
        "convolutions above the wide layer, k = 1: Lemma 2.5 for layer 3",
        verify(deep, random_rows(2, 20, 36, -99, 99), layer=1, **ASK),
    )
    pooled = network(
        [1, 5, 5], conv(2, "sigmoid", kernel=2), pool(kernel=2, stride=1), dense(9, "sigmoid"), dense(2)
    )
    script.expect(
        "max-pooling below layer k = 3 (Extension A; the lemma does not speak of it)",
        verify(pooled, random_rows(3, 9, 25, -99, 99), layer=3, **ASK),
    )

    script.heading("Each hypothesis dropped")
    script.counterexample(
        "Assumption 3.1",
        "two equal samples: S_1 is empty",
        verify(network(3, dense(4, "sigmoid"), dense(1)), [[1, 2, 3], [1, 2, 3]], **ASK),
    )
    script.counterexample(
        "n_k >= N (Assumption 4.1)",
        "three samples, two units: S_1 is empty",
        verify(network(3, dense(2, "sigmoid"), dense(1)), random_rows(0, 3, 3), layer=1, **ASK),
    )
    script.counterexample(
        "sigma_1..sigma_k real analytic",
        "ReLU: a box of parameters outside S_1, of positive volume",
        verify(network(3, dense(6, "relu"), dense(1)), random_rows(0, 3, 3), layer=1, **ASK),
    )
    script.counterexample(
        "one bias per unit",
        "constant images, biases per filter: S_1 is empty",
        verify(
            network(3, conv(3, "sigmoid", kernel=2, bias="filter"), dense(1)),
            [[c] * 3 for c in range(5)],
            **ASK,
        ),
    )
    deficient = network(
        [1, 6, 6],
        conv(3, "sigmoid", kernel=1),
        conv(1, "sigmoid", kernel=2),
        conv(2, "sigmoid", kernel=3),
        dense(2),
    )
    script.counterexample(
        "Assumption 2.4 for layer k+2",
        "two 3 x 3 filters on a 5 x 5 layer 2: rank U_3 <= 17 < 18 always, S_1 is empty",
        verify(deficient, random_rows(4, 20, 36, -99, 99), layer=1, **ASK),
    )
    above = network([1, 4, 4], conv(4, "sigmoid", kernel=2), dense(4, "sigmoid"), pool(kernel=2), dense(1))
    script.heading("Where it does not speak")
    script.expect(
        "max-pooling above layer k+1 has no U_l: S_1 is not defined, as in the paper's own Figure 1",
        verify(above, random_rows(5, 6, 16), layer=1, **ASK),
        "undecided",
    )


if __name__ == "__main__":
    main(checks)
