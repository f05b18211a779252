"""Floor 6: the statements of a certificate in plain words and as formulas, with what they are about.

These words say what a claim means, never that it holds: that is the checker's part.
"""

from __future__ import annotations

from typing import Any

from exactcnn.report.evidence import number_words, polynomial_words
from exactcnn.report.layout import Layout, short
from exactcnn.statements import STATEMENTS

__all__ = ["claim_rows", "hypotheses", "statement_words"]

# What certificates claim and no statement is named after -> (title, words, formula), as of a Statement.  {than}: other weights.
_CLAIMS: dict[str, tuple[str, str, str]] = {
    "point": ("One point, and what the theorems say of it", "", ""),
    "smaller-loss": (
        "A smaller loss elsewhere",
        "The loss {weights} is smaller than {than}, or than that of the critical point in the box around these: no "
        "global minimum is there.",
        "Phi ( x ) < Phi ( y )",
    ),
}

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
    title, plain, mathematics = _words(name)
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


def _words(name: str) -> tuple[str, str, str]:
    """Of a claim's statement; a certificate may name anything."""
    found = STATEMENTS.get(name)
    if found is not None and found.words:
        return found.title, found.words, found.formula
    return _CLAIMS.get(name, (name, "A statement this report has no words for.", ""))


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
