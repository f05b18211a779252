"""Corollary 4.6: in fully connected networks with a wide layer, critical points in S_k are global minima.

Claim.  Fully connected network, x_i pairwise different, Assumption 4.1 at layer k: every critical point in S_k has
Phi = 0, and infinitely many such points exist.  (As in Theorems 4.4 and 4.5, sigma_l' must have no zeros for
l = k+1..L-1, which the paper does not ask.)

Checked here: its hypotheses, one by one, on given networks and data (from them the corollary follows for all
points), and its conclusion at given points of S_k.  Then each hypothesis is dropped.
"""

from fractions import Fraction

from exactcnn import Result, samples, verify
from proofs_checks import _critical_points as points
from proofs_checks._instances import dense, network, random_rows, weights
from proofs_checks._script import Script, main


def ask(point: points.Point, statement: str = "corollary-4.6", layer: int | None = 1) -> Result:
    return verify(**point, statements=statement, layer=layer)


def checks(script: Script) -> None:
    script.heading("All hypotheses hold")
    net = network(5, dense(12, "sigmoid"), dense(6, "softplus"), dense(4, "sigmoid"), dense(2))
    data = samples(random_rows(0, 10, 5), random_rows(1, 10, 2))
    found = verify(net, data, statements="corollary-4.6", layer=1)
    script.expect("10 different samples, widths 12, 6, 4, 2, k = 1", found, certified=False)
    summary = found.findings[0].summary["hypotheses"]
    script.fact("  each of them", all(summary.values()), ", ".join(summary))
    for part in ("assumption-4.1", "lemma-4.2"):
        script.expect(f"  {part}", verify(net, data, statements=part, layer=1))

    script.heading("Its conclusion at points of S_1")
    for words, point in (
        ("sigmoid layer 2: not critical, Phi > 0", points.flat_slope("sigmoid")),
        ("widths 2, 2, 2: not critical, Phi > 0", points.broken_pyramid(2)),
    ):
        script.expect(words, ask(point))
        script.expect("  in S_1", ask(point, "s-k"))
        script.expect("  a partial derivative is not 0", ask(point, "critical-point", None), "refuted")
    net = network(4, dense(6, "relu"), dense(4, "sigmoid"), dense(2))
    data = samples(random_rows(4, 4, 4, -4, 4), [0, 1, 1, 0])
    made = verify(net, data, seed=1, bits=4, statements="zero-loss-exists", layer=1)
    script.expect("a line of zero-loss points in S_1, by construction", made)
    for t in (0, Fraction(1, 2), 7):
        point = {"network": net, "data": data, "weights": made.findings[0].evidence.line.at(Fraction(t))}
        script.expect(f"  point t = {t}: critical with Phi = 0", ask(point, "critical-point", None))
        script.expect("  and the corollary's conclusion", ask(point))

    script.heading("Each hypothesis dropped: critical and Phi > 0")
    for hypothesis, words, point in (
        ("sigma_l' without zeros", "strictly increasing and analytic, sigma_2'(0) = 0", points.flat_slope()),
        ("linear output", "the square of the outputs, at 0", points.nonlinear_output()),
        ("n_{k+1} >= .. >= n_L", "n_2 = 1 < n_3 = 2, U_3 = (1, 1)", points.broken_pyramid()),
        ("fully connected", "layer 2 convolutional: a saddle in S_1", points.convolution_above()),
        ("fully connected", "layer 2 convolutional: a bad local minimum in S_1", points.bad_minimum()),
    ):
        script.counterexample(hypothesis, words, ask(point))
        script.expect("  critical", ask(point, "critical-point", None))
    for hypothesis, words, point in (
        ("S_k: rank F_k = N", "W_1 = 0: both samples look alike", points.zero_features()),
        ("S_k: U_l of full rank", "U_3 = 0", points.deficient_output()),
    ):
        script.counterexample(hypothesis, f"{words}: the point is outside S_1", ask(point, "s-k"))
        script.expect("  critical", ask(point, "critical-point", None))
        loss = ask(point, "loss", None).findings[0].summary["loss"]
        script.fact("  Phi > 0", Fraction(loss[0]) > 0, f"Phi = {loss[0]}", hypothesis=hypothesis)
    equal = {
        "network": network(2, dense(4, "sigmoid"), dense(1)),
        "data": samples([[1, 2], [1, 2]], [[0], [1]]),
    }
    script.counterexample(
        "different samples",
        "equal samples with different targets: S_1 is empty (the complement is everything)",
        ask(equal, "lemma-4.2"),
    )
    script.counterexample(
        "different samples",
        "  and the loss is positive everywhere",
        ask(equal, "zero-loss-exists"),
        certified=False,
    )
    # Yun, Sra, Jadbabaie (arXiv 1802.03487): three samples, two hidden units.
    net = network(2, dense(2, "square", bias="none"), dense(1, bias="none"))
    half, sixth = Fraction(1, 2), Fraction(1, 6)
    data = samples([[1, 0], [0, 1], [half, half]], [[0], [0], [1]])
    bad = {"network": net, "data": data,
           "weights": weights(net, ([[1, 1], [1, 1]], None), ([[sixth], [sixth]], None))}  # fmt: skip
    good = {**bad, "weights": weights(net, ([[1, 1], [1, -1]], None), ([[1], [-1]], None))}
    script.counterexample("n_k >= N", "N = 3 > n_1 = 2: S_1 is empty", ask(bad, "s-k"))
    script.expect("  a critical point", ask(bad, "critical-point", None))
    losses = [ask(point, "loss", None).findings[0].summary["loss"] for point in (bad, good)]
    script.fact(
        "  of loss 1/3, while another point has loss 0", losses == [["1/3"], []], hypothesis="n_k >= N"
    )


if __name__ == "__main__":
    main(checks)
