"""Floor 6: the statements in plain words and as formulas, and their evidence in a line.

These words say what a claim means, never that it holds: that is the checker's part.
"""

from __future__ import annotations

from typing import Any

__all__ = ["evidence_rows", "hypotheses", "statement_words"]

# statement -> (title, plain words, formula for a claim of "proved")
_STATEMENTS: dict[str, tuple[str, str, str]] = {
    "rank": (
        "Independent features",
        "The features that layer {k} computes from the {N} samples are linearly independent: any labels can be "
        "fitted from them by a linear layer.",
        "rank F_k = N",
    ),
    "assumption-2.4": (
        "Assumption 2.4: full-rank filters exist",
        "For some choice of its filters the matrix of layer {k} has full rank.",
        "max rank U_k = min ( n_k-1 , n_k )",
    ),
    "lemma-2.5": (
        "Lemma 2.5: almost all filters have full rank",
        "For almost every choice of its filters the matrix of layer {k} has full rank.",
        "rank U_k = min ( n_k-1 , n_k )",
    ),
    "lifted-rank": (
        "Full rank of a weight matrix",
        "At the given weights the matrix of layer {k} has full rank.",
        "rank U_k = min ( n_k-1 , n_k )",
    ),
    "assumption-3.1": (
        "Assumption 3.1: all patches differ",
        "No patch of one sample equals a patch of another sample.",
        "x_i^p != x_j^q , i != j",
    ),
    "assumption-3.2": (
        "Assumption 3.2: a suitable activation",
        "The activation is continuous, not constant, and bounded as the paper asks.",
        "",
    ),
    "assumption-4.1": (
        "Assumption 4.1: a wide layer, then a pyramid",
        "Some hidden layer has at least as many units as there are samples; above it the network is smooth, without "
        "pooling, and does not widen; the output is linear.",
        "n_k >= N , n_k+1 >= n_L",
    ),
    "structure": (
        "Structure of the patches",
        "The patches of layer {k} reach every neuron below, and no two of them are the same.",
        "",
    ),
    "theorem-3.5": (
        "Theorem 3.5: independent features for almost all weights",
        "For almost every choice of the parameters up to layer {k} the features of the {N} samples are linearly "
        "independent.",
        "rank F_k = N",
    ),
    "extension-a": (
        "Extension A: the same with max-pooling",
        "For almost every choice of the parameters up to layer {k} the features of the {N} samples are linearly "
        "independent, with max-pooling between the layers.",
        "rank F_k = N",
    ),
    "extension-b": (
        "Extension B: shared biases, almost all data",
        "For almost every data set of this size and almost every choice of the first layer's parameters its features "
        "have the largest rank possible.",
        "rank F_1 = min ( N , n_1 )",
    ),
    "theorem-3.4": (
        "Theorem 3.4: parameters with independent features exist",
        "Some parameters give linearly independent features at layer {k}, and full-rank weight matrices up to it.",
        "exists ( W , b ) : rank F_k = N",
    ),
    "lemma-4.2": (
        "Lemma 4.2: almost all parameters are good",
        "Almost all parameters lie in S_k: independent features at layer {k}, full-rank weight matrices above.",
        "lambda ( R^d - S_k ) = 0",
    ),
    "loss": ("The loss at a point", "The loss at the stated weights is exactly the stated number.", "Phi = value"),
    "critical-point": (
        "Critical point",
        "Every partial derivative of the loss by a true parameter is exactly 0 at the stated weights.",
        "grad Phi = 0",
    ),
    "local-minimum": (
        "Local minimum",
        "No weights near the stated ones have a smaller loss.",
        "Phi ( x ) >= Phi ( x^* )",
    ),
    "critical-point-nearby": (
        "A critical point nearby",
        "A small box around the stated weights holds exactly one critical point of the loss.",
        "exists ! x^* in X : grad Phi ( x^* ) = 0",
    ),
    "zero-loss-nearby": (
        "A global minimum nearby",
        "Within the stated distance of the given output weights there are others that fit every target exactly.",
        "F_k W + b = Y",
    ),
    "zero-loss-exists": (
        "Zero loss is reached",
        "The stated weights fit every target exactly, with independent features at layer {k}.",
        "Phi = 0",
    ),
    "theorem-4.4": (
        "Theorem 4.4 at a point",
        "At the stated point, in S_k: the loss is 0 if and only if its gradient by layer {k}+1 is 0.",
        "Phi = 0 iff grad_Uk+1 Phi = 0",
    ),
    "theorem-4.5": (
        "Theorem 4.5 at a point",
        "The stated point, in S_k: if it is critical, its loss is 0.",
        "grad Phi = 0 implies Phi = 0",
    ),
    "corollary-4.6": (
        "Corollary 4.6 at a point",
        "Fully connected network; the stated point, in S_k: if it is critical, its loss is 0.",
        "grad Phi = 0 implies Phi = 0",
    ),
    "extension-c": (
        "Extension C: class labels",
        "The stated point, with class labels as targets: if it is critical, its loss is 0.",
        "grad Phi = 0 implies Phi = 0",
    ),
    "s-k": (
        "Membership of S_k",
        "The given weights have independent features at layer {k} and full rank above.",
        "W in S_k",
    ),
    "corollary-3.6": (
        "Corollary 3.6: any targets are reached",
        "Whatever the targets, some output weights fit them exactly, the other layers as given.",
        "all Y exists W : F_k W = Y",
    ),
}  # fmt: skip

