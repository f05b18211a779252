"""Floor 5: findings about the loss at the given weights, and about a zero of it nearby -> claims (FORMAT.md, section 8)."""

from __future__ import annotations

from fractions import Fraction

from exactcnn.arithmetic.texts import rational_text
from exactcnn.certificates.claims import Claim, encode
from exactcnn.certificates.correction import correction, large_correction
from exactcnn.certificates.instance_json import in_a_file, matrix_json
from exactcnn.certificates.judgments import Draft
from exactcnn.features.instance import Instance
from exactcnn.landscape.derivatives import targets_of
from exactcnn.landscape.nearby import Nearby
from exactcnn.network.weights import Weights
from exactcnn.statements.critical_point import EnclosedLoss
from exactcnn.statements.finding import Finding

__all__ = ["about_targets", "rounded", "weights_at"]

_MOST_CHECKED, _LOSS_PLACES = (
    1_000_000_000,
    96,
)  # products of a pass that the checker makes in half a minute or so


def weights_at(draft: Draft, instance: Instance) -> Weights | None:
    return None if instance.weights is draft.instance.weights else instance.need_weights()


def about_targets(draft: Draft, instance: Instance) -> None:
    draft.samples, draft.targets = True, targets_of(instance)


def rounded(value: Fraction, side: int) -> Fraction:
    """To 80 binary places, down (-1) or up (1)."""
    scaled = value * 2**80
    whole = scaled.numerator // scaled.denominator
    return Fraction(whole + (side > 0), 2**80)


@encode.register
def _(evidence: EnclosedLoss, finding: Finding, draft: Draft) -> Claim | None:
    instance, network = evidence.instance, draft.instance.network
    output = instance.need_weights()[network.depth] if network.layers[-1].affine else None
    work = instance.N * sum(layer.width * layer.patch_size for layer in network.layers)
    if not network.has_linear_output or output is None or not output.rational or work > _MOST_CHECKED:
        return None
    rational = all(
        layer.activation is None or layer.activation.kind == "rational" for layer in network.layers
    )
    if in_a_file(instance.need_samples()) and not rational:
        return None  # it cannot be tried here; of rational networks the checker's enclosure is exact
    name = draft.name_of(weights_at(draft, instance), network.depth, "point")
    about_targets(draft, instance)
    draft.samples = True
    low, high = evidence.bounds
    # The checker's own enclosures are a little wider, except of 0, which it finds exactly.
    room = high * Fraction(1, 2**40) + Fraction(1, 2**60) if high else Fraction(0)
    ends = [
        rational_text(max(rounded(low - room, -1), Fraction(0))),
        rational_text(rounded(high + room, 1) if high else high),
    ]
    by = draft.add({"kind": "loss-enclosed", "weights": name, "precision": _LOSS_PLACES, "bounds": ends})
    return {"statement": "loss", "weights": name, "by": [by]}


@encode.register
def _(evidence: Nearby, finding: Finding, draft: Draft) -> Claim | None:
    k = evidence.layer
    if evidence.inverse is not None:
        found = correction(draft, evidence)
        sigma = draft.sigma(k, tuple(range(evidence.samples)), found.columns, found.precision)
    elif evidence.change is not None:
        found, sigma = large_correction(draft, evidence, evidence.change)
    else:
        return None
    draft.targets = evidence.targets
    name = draft.name_of(None, draft.instance.network.depth)
    ends = [rational_text(value) for value in evidence.loss]
    by = [
        sigma,
        draft.add(
            {
                "kind": "correction",
                "weights": name,
                "precision": found.precision,
                "change": matrix_json(found.change),
            }
        ),
        draft.add({"kind": "loss-enclosed", "weights": name, "precision": found.precision, "bounds": ends}),
    ]
    distance = rational_text(max(evidence.distance, found.distance))
    return {
        "statement": "zero-loss-nearby", "node": draft.instance.network.node_of(k), "weights": name, "distance": distance,
        "by": by,
    }  # fmt: skip
