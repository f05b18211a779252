"""Floor 6: the statements of a certificate in plain words and as formulas, with what they are about.

These words say what a claim means, never that it holds: that is the checker's part.
"""

from __future__ import annotations

from typing import Any

from exactcnn.report.evidence import number_words, polynomial_words
from exactcnn.report.layout import Layout, short

__all__ = ["claim_rows", "hypotheses", "statement_words"]

# The statements of FORMAT.md -> (title, plain words, formula for a claim of "proved").  {at}: the layer or node, {N}:
# how many samples, {weights}, {there}: at which weights, {than}: at which others.
_STATEMENTS: dict[str, tuple[str, str, str]] = {
    "rank": (
        "Independent features",
        "The features that {at} computes from the {N} samples {weights} are linearly independent: any labels can be "
        "fitted from them by a linear layer.",
        "rank F_k = N",
    ),
    "assumption-2.4": (
        "Assumption 2.4: full-rank filters exist",
        "For some choice of its filters the matrix of {at} has full rank.",
        "max rank U_k = min ( n_k-1 , n_k )",
    ),
    "lemma-2.5": (
        "Lemma 2.5: almost all filters have full rank",
        "For almost every choice of its filters the matrix of {at} has full rank.",
        "rank U_k = min ( n_k-1 , n_k )",
    ),
    "lifted-rank": (
        "Full rank of a weight matrix",
        "The matrix of {at} {weights} has full rank.",
        "rank U_k = min ( n_k-1 , n_k )",
    ),
    "assumption-3.1": (
        "Assumption 3.1: all patches differ",
        "No patch of one sample equals a patch of another sample.",
        "x_i^p != x_j^q , i != j",
    ),
    "assumption-3.2": (
        "Assumption 3.2: a suitable activation",
        "The activation {activation} is continuous, not constant, and bounded as the paper asks.",
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
        "The patches of {at} reach every neuron below, and no two of them are the same.",
        "",
    ),
    "theorem-3.5": (
        "Theorem 3.5: independent features for almost all weights",
        "For almost every choice of the parameters up to {at} the features of the {N} samples are linearly "
        "independent.",
        "rank F_k = N",
    ),
    "extension-a": (
        "Extension A: the same with max-pooling",
        "For almost every choice of the parameters up to {at} the features of the {N} samples are linearly "
        "independent, with max-pooling between the layers.",
        "rank F_k = N",
    ),
    "extension-b": (
        "Extension B: shared biases, almost all data",
        "For almost every data set of {N} samples and almost every choice of the first layer's parameters its features "
        "have the largest rank possible.",
        "rank F_1 = min ( N , n_1 )",
    ),
    "theorem-3.4": (
        "Theorem 3.4: parameters with independent features exist",
        "Some parameters give linearly independent features at {at}, and full-rank weight matrices up to it.",
        "exists ( W , b ) : rank F_k = N",
    ),
    "lemma-4.2": (
        "Lemma 4.2: almost all parameters are good",
        "Almost all parameters lie in S_k: independent features at {at}, full-rank weight matrices from the second "
        "layer above it.",
        "lambda ( R^d - S_k ) = 0",
    ),
    "s-k": (
        "Membership of S_k",
        "With {there} the features are independent at {at}, and the weight matrices from the second layer above it "
        "have full rank.",
        "W in S_k",
    ),
    "no-bad-valley": (
        "No bad valleys",
        "Wherever the loss is below a bound, a path on which it stays below leads as close to the least loss as any "
        "outputs come: features at {at} are independent for almost all parameters, and the output is linear on them.",
        "for all a, every component C of { Phi < a } : inf_C Phi = inf Phi",
    ),
    "corollary-3.6": (
        "Corollary 3.6: any targets are reached",
        "Whatever the targets, some output weights fit them exactly from the features of {at} {weights}.",
        "all Y exists W : F_k W = Y",
    ),
    "loss": (
        "The loss at a point",
        "The loss {weights} is the number, or lies in the interval, that the evidence states.",
        "",
    ),
    "critical-point": (
        "Critical point",
        "Every partial derivative of the loss by a parameter is exactly 0 {weights}.",
        "grad Phi = 0",
    ),
    "local-minimum": (
        "Local minimum",
        "No weights near {there} have a smaller loss.",
        "Phi ( x ) >= Phi ( x^* )",
    ),
    "critical-point-nearby": (
        "A critical point nearby",
        "A small box around {there} holds exactly one critical point of the loss.",
        "exists ! x^* in X : grad Phi ( x^* ) = 0",
    ),
    "zero-loss-nearby": (
        "A global minimum nearby",
        "Within the stated distance of the output weights among {there} there are others that fit every target "
        "exactly.",
        "F_k W + b = Y",
    ),
    "point": (
        "One point, and what the theorems say of it",
        "",
        "",
    ),
    "smaller-loss": (
        "A smaller loss elsewhere",
        "The loss {weights} is smaller than {than}, or than that of the critical point in the box around these: no "
        "global minimum is there.",
        "Phi ( x ) < Phi ( y )",
    ),
}  # fmt: skip

