"""Beyond the paper, 4: published cases reproduced exactly.

Claim. Yun, Sra and Jadbabaie's networks have a bad critical point of loss exactly 1/3 beside a point of loss 0
(there N > n_1, so that S_1 is empty and Theorem 4.5 is silent). A matrix of rank 3 that floats take for 4; a matrix
of rank 3 over Q(t), 2 over F_2(t). Deep linear networks with generic regularisation have 5, 9, 13, 33 complex
critical points.

Checked here: the first two; the second matrix at whole t instead of over Q(t). The counts are decided elsewhere.
"""

from fractions import Fraction

import exactcnn
from exactcnn import samples, verify
from proofs_checks._instances import dense, network, weights
from proofs_checks._script import Script, main

HALF, SIXTH = Fraction(1, 2), Fraction(1, 6)


def yun(activation, first, second):
    net = network(2, dense(2, activation, bias="none"), dense(1, bias="none"))
    data = samples([["1", "0"], ["0", "1"], ["1/2", "1/2"]], [[0], [0], [1]])
    return {
        "network": net,
        "data": data,
        "weights": weights(net, (first, None), ([[v] for v in second], None)),
    }


def checks(script: Script) -> None:
    script.heading("Yun, Sra, Jadbabaie")
    for words, bad in (
        ("h = t^2", yun("square", [[1, 1], [1, 1]], [SIXTH, SIXTH])),
        ("base-2 sigmoid", yun("sigmoid2", [[-1, -1], [-1, -1]], [HALF, HALF])),
    ):
        value = verify(**bad, statements="loss").findings[0].summary["loss"]
        script.fact(f"{words}: the loss is exactly 1/3", value == ["1/3"], str(value))
        script.expect("  every partial derivative is 0", verify(**bad, statements="critical-point"))
        script.counterexample(
            "n_1 >= N", "  S_1 is empty: N = 3 > n_1 = 2", verify(**bad, statements="s-k", layer=1)
        )
    good = yun("square", [[1, 1], [1, -1]], [1, -1])
    value = verify(**good, statements="loss").findings[0].summary["loss"]
    script.fact("h = t^2: the other point has loss 0", value == [], str(value))

    script.heading("Ranks")
    trap = [[2, 0, -1, 3], [1, 5, 4, -2], [0, 3, 7, 1], [3, 5, 3, 1]]
    found = exactcnn.rank(trap)
    script.fact(
        "the trap has rank 3, with both bounds", found.rank == 3 and found.holds_for(trap), str(found.rank)
    )
    for t in (1, 2, 7):
        found = exactcnn.rank([[t, t, 0], [t, 0, t], [0, t, t]])
        script.fact(f"[[t,t,0],[t,0,t],[0,t,t]] at t = {t} has rank 3", found.rank == 3)

    script.heading("Complex critical points")
    script.skip(
        "the counts 5, 9, 13, 33",
        "`exactcnn critical --complex` and tests/landscape/test_elimination.py decide them",
    )


if __name__ == "__main__":
    main(checks)
