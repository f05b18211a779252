"""Beyond the paper, 3.7: Table 1 hides that Xception does have a layer with n_k >= N.

Claim. Xception's widest layer has 147 x 147 x 128 = 2,765,952 units, above N = 1,281,167, though the table prints
700K. The other widths are as the theory says.

Checked here: widths from layer-by-layer definitions; `table_1` compares both columns for all architectures.
"""

from exactcnn.audit import ARCHITECTURES, audit
from proofs_checks._script import Script, main

N = 1_281_167
# (n_1, max n_k) as theory 3.7 states them, None where it does not.
STATED = {
    "xception": (None, 147 * 147 * 128),
    "vgg-d": (3_211_264, None),
    "inception-v3": (710_432, 1_382_976),
    "inception-v4": (710_432, 1_382_976),
    "squeezenet": (1_182_816, None),
    "enet": (1_048_576, None),
    "googlenet": (802_816, None),
    "resnet-50": (802_816, None),
}


def checks(script: Script) -> None:
    for name, (first, widest) in STATED.items():
        found = audit(ARCHITECTURES[name]())
        for words, stated, computed in (
            ("n_1", first, found.architecture.first.width),
            ("max n_k", widest, found.architecture.widest.width),
        ):
            if stated is not None:
                script.fact(f"{name}: {words}", computed == stated, f"{computed:,}")
    widest = audit(ARCHITECTURES["xception"]()).architecture.widest.width
    script.fact("Xception reaches N", widest >= N, f"{widest:,} >= {N:,}")
    widest = audit(ARCHITECTURES["resnet-50"]()).architecture.widest.width
    script.fact("ResNet does not", widest < N, f"{widest:,} < {N:,}", hypothesis="width")


if __name__ == "__main__":
    main(checks)
