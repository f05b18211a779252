"""Floor 4: Theorem 3.4: some parameters give rank F_k = N with every U_l, l <= k, of full rank.

Proved by explicit rational parameters wherever exact ranks allow: the given ones, constructed ones
(``features.construction``) or seeded ones.  Where F_k at given weights is out of reach, Theorem 3.5's
conclusion and Lemma 2.5 prove the same without exhibiting any: almost every parameter will do.
Refuted by a bound that holds for every parameter, or by a layer whose U_l never has full rank
(Assumption 2.4 fails there, theory 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator

from exactcnn.activations import decide_assumption_3_2
from exactcnn.features.bounds import counting_bounds
from exactcnn.features.construction import construct_weights
from exactcnn.features.instance import Instance
from exactcnn.network.weights import Weights
from exactcnn.statements.almost_everywhere import AlmostEverywhere
from exactcnn.statements.assumption_2_4 import decide_assumption_2_4, decide_lemma_2_5
from exactcnn.statements.assumption_3_1 import decide_assumption_3_1
from exactcnn.statements.composite import Composite
from exactcnn.statements.extension_a import features_almost_everywhere
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding, all_of
from exactcnn.statements.lifted_rank import lifted_rank_finding
from exactcnn.statements.rank import decide_rank
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_theorem_3_4"]

_LARGEST_COMPARISON = 20_000_000
_SEEDS = 2


@statement(
    "theorem-3.4",
    group="expressivity",
    title="Theorem 3.4: parameters with independent features exist",
    meaning="some parameters give rank F_k = N with every U_l, l <= k, of full rank",
    words=(
        "Some parameters give linearly independent features at {at}, and full-rank weight matrices up to it."
    ),
    formula="exists ( W , b ) : rank F_k = N",
    how=(
        "explicit rational parameters (given, constructed or seeded; `--save-weights` keeps them for "
        "`--weights`), or almost all of them will do; *refuted*: no parameters do: a counting bound, or a "
        "layer whose U_l never has full rank, by name"
    ),
    checked="all ranks are recomputed at these parameters",
    exhibits=True,
    needs=("samples",),
    wide=True,
)
def decide_theorem_3_4(instance: Instance, ask: Ask) -> Finding:
    """Do parameters with rank F_k = N and full-rank U_1..U_k exist for this network and data?"""
    k = ask.k
    network, N = instance.network, instance.N
    width = network.layer(k).width
    hypotheses = _hypotheses(instance, k)
    summary: dict[str, object] = {"layer": k, "samples": N, "width": width, "hypotheses": hypotheses}

    def finding(
        verdict: str, reason: str, route: str | None, parts: list[Finding], at: Weights | None = None
    ) -> Finding:
        weights = None if at is instance.weights else at
        evidence = Composite(k, N, width, tuple(parts), weights) if parts else None
        summed = {**summary, "route": route}
        return Finding("theorem-3.4", verdict, reason, summed, evidence, k, exhibited=at)

    counting = counting_bounds(network, instance.need_samples(), k)[0]
    if counting.bound < N:
        reason = f"rank F_{k} < N = {N} for every choice of parameters: {counting.sentence}."
        obstacle = AlmostEverywhere(k, N, width, obstacle=counting)
        return finding(
            REFUTED, reason, counting.kind, [Finding("theorem-3.5", REFUTED, reason, {}, obstacle, k)]
        )
    layers = [layer for layer in network.layers[:k] if layer.kind != "maxpool"]
    for layer in layers:
        if layer.kind == "conv":
            (lifted,) = decide_assumption_2_4(instance, ask.at(layer.index))
            if lifted.verdict == REFUTED:
                reason = f"The full-rank clause fails: {lifted.reason}"
                return finding(REFUTED, reason, "assumption-2.4", [lifted])
    for route, weights in _candidates(instance, k):
        chosen = Instance(network, instance.samples, weights)
        found = decide_rank(chosen, ask.certifiable())
        if found.verdict != PROVED:
            continue
        parts = [found, *(lifted_rank_finding(chosen, layer.index) for layer in layers)]
        if all(part.verdict == PROVED for part in parts):
            names = ", ".join(f"U_{layer.index}" for layer in layers)
            reason = (
                f"At {route} rank F_{k} = N = {N} and {names} {'have' if len(layers) > 1 else 'has'} full rank."
                + _context(hypotheses)
            )
            return finding(PROVED, reason, route, parts, weights)
    return _by_almost_every(instance, ask, finding) or finding(
        UNDECIDED, "No parameters with full ranks were found by the routes that apply.", None, []
    )


def _candidates(instance: Instance, k: int) -> Iterator[tuple[str, Weights]]:
    if instance.weights is not None:
        yield "the given weights", instance.weights
    for seed in range(_SEEDS):
        constructed = construct_weights(instance, k, seed)
        if constructed is not None:
            yield f"constructed weights (seed {seed})", constructed
    for seed in range(_SEEDS):
        yield f"the weights of seed {seed}", Weights.from_seed(instance.network, seed)


def _by_almost_every(instance: Instance, ask: Ask, finding: object) -> Finding | None:
    """Almost every parameter has full ranks, so some has."""
    features = features_almost_everywhere(instance, ask)
    convolutional = [layer for layer in instance.network.layers[: ask.k] if layer.kind == "conv"]
    lifted = [part for layer in convolutional for part in decide_lemma_2_5(instance, ask.at(layer.index))]
    parts = [features, *lifted]
    if any(part.verdict != PROVED for part in parts):
        return None
    reason = f"Almost every parameter will do, so some exist, though none is exhibited: {features.reason}"
    assert callable(finding)
    made: Finding = finding(PROVED, reason, "almost every parameter", parts)
    return made


def _hypotheses(instance: Instance, k: int) -> dict[str, bool | None]:
    network = instance.network
    first, last = network.layer(1), network.layer(k)
    separate: bool | None = None
    if first.kind != "maxpool" and instance.N * first.patch_count * first.patch_size <= _LARGEST_COMPARISON:
        separate = decide_assumption_3_1(instance, Ask()).verdict == PROVED
    activations = [layer.activation for layer in network.layers[:k] if layer.activation is not None]
    return {
        "ends-convolutional": first.kind != "maxpool" and last.kind != "maxpool",
        "wide": last.width >= instance.N,
        "assumption-3.2": all_of(
            {PROVED: True, REFUTED: False}.get(decide_assumption_3_2(a.properties).verdict)
            for a in activations
        ),
        "assumption-3.1": separate,
    }


def _context(hypotheses: dict[str, bool | None]) -> str:
    failing = [name for name, value in hypotheses.items() if value is False]
    if not failing:
        return ""
    return f" (Shown for this data; the hypotheses of Theorem 3.4 fail: {', '.join(failing)}.)"
