"""Floor 2: Assumption 3.2, decided from properties.

Continuous, not constant, and (a) finite limits at both ends with product 0, or (b) explicit
growth constants.  Refuted only where it is certain that it fails.
"""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.network.activations.properties import ActivationProperties, Limit

__all__ = ["Decision", "decide_assumption_3_2"]


@dataclass(frozen=True)
class Decision:
    """``verdict`` proved, refuted or undecided; ``case`` "a", "b" or None."""

    verdict: str
    case: str | None
    reason: str


def _product_is_zero(minus: Limit, plus: Limit) -> bool | None:
    """Are both limits finite with product 0?"""
    if minus.is_finite is False or plus.is_finite is False:
        return False
    if minus.is_finite is None or plus.is_finite is None:
        return None
    if minus.zero or plus.zero:
        return True
    return False if minus.zero is False and plus.zero is False else None


def decide_assumption_3_2(properties: ActivationProperties) -> Decision:
    """Decide 3.2; the reason is one sentence."""
    if properties.continuous is False:
        return Decision("refuted", None, "it is not continuous.")
    if properties.constant:
        return Decision("refuted", None, "it is constant.")
    limits = f"limits {properties.limit_minus} and {properties.limit_plus}"
    case_a = _product_is_zero(properties.limit_minus, properties.limit_plus)
    if properties.continuous and properties.constant is False:
        if case_a:
            return Decision("proved", "a", f"continuous, not constant, {limits} with product 0.")
        if properties.growth is not None:
            r1, r2, r3, r4 = properties.growth
            return Decision(
                "proved",
                "b",
                f"continuous, not constant, at most {r1} e^({r2} t) for t < 0 and {r3} t + {r4} for t >= 0.",
            )
    if case_a is False and properties.growth_impossible:
        why = properties.proofs.get("growth", "no growth constants can exist")
        return Decision("refuted", None, f"{limits} are not both finite with product 0; {why}")
    return Decision("undecided", None, "neither the limits nor growth constants could be decided.")
