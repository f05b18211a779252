"""Theorem 3.4: a wide layer has independent features for some parameters, with all lifted matrices of full rank.

Claim.  Let the samples satisfy Assumption 3.1, layers 1 and k be convolutional or fully connected, the others of any
kind (pooling too), n_k >= N, and sigma_1..sigma_k satisfy Assumption 3.2.  Then there are parameters of layers 1..k
with rank F_k = N and U_1, .., U_k of full rank.

Checked here: explicit rational parameters are constructed on exactly wide networks (n_k = N), with pooling and ReLU;
saved, read again and verified.  Then each hypothesis is dropped and no parameters will do.
The paper's proof needs Assumption 2.4 (as a standing assumption) and sigma_l injective on some interval for l < k.
"""

import tempfile
from pathlib import Path
from typing import Any

from exactcnn import Weights, rank, samples, verify
from proofs_checks._instances import conv, dense, network, pool, random_rows
from proofs_checks._script import Script, main

ASK: dict[str, Any] = {"statements": "theorem-3.4"}


def checks(script: Script) -> None:
    script.heading("Explicit parameters, n_k = N")
    for top in ("relu", "sigmoid", "softplus"):
        net = network(
            [1, 6, 6],
            conv(3, "relu", kernel=2),
            pool(kernel=2, stride=1),
            conv(4, "relu", kernel=2),
            conv(2, top, kernel=2),
        )
        N = net.widths[4]
        x = samples(random_rows(3, N, 36, -999, 999))
        found = verify(net, x, layer=4, **ASK)
        script.expect(f"ReLU, max-pooling, ReLU, {top}; n_4 = N = {N}", found)
        hypotheses = found.findings[0].summary["hypotheses"]
        script.fact("  all hypotheses hold on this instance", all(hypotheses.values()), ", ".join(hypotheses))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.json"
            evidence = found.findings[0].evidence
            (evidence.weights or Weights.from_seed(net)).save(path)
            script.expect(
                "  the parameters, saved and read again: rank F_4 = N",
                verify(net, x, layer=4, weights=path, statements="rank"),
            )
            script.expect(
                "  and U_1, U_3, U_4 have full rank", verify(net, x, weights=path, statements="lifted-rank")
            )

    script.heading("Each hypothesis dropped: no parameters at all")
    wide = network(3, conv(6, "relu", kernel=2))
    script.counterexample(
        "Assumption 3.1", "two equal samples", verify(wide, [[1, 2, 3], [4, 5, 6], [1, 2, 3]], **ASK)
    )
    script.counterexample(
        "Assumption 3.1",
        "six samples that differ in one pixel, filters of one tap: at most 4 independent columns",
        verify(network(3, conv(3, "relu", kernel=1)), [[0, 0, c] for c in range(6)], **ASK),
    )
    script.counterexample(
        "n_k >= N",
        "four samples, a layer of three units above one of six",
        verify(network(4, conv(2, "relu", kernel=2), dense(3, "relu")), random_rows(0, 4, 4), layer=2, **ASK),
    )
    script.counterexample(
        "one bias per unit",
        "constant images and biases per filter: rank F_1 <= T_1",
        verify(network(3, conv(3, "relu", kernel=2, bias="filter")), [[c] * 3 for c in range(5)], **ASK),
    )
    script.counterexample(
        "Assumption 2.4",
        "two 3 x 3 filters on 5 x 5 images: U_1 is never of full rank, whatever the data",
        verify(network([1, 5, 5], conv(2, "sigmoid", kernel=3)), random_rows(0, 6, 25), **ASK),
    )
    corners = [[0, 0], [1, 0], [0, 1], [1, 1]]
    for name, features in (
        ("identity", [[a, b, 1] for a, b in corners]),
        ("square", [[a * a, a * b, b * b, a, b, 1] for a, b in random_rows(2, 7, 2)]),
    ):
        rows = corners if name == "identity" else random_rows(2, 7, 2)
        net = network(2, dense(9, name))
        script.counterexample(
            "Assumption 3.2",
            f"sigma = {name}: rank F_1 < {len(rows)} at the parameters of seed 0",
            verify(net, rows, statements="rank"),
        )
        largest = rank(features).upper
        script.fact(
            "  and at all others: the columns of F_1 lie in the span of these monomials of the samples",
            largest < len(rows),
            f"rank of the monomials at most {largest}, N = {len(rows)}",
            hypothesis="Assumption 3.2",
        )
    # Max-pooling first: two samples with different patches and equal maxima become equal.
    pooled = network(2, pool(kernel=2), dense(4, "sigmoid"))
    rows = [[1, 5], [2, 5]]
    script.counterexample(
        "layer 1 convolutional or fully connected",
        "pooling first: (1, 5) and (2, 5) become equal; rank F_2 = 1 at the parameters of seed 0",
        verify(pooled, rows, layer=2, statements="rank"),
    )
    script.fact(
        "  and at all others: F_1 has two equal rows",
        len({max(row) for row in rows}) == 1,
        "both maxima are 5",
        hypothesis="layer 1 convolutional or fully connected",
    )


if __name__ == "__main__":
    main(checks)
