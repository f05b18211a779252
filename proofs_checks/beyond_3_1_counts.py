"""Beyond the paper, 3.1: how many patch systems violate Assumption 2.4, counted exhaustively.

Claim. Among all systems of different patches of l of n neurons, entries ascending, that cover all neurons, exactly
so many admit no filters of full rank: n = 4: l = 2: 2 of 41 (T = 1), 0 (T = 2); l = 3: 0 and 3 of 11; n = 5, l = 4:
0 and 7 of 26.

Checked here: every system is decided (both bounds of the generic rank); none is left undecided. The larger counts
of the theory (n = 5, l = 2 and 3; n = 6) are run with --full up to n = 5 only.
"""

from itertools import combinations

from exactcnn import verify
from proofs_checks._instances import conv, network
from proofs_checks._script import Script, main

COUNTS = {(4, 2): (41, 2, 0), (4, 3): (11, 0, 3), (5, 4): (26, 0, 7)}
LARGER = {(5, 2): (768, 45, 0), (5, 3): (958, 82, 20)}


def systems(n: int, size: int):
    every = list(combinations(range(n), size))
    for count in range(1, len(every) + 1):
        for chosen in combinations(every, count):
            if len({u for patch in chosen for u in patch}) == n:
                yield [list(patch) for patch in chosen]


def checks(script: Script) -> None:
    for (n, size), (total, *deficient) in {**COUNTS, **(LARGER if script.options.full else {})}.items():
        script.heading(f"n = {n} neurons, patches of {size}")
        found = list(systems(n, size))
        script.fact("the number of systems", len(found) == total, f"{len(found)}")
        for T, expected in enumerate(deficient, 1):
            verdicts = []
            for patches in found:
                net = network(n, conv(T, "relu", patches=patches, bias="none"))
                verdicts.append(verify(net, [[0] * n], statements="assumption-2.4").verdict)
            refuted, open_ones = verdicts.count("refuted"), verdicts.count("undecided")
            claim = f"T = {T}: deficient systems, none undecided"
            script.fact(claim, (refuted, open_ones) == (expected, 0), f"{refuted} of {len(found)}")
    if not script.options.full:
        script.skip("n = 5 with patches of 2 and 3", "only with --full")


if __name__ == "__main__":
    main(checks)
