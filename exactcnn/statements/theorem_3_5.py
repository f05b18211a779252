"""Floor 4: Theorem 3.5's conclusion for this network and this data: rank F_k = N for almost
every parameter of layers 1..k.

The hypotheses are findings of their own; the conclusion is decided directly:

* refuted by a counting bound that holds for every parameter, or by a box of positive volume on
  which a ReLU layer is dead;
* proved by one witness: a minor of F_k is real analytic in the parameters if sigma_1..sigma_k
  are, so it vanishes almost nowhere once it is non-zero somewhere (Lemma A.2).  Witnesses:
  nested specialisation (sigmoid, tanh, softplus at any depth), or the given weights.

A witness with activations outside Assumption 3.2, or data violating 3.1, proves the conclusion
for this instance; it is not an application of Theorem 3.5, and the reason says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from exactcnn.arithmetic.primes import default_primes, odd_order_element
from exactcnn.errors import UndecidedError
from exactcnn.features.bounds import CountingBound, counting_bounds
from exactcnn.features.collisions import distinct_patch_values
from exactcnn.features.dead_layer import DeadLayer, find_dead_layer
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import FeatureMinor, feature_minor
from exactcnn.features.nested import NESTED_ACTIVATIONS, NestedFeatures
from exactcnn.features.peeling import Peeling, peel
from exactcnn.linalg.evidence import Minor
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.network.activations import decide_assumption_3_2
from exactcnn.statements.assumption_3_1 import decide_assumption_3_1
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding

__all__ = ["AlmostEverywhere", "NestedMinor", "decide_theorem_3_5"]

_SEEDS = 8
_PEELING_SEEDS = 2
# Beyond this many samples peeling (linear) is quicker than elimination (cubic).
_PEEL_FROM = 3000
# Analytic, Assumption 3.2: the triangular limit needs both (FORMAT.md 6.7).
PEELED_ACTIVATIONS = ("sigmoid", "softplus", "silu", "gelu", "gaussian")
# Comparing all patches (Assumption 3.1) beyond this many entries takes minutes.
_LARGEST_COMPARISON = 50_000_000


@dataclass(frozen=True)
class NestedMinor:
    """A minor of the nested specialisation of ``seed`` and ``bits``, u -> ``root``."""

    minor: Minor
    root: int
    seed: int
    bits: int


@dataclass(frozen=True)
class AlmostEverywhere:
    """What decides the conclusion at ``layer``: exactly one of a witness or an obstacle."""

    layer: int
    samples: int
    width: int
    witness: NestedMinor | FeatureMinor | Peeling | None = None
    obstacle: CountingBound | DeadLayer | None = None


def decide_theorem_3_5(instance: Instance, k: int) -> Finding:
    """Is rank F_k = N for almost every parameter of layers 1..k, on this data?"""
    N, width = instance.N, instance.network.layer(k).width
    hypotheses = _hypotheses(instance, k)
    summary: dict[str, object] = {"layer": k, "samples": N, "width": width, "hypotheses": hypotheses}

    counting = counting_bounds(instance.network, instance.need_samples(), k)[0]
    if counting.bound < N:
        reason = f"rank F_{k} < N = {N} for every choice of parameters: {counting.sentence}."
        return Finding(
            "theorem-3.5", REFUTED, reason, {**summary, "route": counting.kind},
            AlmostEverywhere(k, N, width, obstacle=counting), k,
        )  # fmt: skip
    dead = find_dead_layer(instance, k)
    if dead is not None and dead.rank < N:
        rank = "<= 1" if dead.rank else "= 0"
        reason = (
            f"Layer {dead.layer} is ReLU: on a box of parameters of positive volume (its biases in "
            f"[{-dead.bound - 1}, {-dead.bound}]) all its units are dead and rank F_{k} {rank}."
        )
        return Finding(
            "theorem-3.5", REFUTED, reason, {**summary, "route": "dead-layer"},
            AlmostEverywhere(k, N, width, obstacle=dead), k,
        )  # fmt: skip
    if hypotheses["analytic"] is not True or hypotheses["no-pooling"] is not True:
        reason = f"Layers 1..{k} are not all known to be real analytic: one witness proves nothing."
        return Finding("theorem-3.5", UNDECIDED, reason, summary, None, k)
    peeling = _peeling_witness(instance, k)
    witness = peeling or _nested_witness(instance, k) or _given_witness(instance, k)
    if witness is None:
        reason = "No witness of full rank was found by the routes that apply to these activations."
        return Finding("theorem-3.5", UNDECIDED, reason, summary, None, k)
    route = "the given weights"
    if isinstance(witness, NestedMinor):
        route = "nested specialisation"
    elif isinstance(witness, Peeling):
        route = "triangular limit, by peeling"
    failing = [name for name, value in hypotheses.items() if value is False]
    unknown = [name for name, value in hypotheses.items() if value is None]
    context = ""
    if failing:
        context = (
            " This is a result for this data, not an application of Theorem 3.5, whose hypotheses fail "
            f"({', '.join(failing)})."
        )
    elif unknown:
        context = f" The hypotheses not decided here: {', '.join(unknown)}."
    reason = f"rank F_{k} = N = {N} for almost every parameter of layers 1..{k}; witness: {route}.{context}"
    return Finding(
        "theorem-3.5", PROVED, reason, {**summary, "route": route},
        AlmostEverywhere(k, N, width, witness=witness), k,
    )  # fmt: skip


def _hypotheses(instance: Instance, k: int) -> dict[str, bool | None]:
    """Theorem 3.5's hypotheses: True, False, or None where undecided or too large to compare."""
    network = instance.network
    layers = network.layers[:k]
    activations = [layer.activation for layer in layers if layer.activation is not None]
    first = network.layer(1)
    separate: bool | None = None
    if first.kind != "maxpool":
        if instance.N * first.patch_count * first.patch_size <= _LARGEST_COMPARISON:
            separate = decide_assumption_3_1(instance).verdict == PROVED
        elif distinct_patch_values(first, instance.need_samples(), 0) < instance.N:
            separate = False  # two samples agree at patch 0
    satisfied = [
        {PROVED: True, REFUTED: False}.get(decide_assumption_3_2(a.properties).verdict) for a in activations
    ]
    return {
        "no-pooling": all(layer.kind != "maxpool" for layer in layers),
        "bias-per-unit": all(layer.kind == "dense" or layer.bias == "unit" for layer in layers),
        "wide": network.layer(k).width >= instance.N,
        "analytic": _all([a.properties.real_analytic for a in activations]),
        "assumption-3.2": _all(satisfied),
        "assumption-3.1": separate,
    }


