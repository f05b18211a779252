"""Lemma 4.3: the gradient by U_{k+1} lies between two products of extreme singular values.

Claim.  With a linear output, differentiable sigma_{k+1}..sigma_{L-1} and n_{k+1} >= .. >= n_L, at every point
sigma_min(F_k) prod_{l=k+1}^{L-1} sigma_min(U_{l+1}) min|sigma_l'(G_l)| ||F_L - Y||_F <= ||grad_{U_{k+1}} Phi||_F,
and ||grad_{U_{k+1}} Phi||_F is at most the same with sigma_max and max.

Checked here: on networks of depth 2 to 4 enclosures of all three numbers, by ball arithmetic, prove both
inequalities at the given weights (no certificate: the lemma is a theorem; what is worth knowing is how tight it is).
Then the hypotheses are dropped.
"""

from fractions import Fraction
from typing import Any

from exactcnn import samples, verify
from proofs_checks import _critical_points as points
from proofs_checks._instances import conv, dense, network, random_rows, weights
from proofs_checks._script import Script, main

ASK: dict[str, Any] = {"statements": "lemma-4.3"}
ARCHITECTURES = {
    "k = L-1": (1, [conv(3, "sigmoid", kernel=2), dense(2)]),
    "sigmoid above": (1, [conv(3, "sigmoid", kernel=2), dense(4, "sigmoid"), dense(2)]),
    "softplus and tanh above": (1, [dense(8, "softplus"), dense(5, "softplus"), dense(3, "tanh"), dense(2)]),
    "a convolution above": (1, [conv(3, "sigmoid", kernel=2), conv(2, "sigmoid", kernel=1), dense(2)]),
    "ReLU below, deeper wide layer": (
        2,
        [dense(6, "relu"), dense(6, "sigmoid"), dense(3, "softplus"), dense(1)],
    ),
}


def checks(script: Script) -> None:
    script.heading("Both inequalities at given weights")
    for words, (k, layers) in ARCHITECTURES.items():
        net = network(4, *layers)
        for seed in (0, 1):
            data = samples(random_rows(seed, 4, 4, -2, 2), random_rows(seed + 9, 4, net.widths[-1], -3, 3))
            found = verify(net, data, seed=seed, bits=4, layer=k, **ASK)
            script.expect(f"{words}, seed {seed}", found, certified=False)

    script.heading("The two inequalities, exactly, at a point with simple numbers")
    # L = 2, k = 1, F_1 = diag(2, 1), F_2 = 0, Y = (3, 4): the gradient F_1^T (F_2 - Y) = (-6, -4).
    net = network(2, dense(2, "relu"), dense(1))
    gradient, low, high = 6**2 + 4**2, 1 * (9 + 16), 2**2 * (9 + 16)
    at = verify(net, samples([[2, 0], [0, 1]], [[3], [4]]), layer=1, **ASK,
                weights=weights(net, ([[1, 0], [0, 1]], [0, 0]), ([[0], [0]], [0])))  # fmt: skip
    script.expect("F_1 = diag(2, 1), residual (3, 4)", at, certified=False)
    summary = at.findings[0].summary
    script.fact(
        "  the enclosures hold the numbers computed by hand",
        all(
            Fraction(summary[name][0]) ** 2 <= value <= Fraction(summary[name][1]) ** 2
            for name, value in (("lower", low), ("gradient", gradient), ("upper", high))
        ),
        f"squares: {low} <= {gradient} <= {high}",
    )

    script.heading(
        "Each hypothesis dropped: every factor of the lower bound is positive and the gradient is 0"
    )
    for hypothesis, words, point in (
        ("n_{k+1} >= .. >= n_L", "n_2 = 1 < n_3 = 2, U_3 = (1, 1)", points.broken_pyramid()),
        ("linear output", "squares of outputs at 0", points.nonlinear_output()),
    ):
        found = verify(**point, statements="theorem-4.4", layer=1)
        script.counterexample(hypothesis, words, found)
        script.expect(
            "  F_1 and U_3 have full rank: sigma_min > 0", verify(**point, statements="s-k", layer=1)
        )
        summary = found.findings[0].summary
        script.fact(
            "  the gradient by U_2 is 0, the residual is not, and the slope of the sigmoid at 0 is 1/4",
            summary["zero_gradient"] is True and summary["zero_loss"] is False,
            "sigma_min(F_1) sigma_min(U_3) 1/4 ||F_3 - Y|| > 0 = ||grad_{U_2} Phi||",
            hypothesis=hypothesis,
        )
    script.heading("Where it says nothing, or does not speak")
    script.expect(
        "where a slope vanishes the lemma stays true: its lower bound is 0 (Theorem 4.4 is what fails)",
        verify(**points.flat_slope(), statements="theorem-4.4", layer=1),
        "refuted",
    )
    kinked = network(4, dense(6, "sigmoid"), dense(3, "relu"), dense(1))
    script.expect(
        "ReLU above layer k: the lemma does not speak of it",
        verify(kinked, samples(random_rows(0, 4, 4), [[1], [2], [3], [4]]), layer=1, **ASK),
        "undecided",
    )


if __name__ == "__main__":
    main(checks)
