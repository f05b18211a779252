"""Beyond the paper, 3.5: Extension A, Theorem 3.5 with max-pooling between the layers.

Claim. Layers 1 and k convolutional or dense; sigma_l, l < k, analytic and not constant; sigma_k analytic with
Assumption 3.2; n_k >= N; Assumption 3.1, or patches at equal positions that differ together with one bias per unit.
Then rank F_k = N for almost every (W_l, b_l), l <= k, also with max-pooling between the layers.

Checked here: instances, with pooling once and twice; a witness of full rank for each; and each hypothesis dropped.
"""

from exactcnn import verify
from proofs_checks._instances import conv, dense, network, pool, random_rows
from proofs_checks._script import Script, main


def checks(script: Script) -> None:
    rows = random_rows(1, 5, 9, -40, 40)
    script.heading("Pooling between the layers")
    once = [conv(3, "sigmoid", kernel=2), pool(kernel=2, stride=2), dense(7, "softplus"), dense(1)]
    twice = [
        conv(3, "tanh", kernel=2),
        pool(kernel=2, stride=1),
        conv(3, "arctan", kernel=2),
        pool(kernel=2),
        dense(6, "gaussian"),
        dense(1),
    ]
    for words, layers, k in (
        ("once, sigmoid and softplus", once, 3),
        ("twice, tanh, arctan and gaussian", twice, 5),
    ):
        net = network(9, *layers)
        script.expect(words, verify(net, rows, statements="extension-a", layer=k))
        script.expect("  and one witness", verify(net, rows, statements="rank", layer=k), certified=True)

    script.heading("Each hypothesis dropped")
    narrow = network(9, conv(3, "sigmoid", kernel=2), pool(kernel=2, stride=2), dense(4, "sigmoid"), dense(1))
    script.counterexample(
        "n_k >= N", "n_3 = 4 < N = 5", verify(narrow, rows, statements="extension-a", layer=3)
    )
    net = network(9, *once)
    equal = [*rows[:4], rows[0]]
    script.counterexample(
        "patches that differ", "two equal samples", verify(net, equal, statements="extension-a", layer=3)
    )
    relu = network(9, conv(3, "sigmoid", kernel=2), pool(kernel=2, stride=2), dense(7, "relu"), dense(1))
    script.counterexample("analytic activations", "ReLU at layer k: F_k = 0 on a box of parameters",
                          verify(relu, rows, statements="extension-a", layer=3))  # fmt: skip
    first = network(9, pool(kernel=9), dense(7, "sigmoid"), dense(1))
    same_maximum = [[row[0] - abs(row[0]) - 1 if j else 50 for j in range(9)] for row in rows]
    script.counterexample("layer 1 is no pooling", "samples with one maximum: equal features for all parameters",
                          verify(first, same_maximum, statements="rank", layer=2))  # fmt: skip


if __name__ == "__main__":
    main(checks)
