"""Floor 4: Corollary 3.6: every target Y in R^{N x m} is reached by some output weights.

About the given weights of layers 1..L-1 and a dense linear layer L above them, k = L-1.  The reachable
targets are F_k W + 1 b^T.  Without a bias all are reached iff rank F_k = N, with one iff rank [F_k, 1]
= N; rank F_k = N is enough for both.  Refuted means: *not every* target is reached; then the
reachable ones form a proper subspace, so almost none is.  With a bias, rank [F_k, 1] < N follows from

* rank F_k <= N - 2, or
* two equal samples (the rows of [F_k, 1] are equal too), or
* a left kernel vector of F_k whose entries sum to 0.

If the data has targets and F_k is rational, the finding carries explicit exact output weights
(``Finding.exhibited``), multiplied out over the integers, or says that these very targets
are not reached.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exactcnn.arithmetic.primes import LARGEST_PRIME, odd_order_element
from exactcnn.errors import UndecidedError
from exactcnn.features.bounds import CountingBound
from exactcnn.features.forward import LayerValues
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import FeatureMinor
from exactcnn.landscape.interpolation import (
    OutputWeights,
    least_norm_solution,
    sparse_solution,
    target_matrix,
    targets_reached,
    with_ones,
    with_output,
)
from exactcnn.linalg.evidence import Kernel, Minor
from exactcnn.linalg.kernels import rational_kernel
from exactcnn.linalg.modular_rank import rank_mod_p
from exactcnn.network.weights import Weights
from exactcnn.statements.composite import Composite
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding
from exactcnn.statements.rank import RankEvidenceOfLayer, decide_rank
from exactcnn.statements.statement import Ask, statement

__all__ = ["decide_corollary_3_6", "interpolating_weights", "output_obstacle"]


def output_obstacle(instance: Instance, layer: int | None) -> str | None:
    """Why the statements with k = L-1 do not speak of this network; None if they do."""
    network = instance.network
    if not network.has_linear_output or network.depth < 2:
        return "It speaks of a dense linear output layer above a hidden one, which this network has not."
    if layer is not None and layer != network.depth - 1:
        return f"It speaks of layer k = L-1 = {network.depth - 1}, not of layer {layer}."
    return None


@statement(
    "corollary-3.6",
    group="expressivity",
    title="Corollary 3.6: any targets are reached",
    meaning="every target is reached by some weights of the dense linear output layer (k = L-1)",
    words="Whatever the targets, some output weights fit them exactly from the features of {at} {weights}.",
    formula="all Y exists W : F_k W = Y",
    how=(
        "`rank` at layer L-1; for the data's own targets and rational features explicit exact weights "
        "(`--save-weights`); *refuted*: not every target is reached (almost none is): rank of the "
        "features, with a column of ones if there is an output bias, below N"
    ),
    checked="`rank` is checked",
    exhibits=True,
    needs=("samples", "weights"),
)
def decide_corollary_3_6(instance: Instance, ask: Ask) -> Finding:
    """Is every target reached by some weights of the output layer, the others as given?"""
    layer = ask.layer
    obstacle = output_obstacle(instance, layer)
    if obstacle is not None:
        return Finding("corollary-3.6", UNDECIDED, obstacle, {"targets": None}, None, layer)
    network, N = instance.network, instance.N
    k, m = network.depth - 1, network.widths[-1]
    width, bias = network.layer(k).width, network.layer(k + 1).bias != "none"
    rank = decide_rank(instance, ask.at(k))
    evidence = rank.evidence
    assert isinstance(evidence, RankEvidenceOfLayer)
    if bias and evidence.upper == N - 1 and not _never_all(evidence, bias):
        rank, evidence = _with_left_kernel(instance, rank, evidence)
    never = _never_all(evidence, bias)
    augmented = None if rank.verdict == PROVED or never or not bias else _augmented_minor(instance, k)
    by_ones = augmented is not None and augmented.rank == N
    verdict = PROVED if rank.verdict == PROVED or by_ones else REFUTED if never else UNDECIDED
    summary: dict[str, object] = {
        "layer": k, "samples": N, "width": width, "outputs": m, "bias": bias, "lower": evidence.lower,
        "upper": evidence.upper, "targets": None, "weights": None,
    }  # fmt: skip
    weights: Weights | None = None
    note = ""
    try:
        Y = target_matrix(instance.need_samples(), m)
        F = _exact_features(instance, k)
        if verdict == PROVED:
            columns = _columns(evidence, augmented if by_ones else None)
            if columns is None:
                raise UndecidedError("the minor is not one of exact features")
            solution = sparse_solution(with_ones(F) if by_ones else F, Y, columns, bias=by_ones)
            weights = with_output(instance.need_weights(), solution)
            summary["targets"] = "reached"
            summary["weights"] = {"how": solution.how, "bits": solution.bits}
            note = f" Exact output weights for the given targets: {solution.how}, {solution.bits} bits."
        else:
            reached = targets_reached(with_ones(F) if bias else F, Y)
            summary["targets"] = None if reached is None else "reached" if reached else "not reached"
            if reached is not None:
                note = f" The given targets are {'' if reached else 'not '}reached."
    except UndecidedError as error:
        summary["weights"] = str(error)
    parts = None if by_ones or verdict == UNDECIDED else (rank,)
    made = None if parts is None else Composite(k, N, width, parts)
    reason = _reason(rank, k, N, m, verdict, by_ones, never) + note
    return Finding("corollary-3.6", verdict, reason, summary, made, k, exhibited=weights)


def interpolating_weights(instance: Instance, *, least_norm: bool = False) -> OutputWeights:
    """Exact W (n_{L-1} x m) with F_{L-1} W = Y for the instance's targets, sparse or of least norm.

    Raises UndecidedError where targets are absent, F_{L-1} is not rational or its rank is not N.
    """
    obstacle = output_obstacle(instance, None)
    if obstacle is not None:
        raise UndecidedError(obstacle)
    k = instance.network.depth - 1
    Y, F = target_matrix(instance.need_samples(), instance.network.widths[-1]), _exact_features(instance, k)
    if least_norm:
        return least_norm_solution(F, Y)
    return sparse_solution(F, Y, rank_mod_p(F.numerators).columns[: instance.N])


def _exact_features(instance: Instance, k: int) -> LayerValues:
    features = FeatureMatrix(instance, k)
    if features.domain != "rational":
        raise UndecidedError(f"F_{k} is not rational, so no exact weights are written down")
    return features.exact


def _columns(evidence: RankEvidenceOfLayer, augmented: Minor | None) -> tuple[int, ...] | None:
    if augmented is not None:
        return augmented.columns
    return evidence.minor.minor.columns if isinstance(evidence.minor, FeatureMinor) else None


def _augmented_minor(instance: Instance, k: int) -> Minor | None:
    """A minor of [F_k, 1] over GF(p), which proves its rank from below; None where F_k has no exact image."""
    try:
        features = FeatureMatrix(instance, k)
        if features.domain == "rational":
            return rank_mod_p(with_ones(features.exact).numerators)
        image, _ = features.residues(LARGEST_PRIME, odd_order_element(LARGEST_PRIME))
    except UndecidedError:
        return None
    ones = np.ones((image.shape[0], 1), dtype=image.dtype)
    return rank_mod_p(np.concatenate([image, ones], axis=1), LARGEST_PRIME)


def _with_left_kernel(
    instance: Instance, rank: Finding, evidence: RankEvidenceOfLayer
) -> tuple[Finding, RankEvidenceOfLayer]:
    """The same bounds with a left kernel vector instead of a counting rule, if its entries sum to 0."""
    if not isinstance(evidence.minor, FeatureMinor) or evidence.minor.substitution is not None:
        return rank, evidence
    values = FeatureMatrix(instance, evidence.layer).exact
    kernel = rational_kernel(values.numerators, evidence.minor.minor, "left")
    if kernel is None or kernel.upper_bound != evidence.upper:
        return rank, evidence
    other = replace(evidence, upper_rule=kernel, denominator=None)
    if not _never_all(other, True):
        return rank, evidence
    return replace(rank, evidence=other), other


def _never_all(evidence: RankEvidenceOfLayer, bias: bool) -> str | None:
    """Why rank F_k (with a bias: rank [F_k, 1]) is below N; None if that is not proved."""
    N, rule = evidence.samples, evidence.upper_rule
    if not bias:
        return "rank F < N" if evidence.upper < N else None
    if evidence.upper < N - 1:
        return "rank F < N - 1"
    if isinstance(rule, CountingBound) and rule.kind == "distinct-samples" and rule.bound < N:
        return "equal samples"
    if isinstance(rule, Kernel) and rule.side == "left":
        for vector in rule.vectors:
            if sum(value for _, value in vector.entries) == 0:
                return "a kernel vector with sum 0"
    return None


def _reason(rank: Finding, k: int, N: int, m: int, verdict: str, by_ones: bool, never: str | None) -> str:
    space = f"{N} x {m}"
    if by_ones:
        return (
            f"Every target in R^({space}) is reached by some output weights and biases: [F_{k}, 1] has rank "
            f"{N}, by a minor mod {LARGEST_PRIME}, though F_{k} has not (no certificate is written for this)."
        )
    if verdict == PROVED:
        return f"Every target in R^({space}) is reached by some output weights: {rank.reason}"
    if verdict == REFUTED:
        why = {
            "equal samples": " Equal samples cannot have different outputs.",
            "a kernel vector with sum 0": " The output bias does not help: a kernel vector has sum 0.",
        }.get(never or "", "")
        return (
            f"Not every target in R^({space}) is reached, whatever the output weights (those reached are a proper "
            f"subspace, a null set): {rank.reason}{why}"
        )
    return f"It is not known whether every target is reached: {rank.reason}"