_KINDS = {
    "minor": "a square part of the matrix whose determinant is not 0 modulo a prime",
    "minor-fiat-shamir": "a square part of the matrix shown to be invertible modulo a prime by a Fiat-Shamir test",
    "verified-inverse": "an approximate inverse of a square part, its error below 1 in interval arithmetic",
    "width": "too few columns",
    "distinct-samples": "too few different samples",
    "restriction": "too few different samples under some of the patches",
    "distinct-patches": "too few different patch values at some positions",
    "equal-positions": "too many equal columns under shared biases",
    "left-kernel": "linear relations between the rows",
    "right-kernel": "linear relations between the columns",
    "polynomial-kernel": "relations that hold for all filters",
    "cover": "rows and columns that hold every non-zero entry",
    "determinantal": "a determinantal identity of convolutions",
    "witness": "one witness, since the features are analytic in the weights",
    "nested": "a specialisation of all layers into a finite field",
    "triangular": "an order in which each sample is singled out by a unit",
    "general-position": "the hypotheses of the general proof, decided on this data",
    "bound": "a count that holds for all weights",
    "dead-layer": "a box of weights, of positive volume, on which a ReLU layer is dead",
    "all-distinct": "a comparison of all patches",
    "collision": "two equal patches of different samples",
    "limits": "the activation's limits",
    "growth": "the activation's growth",
    "table": "a table of activations",
    "definite": "gradient 0 and positive curvature on what symmetries leave free",
    "direction": "a direction of negative curvature",
    "partial": "a partial derivative that is not 0",
    "zero-loss": "a loss of 0, which cannot be less",
}


def statement_words(claim: dict[str, Any]) -> tuple[str, str, str]:
    """(title, what the statement says, formula) of a claim; the formula may be empty."""
    name = claim["statement"]
    title, plain, mathematics = _STATEMENTS.get(name, (name, "A statement this report has no words for.", ""))
    places = {"k": _short(claim.get("layer", "k")), "N": _short(claim.get("samples", "N"))}
    return title, plain.format(**places), mathematics


def _short(value: Any) -> str:
    """Anything of a certificate, cut to a readable length."""
    text = str(value)
    return text if len(text) <= 60 else text[:57] + ".."


def evidence_rows(claim: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, value) about the evidence of one claim, as the file states it."""
    rows: list[tuple[str, str]] = []
    for key, label in (
        ("layer", "layer k"),
        ("samples", "samples N"),
        ("width", "width n_k"),
        ("rows", "rows"),
        ("columns", "columns"),
    ):
        if isinstance(claim.get(key), int):
            rows.append((label, f"{claim[key]:,}"))
    if isinstance(claim.get("lower"), int) and isinstance(claim.get("upper"), int):
        rows.append(("rank lies between", f"{claim['lower']:,} and {claim['upper']:,}"))
    for key in ("value", "distance", "loss"):
        if key in claim:
            rows.append((key, _number(claim[key])))
    if isinstance(claim.get("inertia"), list):
        rows.append(("inertia of the Hessian (positive, negative)", _short(tuple(claim["inertia"]))))
    if claim.get("missing"):
        rows.append(("hypotheses that fail", _short(", ".join(map(str, claim["missing"])))))
    rows += _evidence(claim.get("evidence"), "")
    return rows


def _evidence(evidence: Any, prefix: str) -> list[tuple[str, str]]:
    if not isinstance(evidence, dict):
        return []
    rows: list[tuple[str, str]] = []
    kind = evidence.get("kind")
    if isinstance(kind, str):
        rows.append((f"{prefix}evidence", _KINDS.get(kind, _short(kind))))
    if isinstance(evidence.get("prime"), int):
        order = len(evidence["rows"]) if isinstance(evidence.get("rows"), list) else "?"
        rows.append(
            (
                f"{prefix}minor",
                f"order {order:,} modulo {evidence['prime']}" if order != "?" else "of unknown order",
            )
        )
    if isinstance(evidence.get("solutions"), list):
        rows.append((f"{prefix}Fiat-Shamir", f"{len(evidence['solutions'])} solved systems"))
    for key, label in (
        ("samples", "samples"),
        ("patches", "patches"),
        ("positions", "positions"),
        ("precision", "binary places"),
    ):
        if key in evidence:
            value = evidence[key]
            rows.append(
                (
                    f"{prefix}{label}",
                    _short(len(value) if isinstance(value, list) and len(value) > 8 else value),
                )
            )
    for key in ("vectors", "symmetries", "free"):
        if isinstance(evidence.get(key), list):
            rows.append((f"{prefix}{key}", f"{len(evidence[key])}"))
    for key, label in (("lower", "below: "), ("upper", "above: ")):
        rows += _evidence(evidence.get(key), label)
    return rows


def _number(value: Any) -> str:
    """A rational, an enclosure of two, or a polynomial in ln 2."""
    if isinstance(value, list):
        if not value:
            return "0"
        if len(value) == 1:
            return _short(value[0])
        return _short(" .. ".join(map(str, value)))
    return _short(value)


def hypotheses(claim: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a composite claim, and for Assumption 4.1 its clauses, as claims of their own."""
    parts = claim.get("parts")
    found = (
        [part for part in parts if isinstance(part, dict) and isinstance(part.get("statement"), str)]
        if isinstance(parts, list)
        else []
    )
    if claim["statement"] == "assumption-4.1" and isinstance(claim.get("layers"), list):
        for entry in claim["layers"]:
            if isinstance(entry, dict):
                failing = entry.get("failing") or []
                found.append({
                    "statement": f"layer {_short(entry.get('layer'))} as the wide layer",
                    "verdict": "refuted" if failing else "proved",
                    "note": f"fails: {_short(', '.join(map(str, failing)))}" if failing else "all clauses hold",
                })  # fmt: skip
    return found