def _all(values: list[bool | None]) -> bool | None:
    if any(value is False for value in values):
        return False
    return None if any(value is None for value in values) else True


def _peeling_witness(instance: Instance, k: int) -> Peeling | None:
    """A complete peeling of layer 1: linear in the data, so it is tried first where it is long work.

    Small instances go to the other routes, whose witnesses are explicit parameters.
    """
    layer = instance.network.layer(k)
    activation = layer.activation
    if k != 1 or activation is None or activation.name not in PEELED_ACTIVATIONS:
        return None
    if layer.bias == "none" or (layer.bias == "filter" and layer.kind != "dense"):
        return None
    exact_routes = activation.name in NESTED_ACTIVATIONS or activation.kind != "other"
    if exact_routes and instance.N <= _PEEL_FROM:
        return None
    for seed in range(_PEELING_SEEDS):
        try:
            found = peel(instance, seed)
        except UndecidedError:
            return None
        if not found.left:
            return found
    return None


def _nested_witness(instance: Instance, k: int) -> NestedMinor | None:
    """Seeds are tried until no softplus layer meets opposite keys and the minor is full."""
    prime = default_primes(1)[0]
    root = odd_order_element(prime)
    # Softplus asks for no two opposite pre-activations among millions: a birthday bound.
    softplus = any(
        layer.activation is not None and layer.activation.name == "softplus"
        for layer in instance.network.layers[:k]
    )
    bits = 48 if softplus else 10
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


def _given_witness(instance: Instance, k: int) -> FeatureMinor | None:
    if instance.weights is None:
        return None
    try:
        found = feature_minor(FeatureMatrix(instance, k))
    except UndecidedError:
        return None
    return found if found.minor.rank == instance.N else None
