"""Beyond the paper, 3.2: biases shared per filter break Theorems 3.4 and 3.5; Extension B repairs what can be repaired.

Claim. With one bias per filter, constant images c_i 1 (which satisfy Assumption 3.1) give rank F_1 <= T_1 however
many patches there are. With one bias per unit the rank is N almost everywhere. Extension B: for almost every data
set and almost every (W, b) rank F_1 = min(N, n_1), biases shared, sigma analytic with Assumption 3.2.

Checked here: all three, and Extension B's hypotheses dropped one by one.
"""

from exactcnn import verify
from proofs_checks._instances import conv, dense, network, random_rows
from proofs_checks._script import Script, main


def checks(script: Script) -> None:
    script.heading("Constant images")
    constant = [[i + 1] * 8 for i in range(6)]
    shared = network(8, conv(2, "sigmoid", kernel=2, bias="filter"), dense(1))
    own = network(8, conv(2, "sigmoid", kernel=2, bias="unit"), dense(1))
    script.expect("they satisfy Assumption 3.1", verify(own, constant, statements="assumption-3.1"))
    found = verify(shared, constant, statements="theorem-3.5", layer=1)
    script.counterexample("biases per unit", "shared biases: rank F_1 < N for every parameter", found)
    at = verify(shared, constant, statements="rank", layer=1)
    script.counterexample("biases per unit", "  and at the weights of seed 0", at)
    script.fact(
        "  the rank is at most T = 2", at.findings[0].evidence.upper == 2, f"{at.findings[0].evidence.upper}"
    )
    script.expect("biases per unit: rank F_1 = N almost everywhere",
                  verify(own, constant, statements="theorem-3.5", layer=1))  # fmt: skip

    script.heading("Extension B: almost every data set")
    for words, net, rows in (
        ("N = 6, n_1 = 14, sigmoid", shared, random_rows(1, 6, 8)),
        ("N = 20 > n_1 = 14", shared, random_rows(2, 20, 8)),
        ("softplus, 5 x 5 images", network([1, 5, 5], conv(3, "softplus", kernel=2, bias="filter"), dense(1)),
         random_rows(3, 7, 25)),
    ):  # fmt: skip
        script.expect(words, verify(net, rows, statements="extension-b"))
        rank = verify(net, rows, statements="rank", layer=1)
        enough = len(rows) <= net.layer(1).width
        script.expect("  and at random data and weights", rank, "proved" if enough else "refuted")
        evidence = rank.findings[0].evidence
        least = min(len(rows), net.layer(1).width)
        script.fact("  the rank is min(N, n_1)", evidence.lower == least, f"{evidence.lower}")

    script.heading("Extension B's hypotheses")
    for hypothesis, net in (
        ("analytic activation", network(8, conv(2, "relu", kernel=2, bias="filter"), dense(1))),
        ("Assumption 3.2", network(8, conv(2, "identity", kernel=2, bias="filter"), dense(1))),
        ("biases", network(8, conv(2, "sigmoid", kernel=2, bias="none"), dense(1))),
    ):
        script.counterexample(hypothesis, f"{net.layer(1)}: nothing is claimed",
                              verify(net, random_rows(4, 5, 8), statements="extension-b"), "undecided")  # fmt: skip
    linear = network(4, conv(3, "identity", kernel=2, bias="filter"), dense(1))
    rows = random_rows(5, 7, 4)
    script.counterexample("Assumption 3.2", "identity: rank F_1 <= d + 1 = 5 < min(N, n_1) = 7",
                          verify(linear, rows, statements="rank", layer=1))  # fmt: skip


if __name__ == "__main__":
    main(checks)