_MOST = 100  # hidden layers that are listed one by one
# The hypotheses of Theorems 4.4 and 4.5 and Corollary 4.6 that a claim `point` lists where they fail.
_HYPOTHESES = {
    "no-pooling-above": "no pooling above layer k",
    "linear-output": "the last layer is dense and linear",
    "slopes-without-zeros": "no activation in layers k + 1 .. L - 1 has a slope of 0 (custom ones: at this point)",
    "pyramid": "from layer k + 1 upwards the widths do not grow",
    "dense-above": "layer k + 1 is dense (Theorem 4.5 and Corollary 4.6)",
    "fully-connected": "every layer is dense (Corollary 4.6)",
}


def statement_words(claim: dict[str, Any], layout: Layout, samples: int | None) -> tuple[str, str, str]:
    """(title, what the statement says, formula) of a claim; the formula may be empty."""
    name = claim["statement"]
    title, plain, mathematics = _STATEMENTS.get(name, (name, "A statement this report has no words for.", ""))
    if name == "point":
        return (title, *_point(claim, layout))
    weights = claim.get("weights")
    places = {
        "at": layout.place(claim.get("node"), "U" if name in _ABOUT_U else "F"),
        "N": short(claim.get("samples", "N" if samples is None else f"{samples:,}")),
        "weights": "with some choice of weights" if weights is None else f"at the weights “{short(weights)}”",
        "there": f"the weights “{short(weights)}”",
        "than": f"at the weights “{short(claim.get('than'))}”",
        "activation": _activation(claim.get("activation")),
    }
    return title, plain.format(**places), mathematics


_ABOUT_U = ("assumption-2.4", "lemma-2.5", "lifted-rank", "structure")


def _activation(value: Any) -> str:
    if not isinstance(value, dict):
        return short(value)
    more = [f"{short(key, 20)} = {short(each, 20)}" for key, each in value.items() if key != "name"]
    return short(value.get("name"), 30) + (f" ({', '.join(more[:3])})" if more else "")


def _point(claim: dict[str, Any], layout: Layout) -> tuple[str, str]:
    """The facts about one point in a sentence each, and as a formula."""
    critical, zero, flat, v = (
        claim.get("critical") is True,
        claim.get("loss") == [],
        claim.get("flat"),
        claim.get("v"),
    )
    at = layout.place(claim.get("node"))
    loss = polynomial_words(claim.get("loss"))
    inside = "lie in S_k" if v is None else "lie in the larger set of Extension C, for class labels,"
    sentences = [
        f"The weights “{short(claim.get('weights'))}” {inside} with {at} as layer k.",
        f"They are {'' if critical else 'not '}a critical point of the loss, which is {loss} there.",
    ]
    if flat is not None:
        size = "0" if flat is True else "not 0"
        sentences.append(
            f"The gradient by the matrix of layer k + 1, each entry taken for a parameter, is {size}."
        )
    if critical and not zero:
        sentences.append(
            "So a critical point in this set may have a loss above 0, where hypotheses of the theorems fail."
        )
    elif critical:
        sentences.append(
            "So this critical point is a global minimum, as the theorems say of critical points in this set."
        )
    set_of = "W in S_k" if v is None else "rank F_k = N"
    return " ".join(
        sentences
    ), f"{set_of} , grad Phi {'=' if critical else '!='} 0 , Phi {'=' if zero else '>'} 0"


def claim_rows(claim: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, value) that the claim itself states."""
    rows: list[tuple[str, str]] = []
    if isinstance(claim.get("lower"), int) and isinstance(claim.get("upper"), int):
        low, high = short(f"{claim['lower']:,}"), short(f"{claim['upper']:,}")
        rows.append(("rank", low) if low == high else ("rank lies between", f"{low} and {high}"))
    if "distance" in claim:
        rows.append(("distance at most", number_words(claim["distance"])))
    if isinstance(claim.get("v"), list):
        rows.append(("v, with y_i . v = 1", short(", ".join(map(number_words, claim["v"][:12])), 120)))
    return rows


def _listed(names: Any) -> str:
    return short(", ".join(map(str, names)) if isinstance(names, list) else names, 120)


def hypotheses(claim: dict[str, Any]) -> list[dict[str, str]]:
    """What a claim says of each hypothesis: of Assumption 4.1 layer by layer, of the theorems at a point."""
    failing = claim.get("failing")
    if not isinstance(failing, list):
        return []
    if claim["statement"] == "assumption-4.1":
        return [
            {
                "title": f"layer {k} as the wide layer",
                "verdict": "fails" if clauses else "holds",
                "note": short(", ".join(map(str, clauses)), 120)
                if isinstance(clauses, list) and clauses
                else "all clauses",
            }
            for k, clauses in enumerate(failing[:_MOST], 1)
        ]
    if claim["statement"] != "point":
        return []
    return [
        {"title": name, "verdict": "fails" if name in failing else "holds", "note": note}
        for name, note in _HYPOTHESES.items()
    ]
