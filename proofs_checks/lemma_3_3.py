"""Lemma 3.3: ReLU, sigmoid and softplus satisfy Assumption 3.2.

Assumption 3.2.  sigma is continuous, not constant, and
(a) has finite limits mu_- and mu_+ at -inf and +inf with mu_- mu_+ = 0, or
(b) |sigma(t)| <= rho_1 e^(rho_2 t) for t < 0 and |sigma(t)| <= rho_3 t + rho_4 for t >= 0, all rho > 0.

Claim.  relu(t) = max(0, t), sigmoid(t) = 1/(1 + e^-t) and softplus_alpha(t) = ln(1 + e^(alpha t))/alpha, alpha > 0,
satisfy it.

Checked here: the three (softplus for several alpha), and newer activations the paper does not speak of.  Then
activations that break one clause each: 3.2 is refuted for them, with the reason.
Functions written as expressions are decided by SymPy and have no certificate.
"""

from typing import Any

from exactcnn import Result, verify
from proofs_checks._instances import dense, network
from proofs_checks._script import Script, main


def asked(activation: Any) -> Result:
    return verify(network(1, dense(1, activation), dense(1)), [[0]], statements="assumption-3.2")


def written(expression: str) -> dict[str, str]:
    return {"name": "custom", "expression": expression}


def checks(script: Script) -> None:
    script.heading("The lemma")
    for name in ("relu", "sigmoid", "softplus"):
        script.expect(name, asked(name))
    for alpha in ("1/3", "2", "7/3"):
        script.expect(f"softplus, alpha = {alpha}", asked({"name": "softplus", "alpha": alpha}))

    script.heading("Others that satisfy it too")
    for name in ("silu", "gelu", "gaussian"):
        script.expect(name, asked(name))
    script.expect("the sigmoid, written as an expression", asked(written("1/(1 + exp(-t))")), certified=False)

    script.heading("Each clause dropped")
    for clause, activation in (
        ("mu_- mu_+ = 0", "tanh"),
        ("mu_- mu_+ = 0", "arctan"),
        ("mu_- = 0 where mu_+ is infinite", "elu"),
        ("exponential decay at -inf", "identity"),
        ("exponential decay at -inf", "leaky_relu"),
        ("at most linear growth at +inf", "square"),
    ):
        script.counterexample(clause, activation, asked(activation))
    for clause, expression in (
        ("not constant", "t - t + 2"),
        ("limits at -inf and +inf", "sin(t)"),
        ("at most linear growth at +inf", "exp(t)"),
        ("mu_- mu_+ = 0", "t/sqrt(1 + t**2)"),
    ):
        script.counterexample(clause, f"sigma(t) = {expression}", asked(written(expression)), certified=False)
    script.expect(
        "moved up by 1 the last one satisfies it", asked(written("1 + t/sqrt(1 + t**2)")), certified=False
    )


if __name__ == "__main__":
    main(checks)
