"""Beyond the paper, 3.6: hypotheses that the paper's own statements still need.

Claim. (a) Theorems 4.4, 4.5 and Corollary 4.6 need sigma_l' without zeros, l = k+1..L-1: with the strictly
increasing analytic sigma(t) = (1 + t^3/sqrt(1 + t^6))/2 there is a critical point in S_1 with Phi = 1/2. (b) For
class labels and k <= L-2 the first part of 4.5 is nearly empty: U_L v = 0 at critical points; Extension C asks for
injectivity on the complement of v only. (c) Figure 1 of the paper has pooling above the wide layer, against
Assumption 4.1.

Checked here: (a) and its cure; (b) a critical point of zero loss outside S_1 to which Extension C applies; (c). Not
covered: Theorem 3.4 for merely continuous sigma (the Cantor function has no exact values here).
"""

from fractions import Fraction

from exactcnn import samples, verify
from proofs_checks import _critical_points as points
from proofs_checks._instances import conv, dense, network, pool, weights
from proofs_checks._script import Script, main


def class_labels():
    """x = 0, 1, 2, labels 0, 1, 1; ReLU layer of rank 3; G_2 whole, so that F_2 is rational; F_2 U + b = Y."""
    net = network(1, dense(3, "relu"), dense(2, "sigmoid2"), dense(2))
    first = ([[1, 1, -1]], [1, Fraction(-1, 2), Fraction(3, 2)])
    F1 = [[max(Fraction(0), first[0][0][j] * x + first[1][j]) for j in range(3)] for x in (0, 1, 2)]
    G = [[0, 1], [1, 0], [-1, -1]]
    W2 = solve(F1, G)
    F2 = [[Fraction(2) ** n / (1 + Fraction(2) ** n) for n in row] for row in G]
    Y = [[1, 0], [0, 1], [0, 1]]
    solved = solve([[*row, Fraction(1)] for row in F2], Y)
    point = weights(net, first, (W2, [0, 0]), (solved[:2], solved[2]))
    return {"network": net, "data": samples([[0], [1], [2]], [0, 1, 1]), "weights": point}


def solve(A, B):
    """A^-1 B for a small rational matrix, by Gauss."""
    rows = [[Fraction(v) for v in a] + [Fraction(v) for v in b] for a, b in zip(A, B, strict=True)]
    n = len(rows)
    for j in range(n):
        pivot = next(i for i in range(j, n) if rows[i][j])
        rows[j], rows[pivot] = rows[pivot], rows[j]
        rows[j] = [v / rows[j][j] for v in rows[j]]
        for i in range(n):
            if i != j:
                rows[i] = [a - rows[i][j] * b for a, b in zip(rows[i], rows[j], strict=True)]
    return [row[n:] for row in rows]


def checks(script: Script) -> None:
    script.heading("(a) sigma' without zeros")
    for statement in ("theorem-4.4", "theorem-4.5", "corollary-4.6"):
        flat = verify(**points.flat_slope(), statements=statement, layer=1)
        script.counterexample("sigma_l' without zeros", f"{statement} fails at a point of S_1", flat)
        script.expect(f"  with sigmoid in its place {statement} holds there",
                      verify(**points.flat_slope("sigmoid"), statements=statement, layer=1))  # fmt: skip
    value = verify(**points.flat_slope(), statements="loss").findings[0].summary["loss"]
    script.fact(
        "Phi = 1/2 at the critical point", value == ["1/2"], str(value), hypothesis="sigma_l' without zeros"
    )

    script.heading("(b) class labels")
    point = class_labels()
    script.expect("a critical point", verify(**point, statements="critical-point"))
    outside = verify(**point, statements="s-k", layer=1)
    script.counterexample("U_L injective only beside v", "it lies outside S_1: U_3 v = 0", outside)
    script.expect(
        "Extension C applies: critical, and Phi = 0", verify(**point, statements="extension-c", layer=1)
    )

    script.heading("(c) Figure 1")
    figure = network([1, 8, 8], conv(20, "sigmoid", kernel=3), pool(kernel=2), dense(12, "sigmoid"), dense(2))
    found = verify(
        figure, [[(7 * i + j * j) % 16 for j in range(64)] for i in range(9)], statements="assumption-4.1"
    )
    script.counterexample("no pooling above", "a network of Figure 1's kind violates Assumption 4.1", found)
    script.skip("Theorem 3.4 for merely continuous sigma (the Cantor function)", "no exact values here")


if __name__ == "__main__":
    main(checks)
