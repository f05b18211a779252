"""Theorem 4.4: in S_k the loss is zero exactly where its gradient by U_{k+1} is.

Claim.  Under Assumption 4.1, at every point of S_k: Phi = 0 if and only if grad_{U_{k+1}} Phi = 0, where
Phi = 1/2 ||F_L - Y||_F^2.  (U_{k+1} is the lifted matrix; where layer k+1 is convolutional its gradient is not the one
by the true parameter W_{k+1}.)

Checked here: points of S_1 with zero and with positive loss.  Then each hypothesis is dropped, and a point has
gradient 0 and Phi > 0.  The paper asks sigma_l strictly monotone and differentiable for l = k+1..L-1; that is not
enough, sigma_l' must have no zeros.  What is decided is the conclusion at one given point each time; for all
points of S_k the theorem's proof speaks.
"""

from fractions import Fraction

from exactcnn import Result, verify
from proofs_checks import _critical_points as points
from proofs_checks._instances import dense
from proofs_checks._script import Script, main


def ask(point: points.Point, statement: str = "theorem-4.4", layer: int | None = 1) -> Result:
    return verify(**point, statements=statement, layer=layer)


def checks(script: Script) -> None:
    script.heading("The conclusion at points of S_1")
    half = Fraction(1, 2)
    solved = points.two_points(
        dense(2, "sigmoid"),
        dense(2),
        ([[0, 0], [0, 0]], [0, 0]),
        ([[1, 0], [0, 1]], [0, 0]),
        ((half, half), (half, half)),
    )
    for words, point, zero in (
        ("sigmoid layer, output 1/2 as asked for: Phi = 0", solved, True),
        ("the same, other targets: Phi > 0", points.flat_slope("sigmoid"), False),
        ("convolutional layer 2: grad_W = 0, but not the lifted gradient", points.convolution_above(), False),
        ("the pyramid restored in the counterexample below", points.broken_pyramid(2), False),
        (
            "the linear output restored in the counterexample below",
            points.nonlinear_output("identity"),
            False,
        ),
    ):
        found = ask(point)
        script.expect(words, found)
        summary = found.findings[0].summary
        script.fact(
            f"  {'both are zero' if zero else 'neither is zero'}",
            summary["zero_loss"] is zero and summary["zero_gradient"] is zero,
        )
        script.expect("  the point lies in S_1", ask(point, "s-k"))

    script.heading("Each hypothesis dropped: gradient 0 and Phi > 0")
    for hypothesis, words, point in (
        ("sigma_l' without zeros", "strictly increasing and analytic, sigma_2'(0) = 0", points.flat_slope()),
        ("linear output", "the square of the outputs, at 0", points.nonlinear_output()),
        ("n_{k+1} >= .. >= n_L", "n_2 = 1 < n_3 = 2, U_3 = (1, 1)", points.broken_pyramid()),
    ):
        found = ask(point)
        script.counterexample(hypothesis, words, found)
        script.expect("  the point lies in S_1", ask(point, "s-k"))
        summary = found.findings[0].summary
        script.fact(
            "  the gradient by U_2 is 0 and the loss is not",
            summary["zero_gradient"] is True and summary["zero_loss"] is False,
            f"missing: {', '.join(name for name, value in summary['hypotheses'].items() if value is False)}",
            hypothesis=hypothesis,
        )
    for hypothesis, words, point in (
        ("S_k: rank F_k = N", "W_1 = 0: both samples look alike", points.zero_features()),
        ("S_k: U_l of full rank", "U_3 = 0", points.deficient_output()),
    ):
        critical = ask(point, "critical-point", None)
        script.counterexample(hypothesis, f"{words}: the point is outside S_1", ask(point, "s-k"))
        script.expect("  it is critical, so all gradients are 0", critical)
        loss = ask(point, "loss", None).findings[0].summary["loss"]
        script.fact("  and Phi > 0", Fraction(loss[0]) > 0, f"Phi = {loss[0]}", hypothesis=hypothesis)


if __name__ == "__main__":
    main(checks)
