"""Beyond the paper, 3.4: bad local minima inside S_k when layer k+1 is convolutional.

Claim. Theorem 4.5's conclusion does not only fail at saddles: there are local minima in S_1 with Phi > 0 while far
smaller losses exist, both in an exact ReLU instance (values in Q(ln 2), Phi = 225199/1312200) and in all-sigmoid
networks with rational data, where they are common.

Checked here: the exact instance; and every certificate in the folder bad_minima: 19 for all-sigmoid networks and 9
with a ReLU first layer, found by `python -m tests.benchmarks.bad_minima`, each the proof (Krawczyk's test) of a
local minimum in S_1 together with a point of smaller loss. How often the search finds one is in that benchmark, not
here.
"""

import json
from pathlib import Path

from exactcnn import verify
from exactcnn.checker import check_file
from proofs_checks import _critical_points as points
from proofs_checks._script import Script, main

FOLDER = Path(__file__).parent / "bad_minima"


def checks(script: Script) -> None:
    script.heading("The exact instance")
    point = points.bad_minimum()
    script.expect("all 18 partial derivatives are 0", verify(**point, statements="critical-point"))
    script.expect("it is a local minimum", verify(**point, statements="local-minimum"))
    script.expect("Assumption 3.1 holds", verify(**point, statements="assumption-3.1"))
    value = verify(**point, statements="loss").findings[0].summary["loss"]
    script.fact("Phi = 225199/1312200", value == ["225199/1312200"], str(value))
    found = verify(**point, statements="theorem-4.5", layer=1)
    script.counterexample("layer k+1 fully connected", "critical, in S_1, and Phi > 0", found)

    script.heading("Found by search: each certificate is checked again")
    files = sorted(FOLDER.glob("*.json"))
    sigmoid = 0
    for path in files:
        made = json.loads(path.read_text())
        verdict = check_file(str(path))
        (box,) = (each for each in made["judgments"] if each["kind"] == "isolated")
        minimum = box["inertia"][1] == 0 and box["wide"] is not None
        bad = minimum and [c["statement"] for c in made["claims"]] == [
            "critical-point-nearby",
            "smaller-loss",
        ]
        sigmoid += path.name.startswith("sigmoid")
        script.fact(f"{path.stem}: a local minimum in S_1, and a smaller loss elsewhere",
                    bad and verdict.outcome == "VERIFIED", verdict.claims[0] if verdict.claims else verdict.reason,
                    hypothesis="layer k+1 fully connected")  # fmt: skip
    script.fact("at least ten instances, two of them all-sigmoid", len(files) >= 10 and sigmoid >= 2,
                f"{len(files)}, {sigmoid} of them all-sigmoid")  # fmt: skip


if __name__ == "__main__":
    main(checks)
