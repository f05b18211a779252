"""Theorem 4.5: critical points with independent features are global minima, if a dense layer follows.

Claim.  Under Assumption 4.1, with layer k+1 fully connected and labels from a full-rank class matrix: every critical
point in S_k is a global minimum with Phi = 0, and there are infinitely many such minima in S_k.

Checked here: points of S_k with zero loss are constructed exactly, a line of them; they are critical.
Then each hypothesis is dropped, and a critical point in S_k (or just outside it) has Phi > 0.  For a
convolutional layer k+1, an open question of the paper, the answer is no: a saddle, and a bad local minimum.
What is decided is the conclusion at given points; for all points of S_k the theorem's proof speaks.
"""

from fractions import Fraction

from exactcnn import Result, samples, verify
from proofs_checks import _critical_points as points
from proofs_checks._instances import conv, dense, network, random_rows
from proofs_checks._script import Script, main


def ask(point: points.Point, statement: str, layer: int | None = None) -> Result:
    return verify(**point, statements=statement, layer=layer)


def checks(script: Script) -> None:
    script.heading("Global minima with zero loss exist, infinitely many")
    cases = {
        "dense output above the wide layer, k = L - 1": [dense(6, "relu"), dense(2)],
        "sigmoid layer between, class labels": [dense(6, "relu"), dense(4, "sigmoid"), dense(2)],
        "convolution, two sigmoid layers between": [
            conv(3, "relu", kernel=2), dense(5, "sigmoid"), dense(4, "sigmoid"), dense(2)
        ],
    }  # fmt: skip
    for words, layers in cases.items():
        net = network(4, *layers)
        # Seed 4 of the data and 1 of the weights give rank F_1 = 4, which the construction proves again.
        data = samples(random_rows(4, 4, 4, -4, 4), [0, 1, 1, 0])
        start = {"network": net, "data": data}
        found = verify(net, data, seed=1, bits=4, statements="zero-loss-exists", layer=1)
        script.expect(words, found)
        line = found.findings[0].evidence.line
        for t in (0, 3):
            point = {**start, "weights": line.at(Fraction(t))}
            for statement, layer in (("loss", None), ("critical-point", None), ("theorem-4.5", 1)):
                at = ask(point, statement, layer)
                if statement == "loss":
                    script.fact(
                        f"  point t = {t} of the line: the loss is 0", at.findings[0].summary["loss"] == []
                    )
                else:
                    script.expect(f"  point t = {t} of the line: {statement}", at)
    script.heading("Points of S_1 that are not minima are not critical")
    for words, point in (
        ("sigmoid layer 2", points.flat_slope("sigmoid")),
        ("pyramid 2, 2, 2", points.broken_pyramid(2)),
        ("linear output", points.nonlinear_output("identity")),
    ):
        script.expect(f"{words}: the conclusion", ask(point, "theorem-4.5", 1))
        script.expect("  the point lies in S_1", ask(point, "s-k", 1))
        script.expect("  and is not critical", ask(point, "critical-point"), "refuted")

    script.heading("Each hypothesis dropped: critical, in S_1, and Phi > 0")
    for hypothesis, words, point in (
        ("sigma_l' without zeros", "strictly increasing and analytic, sigma_2'(0) = 0", points.flat_slope()),
        ("linear output", "the square of the outputs, at 0", points.nonlinear_output()),
        ("n_{k+1} >= .. >= n_L", "n_2 = 1 < n_3 = 2, U_3 = (1, 1)", points.broken_pyramid()),
        ("no pooling", "max-pooling at layer k+1: both pools choose the same unit", points.pooling_above()),
        ("layer k+1 fully connected", "a saddle with one-hot labels, all 23 partials 0",
         points.convolution_above()),
        ("layer k+1 fully connected", "a bad local minimum, all 18 partials 0", points.bad_minimum()),
    ):  # fmt: skip
        found = ask(point, "theorem-4.5", 1)
        script.counterexample(hypothesis, words, found)
        script.expect("  every partial derivative is 0", ask(point, "critical-point"))
        # Where weights are multiples of ln 2, "s-k" has no certificate; the refutation above carries both ranks.
        rational = all(entry is None or entry.rational for entry in point["weights"].layers)
        script.expect("  the point lies in S_1", ask(point, "s-k", 1), certified=rational)
        loss = ask(point, "loss").findings[0].summary["loss"]
        script.fact("  Phi > 0", Fraction(loss[0]) > 0, f"Phi = {loss[0]}", hypothesis=hypothesis)
    script.expect("the second of them is a local minimum", ask(points.bad_minimum(), "local-minimum"))
    script.expect("the saddle is not", ask(points.convolution_above(), "local-minimum"), "refuted")
    for hypothesis, words, point in (
        ("S_k: rank F_k = N", "W_1 = 0: both samples look alike", points.zero_features()),
        ("S_k: U_l of full rank", "U_3 = 0", points.deficient_output()),
    ):
        script.counterexample(hypothesis, f"{words}: the point is outside S_1", ask(point, "s-k", 1))
        script.expect("  it is critical", ask(point, "critical-point"))
        loss = ask(point, "loss").findings[0].summary["loss"]
        script.fact("  and Phi > 0", Fraction(loss[0]) > 0, f"Phi = {loss[0]}", hypothesis=hypothesis)
    equal = samples([[1, 2], [1, 2]], [[0], [1]])
    script.counterexample(
        "different samples",
        "equal samples with different targets: no zero loss anywhere",
        verify(network(2, dense(4, "relu"), dense(1)), equal, statements="zero-loss-exists", layer=1),
        certified=False,
    )


if __name__ == "__main__":
    main(checks)
