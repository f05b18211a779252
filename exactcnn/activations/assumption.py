"""Floor 1: Assumption 3.2, decided from properties.

Continuous, not constant, and (a) finite limits at both ends with product 0, or (b) explicit
growth constants.  Proved and refuted are both certain; everything else is undecided.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from exactcnn.activations.properties import ActivationProperties, Limit
from exactcnn.arithmetic.texts import rational_text

__all__ = ["Decision", "decide_assumption_3_2"]


@dataclass(frozen=True)
class Decision:
    """``verdict`` proved, refuted or undecided; ``case`` "a", "b" or None; ``reason`` one sentence."""

    verdict: str
    case: str | None
    reason: str


def _product_is_zero(minus: Limit, plus: Limit) -> bool | None:
    """Are both limits finite with product 0?"""
    if minus.is_finite is False or plus.is_finite is False:
        return False
    if minus.is_zero is False and plus.is_zero is False:
        return False
    if minus.is_finite and plus.is_finite and (minus.is_zero or plus.is_zero):
        return True
    return None


def decide_assumption_3_2(properties: ActivationProperties) -> Decision:
    """Decide Assumption 3.2 of the paper for one activation.

    >>> from exactcnn.activations.activation import Activation
    >>> decide_assumption_3_2(Activation.from_json("sigmoid").properties).case
    'a'
    >>> decide_assumption_3_2(Activation.from_json("tanh").properties).verdict
    'refuted'
    """
    if properties.continuous is False:
        why = properties.proofs.get("continuous", "")
        return Decision(
            "refuted", None, f"it is not continuous on R: {why}" if why else "it is not continuous."
        )
    if properties.constant:
        return Decision("refuted", None, "it is constant.")
    minus, plus = properties.limit_minus, properties.limit_plus
    case_a = _product_is_zero(minus, plus)
    if case_a is False and properties.growth_refuted:
        which = _describe(minus, plus)
        why = properties.proofs.get("growth", "no growth constants exist.")
        return Decision("refuted", None, f"{which}, so case (a) fails, and case (b) fails too: {why}")
    if properties.continuous is None:
        return Decision("undecided", None, "it could not be decided whether it is continuous on R.")
    if properties.constant is None:
        return Decision("undecided", None, "it could not be decided whether it is constant.")
    if case_a:
        return Decision("proved", "a", f"continuous, not constant, limits {minus} and {plus} with product 0.")
    if properties.growth is not None:
        r1, r2, r3, r4 = properties.growth
        left, right = _times(r1, f"e^({_times(r2, 't')})"), f"{_times(r3, 't')} + {rational_text(r4)}"
        bounds = f"|sigma(t)| at most {left} for t < 0 and {right} for t >= 0"
        return Decision("proved", "b", f"continuous, not constant, {bounds}.")
    undecided = [
        name for name, value in (("(a)", case_a), ("(b)", properties.growth_refuted)) if value is None
    ]
    return Decision(
        "undecided", None, f"it could not be decided whether case {' or '.join(undecided)} holds."
    )


def _times(factor: Fraction, text: str) -> str:
    return text if factor == 1 else f"{rational_text(factor)} {text}"


def _describe(minus: Limit, plus: Limit) -> str:
    for limit, place in ((minus, "-infinity"), (plus, "+infinity")):
        if limit.kind == "none":
            return f"there is no limit at {place}"
        if limit.kind == "infinite":
            return f"the limit at {place} is infinite"
    return f"the limits {minus} and {plus} have a product other than 0"
