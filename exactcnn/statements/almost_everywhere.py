"""Floor 4: "rank F_k = N for almost every parameter of layers 1..k", decided on this data.

* Refuted by a counting bound that holds for every parameter, or by a box of positive volume on
  which a ReLU layer is dead.
* Proved by one witness: a minor of F_k is real analytic in the parameters if sigma_1..sigma_k
  are and nothing pools, so it vanishes almost nowhere once it is non-zero somewhere (Lemma A.2).
* Proved by the general proof, where its hypotheses hold on this data (``general_position``).

The routes are tried in the order of their cost; the finding says which one decided.  Theorem 3.5
and Extension A are faces of this one question: the second admits pooling, hence no witness.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import numpy as np

from exactcnn.arithmetic.primes import default_primes, odd_order_element
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import VerifiedMinor, verified_minor
from exactcnn.features.bounds import CountingBound, counting_bounds
from exactcnn.features.dead_layer import DeadLayer, find_dead_layer
from exactcnn.features.general_position import (
    GeneralPosition,
    general_position,
    own_bias,
    peelable,
)
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import FeatureMinor, feature_minor
from exactcnn.features.nested import NestedFeatures
from exactcnn.features.peeling import Peeling, peel
from exactcnn.features.triangular import TriangularWitness, triangular_witness
from exactcnn.features.witness_weights import witness_weights
from exactcnn.linalg.evidence import Minor
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding
from exactcnn.statements.float_rank import FLOATS, FloatRank, float_rank
from exactcnn.statements.statement import Ask

__all__ = ["AlmostEverywhere", "FloatWitness", "NestedMinor", "Witness", "decide_almost_everywhere"]

_SEEDS = 8
_TRIALS = 8
_SMALL = 40
_PEELING_SEEDS = 2
# Beyond this many samples peeling (linear) is quicker than elimination (cubic).
_PEEL_FROM = 3000
# From here on one direction for all filters is tried first.
_STREAM_FROM = 100_000


@dataclass(frozen=True)
class NestedMinor:
    """A minor of the nested specialisation of ``seed`` and ``bits``, u -> ``root``."""

    minor: Minor
    root: int
    seed: int
    bits: int


@dataclass(frozen=True)
class FloatWitness:
    """Full rank by floats with bounds, at the given weights or at others."""

    given: bool
    rank: FloatRank


Witness = NestedMinor | FeatureMinor | VerifiedMinor | TriangularWitness | GeneralPosition | FloatWitness


@dataclass(frozen=True)
class AlmostEverywhere:
    """What decides the conclusion at ``layer``: exactly one of a witness or an obstacle."""

    layer: int
    samples: int
    width: int
    witness: Witness | None = None
    obstacle: CountingBound | DeadLayer | None = None

    @property
    def rests_on(self) -> frozenset[str]:
        return frozenset({FLOATS}) if isinstance(self.witness, FloatWitness) else frozenset()


def decide_almost_everywhere(
    statement: str, instance: Instance, ask: Ask, hypotheses: Mapping[str, bool | None]
) -> Finding:
    """The finding of ``statement`` (theorem-3.5 or extension-a); ``hypotheses`` go into its summary."""
    k = ask.k
    N, width = instance.N, instance.network.layer(k).width
    summary: dict[str, object] = {
        "layer": k, "samples": N, "width": width, "hypotheses": dict(hypotheses)
    }  # fmt: skip

    def finding(verdict: str, reason: str, route: str | None, evidence: AlmostEverywhere | None) -> Finding:
        return Finding(statement, verdict, reason, {**summary, "route": route}, evidence, k)

    counting = counting_bounds(instance.network, instance.need_samples(), k)[0]
    if counting.bound < N:
        reason = f"rank F_{k} < N = {N} for every choice of parameters: {counting.sentence}."
        return finding(REFUTED, reason, counting.kind, AlmostEverywhere(k, N, width, obstacle=counting))
    dead = find_dead_layer(instance, k) if instance.network.is_chain else None
    if dead is not None and dead.rank < N:
        rank = "= 0" if dead.rank == 0 else f"<= {dead.rank}"
        reason = (
            f"Layer {dead.layer} is ReLU: on a box of parameters of positive volume (its biases in "
            f"[{-dead.bound - 1}, {-dead.bound}]) all its units are dead and rank F_{k} {rank}."
        )
        return finding(REFUTED, reason, "dead-layer", AlmostEverywhere(k, N, width, obstacle=dead))
    layers = instance.network.upto(k)
    analytic = hypotheses["analytic"] is True and all(layer.kind != "maxpool" for layer in layers)
    witness: Witness | None
    if not instance.network.is_chain:  # the other routes are stated for chains
        witness = (_given_witness(instance, ask) or _float_witness(instance, k)) if analytic else None
    else:
        witness = _witness(instance, ask) if analytic else general_position(instance, k)
    if witness is None:
        reason = (
            "No witness of full rank was found by the routes that apply to these activations."
            if analytic
            else f"Layers 1..{k} are not all known to be real analytic, or pool: one witness proves nothing, "
            "and the hypotheses of the general proof do not all hold here"
            f" ({', '.join(name for name, value in hypotheses.items() if value is not True)})."
        )
        return finding(UNDECIDED, reason, None, None)
    route, words = _route(witness)
    reason = (
        f"rank F_{k} = N = {N} for almost every parameter of layers 1..{k}; {words}."
        + _context(statement, hypotheses)
    )  # fmt: skip
    return finding(PROVED, reason, route, AlmostEverywhere(k, N, width, witness=witness))


def _context(statement: str, hypotheses: Mapping[str, bool | None]) -> str:
    """What the conclusion owes to the theorem, if it is not simply an application of it."""
    failing = [name for name, value in hypotheses.items() if value is False]
    unknown = [name for name, value in hypotheses.items() if value is None]
    name = statement.replace("-", " ").capitalize()
    if failing:
        return (
            f" This is a result for this data, not an application of {name}, whose hypotheses fail "
            f"({', '.join(failing)})."
        )
    return f" The hypotheses not decided here: {', '.join(unknown)}." if unknown else ""


def _route(witness: Witness) -> tuple[str, str]:
    if isinstance(witness, NestedMinor):
        return "nested specialisation", "witness: nested specialisation"
    if isinstance(witness, TriangularWitness):
        core = len(witness.thresholds)
        words = f" and a core of {core} samples" if core else ""
        return "triangular limit, by peeling", f"witness: triangular limit, by peeling{words}"
    if isinstance(witness, GeneralPosition):
        return (
            "general position",
            "by the general proof: patches at equal positions of layer 1 differ between samples",
        )
    if isinstance(witness, FloatWitness):
        at = "the given weights" if witness.given else "weights from a seed, scaled to the samples if need be"
        return f"{at}, by floats", f"witness: {at}, where {witness.rank.how}"
    if isinstance(witness, VerifiedMinor):
        return "the given weights, by balls", "witness: the given weights, by balls and a verified inverse"
    return "the given weights", "witness: the given weights"


def _witness(instance: Instance, ask: Ask) -> Witness | None:
    """All activations of layers 1..k being analytic: the first route that succeeds."""
    k = ask.k
    return (
        _peeling_witness(instance, k)
        or _nested_witness(instance, k)
        or _given_witness(instance, ask)
        or general_position(instance, k)
        or _float_witness(instance, k)
    )


def _peeling_witness(instance: Instance, k: int) -> TriangularWitness | None:
    """A complete peeling of layer 1: linear in the data, so it is tried first where it is long work.

    Small instances go to the other routes, whose witnesses are explicit parameters.
    """
    activation = instance.network.layer(k).activation
    if k != 1 or activation is None or not peelable(activation) or not own_bias(instance, 1):
        return None
    entry = activation.builtin
    exact_routes = entry is not None and (entry.nested or entry.kind != "other")
    if exact_routes and instance.N <= _PEEL_FROM:
        return None
    for seed in range(_PEELING_SEEDS):
        try:
            peeled = _peeled_by_columns(instance, seed) or peel(instance, seed)
        except UndecidedError:
            return None
        found = triangular_witness(instance.network.layer(1), instance.need_samples().x.numerators, peeled)
        if found is not None:
            return found
    return None


def _peeled_by_columns(instance: Instance, seed: int) -> Peeling | None:
    """The quicker kind of peeling, for very many samples of bytes; None if it leaves any."""
    x = instance.need_samples().x.numerators
    if instance.N < _STREAM_FROM or int(x.min()) < 0 or int(x.max()) > 255:
        return None
    from exactcnn.features.streamed_peeling import ArrayColumns, peel_columns

    found = peel_columns(instance.network.layer(1), ArrayColumns(x.astype(np.uint8)), seed)
    return None if found.left else found


def _nested_witness(instance: Instance, k: int) -> NestedMinor | None:
    """Seeds are tried until no softplus layer meets opposite keys and the minor is full."""
    prime = default_primes(1)[0]
    root = odd_order_element(prime)
    entries = [each.activation.builtin for each in instance.network.layers[:k] if each.activation is not None]
    # Without a reflection (softplus) no two pre-activations among millions may be opposite: a birthday bound.
    bits = 48 if any(entry is not None and entry.reflected is None for entry in entries) else 10
    for attempt in range(_SEEDS):
        try:
            image = NestedFeatures(instance, k, attempt, bits).image(prime, root)
        except UndecidedError:
            continue
        minor = rank_mod_p(image, prime)
        if minor.rank == instance.N:
            return NestedMinor(minor, root, attempt, bits)
        if attempt >= 1:
            return None
    return None


def _given_witness(instance: Instance, ask: Ask) -> FeatureMinor | None:
    if instance.weights is None:
        return None
    try:
        found = feature_minor(FeatureMatrix(instance, ask.k), checkpoint=ask.checkpoint)
    except UndecidedError:
        return None
    return found if found.rank == instance.N else None


def _float_witness(instance: Instance, k: int) -> FloatWitness | VerifiedMinor | None:
    """At the given weights, by balls where there are few samples or floats do not do; then by floats at others."""
    if instance.weights is not None:
        with suppress(UndecidedError):
            if instance.N > _SMALL:
                return FloatWitness(True, float_rank(instance, k))
        with suppress(UndecidedError):
            found = verified_minor(instance, k)
            if found is not None and found.rank == instance.N:
                return found
    for weights in islice(witness_weights(instance, k), _TRIALS):
        with suppress(UndecidedError):
            return FloatWitness(False, float_rank(Instance(instance.network, instance.samples, weights), k))
    return None
