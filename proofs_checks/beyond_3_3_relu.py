"""Beyond the paper, 3.3: Theorem 3.5 does not hold for ReLU (an open question of the paper), and how often it fails.

Claim. Biases so negative that every pre-activation is below 0 form an open set of parameters on which F_k = 0.

Checked here: a box of parameters of positive volume, with its proof, for one and two layers; the same networks with
an analytic activation, where the theorem holds; and the share of random draws with full rank.
"""

from exactcnn import verify
from proofs_checks._instances import conv, dense, network, random_rows
from proofs_checks._script import Script, main


def checks(script: Script) -> None:
    rows = random_rows(1, 6, 6)
    script.heading("A box of positive volume on which F_k = 0")
    for words, above in (("one layer", []), ("two layers", [dense(9, "relu")])):
        k = 1 + len(above)
        net = network(6, conv(3, "relu", kernel=2), *above, dense(1))
        found = verify(net, rows, statements="theorem-3.5", layer=k)
        script.counterexample(
            "analytic activation", f"{words}, ReLU: rank F_{k} < N on a set of positive measure", found
        )
        smooth = network(6, conv(3, "softplus", kernel=2), *[dense(9, "softplus") for _ in above], dense(1))
        script.expect(
            f"{words}, softplus: almost everywhere", verify(smooth, rows, statements="theorem-3.5", layer=k)
        )

    script.heading("The other side: random draws, decided exactly")
    net = network(6, conv(1, "relu", kernel=2), dense(1))
    smooth = network(6, conv(1, "sigmoid", kernel=2), dense(1))
    rows = random_rows(2, 4, 6)
    full = [verify(net, rows, statements="rank", layer=1, seed=seed).verdict for seed in range(40)]
    always = [verify(smooth, rows, statements="rank", layer=1, seed=seed).verdict for seed in range(40)]
    shares = full.count("proved"), full.count("refuted"), always.count("proved")
    script.fact("ReLU: some draws have full rank, some have not, none is undecided",
                0 < shares[0] < 40 and shares[0] + shares[1] == 40,
                f"{shares[0]} of 40 full, {shares[1]} deficient; sigmoid: {shares[2]} of 40")  # fmt: skip
    script.fact("sigmoid: every draw", shares[2] == 40)


if __name__ == "__main__":
    main(checks)
