"""Corollary 3.6: with a wide layer below a linear output every target is reached.

Claim.  If rank F_{L-1} = N (which holds almost everywhere under Theorem 3.5), then for every y in R^N there are
weights lambda of the linear output with F_{L-1} lambda = y, for instance lambda = F^T (F F^T)^-1 y.

Checked here: rank N at given weights, and for several targets explicit exact output weights, whose loss is then
computed afresh and is 0.  Without rank N the reachable targets are a proper subspace: some target is not reached.
"""

from fractions import Fraction
from typing import Any

from exactcnn import load_data, samples, verify
from proofs_checks._instances import conv, dense, network, pool, random_rows
from proofs_checks._script import Script, main

ASK: dict[str, Any] = {"statements": "corollary-3.6"}


def checks(script: Script) -> None:
    script.heading("Every target is reached")
    net = network(
        [1, 4, 4], conv(3, "relu", kernel=2), pool(kernel=2, stride=1), dense(9, "leaky_relu"), dense(2)
    )
    x = random_rows(4, 6, 16)
    targets = {
        "random integers": random_rows(5, 6, 2),
        "random rationals": [[Fraction(a, 7), Fraction(b, 5)] for a, b in random_rows(6, 6, 2)],
        "class labels": [0, 1, 1, 0, 1, 0],
    }
    for words, y in targets.items():
        found = verify(net, samples(x, y), seed=3, bits=8, **ASK)
        script.expect(f"six samples, ReLU and pooling below, {words}", found)
        solved = verify(
            net, samples(x, y), weights=found.findings[0].evidence.weights_found, statements="loss"
        )
        script.expect("  the exact output weights, put into the network: the loss", solved)
        script.fact(
            "  it is 0", solved.findings[0].summary["loss"] == [], str(found.findings[0].summary["weights"])
        )
    sigmoid = network([1, 4, 4], conv(4, "sigmoid", kernel=2), dense(1))
    script.expect("sigmoid features, 12 samples: reached, weights not rational",
                  verify(sigmoid, random_rows(7, 12, 16), **ASK))  # fmt: skip
    script.expect(
        "the embedded network: any labels of the first 400 digits can be fitted",
        verify(data=load_data("digits", samples=400), **ASK),
    )

    script.heading("Each hypothesis dropped")
    narrow = network(4, dense(3, "relu", bias="unit"), dense(1, bias="none"))
    script.counterexample(
        "rank F_{L-1} = N",
        "five samples, three features: the target e_1 is not reached",
        verify(narrow, samples(random_rows(1, 5, 4), [[1], [0], [0], [0], [0]]), **ASK),
    )
    script.counterexample(
        "rank F_{L-1} = N",
        "equal samples with different targets",
        verify(network(2, dense(5, "relu"), dense(1)), samples([[0, 1], [0, 1]], [[0], [1]]), **ASK),
    )
    line = network(2, dense(2, "identity"), dense(1))
    script.counterexample(
        "rank F_{L-1} = N",
        "three points on a line under a linear layer: the middle cannot leave the mean of the ends",
        verify(line, samples([[0, 1], [1, 1], [2, 1]], [[0], [1], [0]]), **ASK),
    )
    script.heading("Where it does not speak")
    script.expect(
        "a sigmoid output (no target outside (0, 1) is ever reached)",
        verify(
            network(2, dense(5, "relu"), dense(1, "sigmoid")), samples([[0, 1], [1, 0]], [[2], [0]]), **ASK
        ),
        "undecided",
    )


if __name__ == "__main__":
    main(checks)
