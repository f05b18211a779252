"""Floor 4: `rank`: has F_k rank N at the given weights and data?

Lower bound: a minor that does not vanish mod p, in Q or in Q(u), or for activations without such
a field sigma_min > 0 by float64 with proved bounds, or a minor that is non-singular by ball arithmetic
and a verified inverse.  Upper bound: counting
(width, equal samples, positions with few patch values), then kernel vectors.  Proved needs
the lower bound to reach N, refuted the upper bound to stay below N; both bounds are in the
evidence either way.  Where ``Ask.fast`` float64 with proved bounds is tried before.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from exactcnn.arithmetic.texts import rational_text
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import VerifiedMinor, verified_minor
from exactcnn.features.bounds import CountingBound, counting_bounds
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import FeatureMinor, feature_minor
from exactcnn.features.relations import feature_kernel
from exactcnn.linalg.evidence import Kernel
from exactcnn.statements.finding import PROVED, REFUTED, UNDECIDED, Finding
from exactcnn.statements.float_rank import FLOATS, FloatRank, float_rank
from exactcnn.statements.statement import Ask, statement

__all__ = ["RankEvidenceOfLayer", "decide_rank"]

# Up to this many samples balls are quick, and a certificate eliminates the same enclosures.
_SMALL = 40


@dataclass(frozen=True)
class RankEvidenceOfLayer:
    """lower <= rank F_k <= upper over R.

    ``upper_rule`` None stands for the trivial bound N.  ``denominator`` is D of the
    exponential domain for kernel relations, None in the rational domain.
    """

    layer: int
    samples: int
    width: int
    lower: int
    upper: int
    minor: FeatureMinor | VerifiedMinor | FloatRank | None
    upper_rule: CountingBound | Kernel | None
    denominator: int | None

    @property
    def rests_on(self) -> frozenset[str]:
        return frozenset({FLOATS}) if isinstance(self.minor, FloatRank) else frozenset()

    @property
    def verdict(self) -> str:
        if self.lower == self.samples:
            return PROVED
        return REFUTED if self.upper < self.samples else UNDECIDED


@statement(
    "rank",
    group="expressivity",
    title="Independent features",
    meaning="F_k has rank N: the features of all samples are linearly independent over R",
    words=(
        "The features that {at} computes from the {N} samples {weights} are linearly independent: any "
        "labels can be fitted from them by a linear layer."
    ),
    formula="rank F_k = N",
    how=(
        "a minor that is not 0 mod a prime, over Q (relu, leaky relu, square, identity, max-pooling, any "
        "depth) or over Q(e^(1/D)) (sigmoid, tanh, silu, elu, gaussian on top of such layers); for every "
        "other combination float64 enclosures with sigma_min > 0, or (small and ill-conditioned cases) "
        "ball arithmetic and a verified inverse; *refuted*: rank < N, with the exact rank where both "
        "bounds meet: too few columns, too few different patches, or kernel vectors"
    ),
    checked=(
        "the minor is recomputed, or (beyond size 150) shown non-singular by a Fiat-Shamir test with "
        "error below 2^-192; where enclosures were needed, the same in the checker's own (beyond size 40 "
        "by the test); refuted: counted again, or multiplied out"
    ),
    needs=("samples", "weights"),
    wide=True,
    graphs=True,
    tied=True,
)
def decide_rank(instance: Instance, ask: Ask) -> Finding:
    """The finding `rank` for layer k, with the best bounds found on both sides."""
    k = ask.k
    N, width = instance.N, instance.network.layer(k).width
    counting = counting_bounds(instance.network, instance.need_samples(), k)[0]
    upper: int = min(N, counting.bound)
    rule: CountingBound | Kernel | None = counting if upper < N else None
    minor: FeatureMinor | VerifiedMinor | FloatRank | None = None
    denominator: int | None = None
    obstacle = note = ""
    if upper == N and ask.fast:
        try:
            by_floats = float_rank(instance, k)
        except UndecidedError as error:
            note = f" {str(error)[0].upper()}{str(error)[1:]}; the exact routes were asked."
        else:
            evidence = RankEvidenceOfLayer(k, N, width, N, N, by_floats, None, None)
            return Finding("rank", PROVED, _reason(evidence, ""), _summary(evidence), evidence, k)
    try:
        features = FeatureMatrix(instance, k)
        minor = found = feature_minor(features, ask.prime, enough=upper, checkpoint=ask.checkpoint)
        if minor.rank < upper:
            kernel = feature_kernel(features, found)
            if kernel is not None and kernel.upper_bound < upper:
                upper, rule = kernel.upper_bound, kernel
                denominator = None if features.domain == "rational" else features.exact.denominator
    except UndecidedError as error:
        obstacle = str(error)
        minor = _without_field(instance, k, upper)
    evidence = RankEvidenceOfLayer(
        k, N, width, 0 if minor is None else minor.rank, upper, minor, rule, denominator
    )
    reason = _reason(evidence, obstacle) + note
    return Finding("rank", evidence.verdict, reason, _summary(evidence), evidence, k)


def _without_field(instance: Instance, k: int, upper: int) -> VerifiedMinor | FloatRank | None:
    """Where no exact field is known: all rows by floats with bounds, else as many as balls show."""
    if upper == instance.N > _SMALL:
        with suppress(UndecidedError):
            return float_rank(instance, k)
    with suppress(UndecidedError):
        return verified_minor(instance, k)
    return None


def _reason(evidence: RankEvidenceOfLayer, obstacle: str) -> str:
    k, N = evidence.layer, evidence.samples
    size = f"F_{k} ({N} x {evidence.width})"
    if evidence.verdict == PROVED:
        assert evidence.minor is not None
        proof = "" if isinstance(evidence.minor, FloatRank) else f"a minor of size {N} "
        return (
            f"{size} has rank {N}: the features of all {N} samples are linearly independent over R; "
            f"{proof}{evidence.minor.how}."
        )
    if evidence.verdict == REFUTED:
        rule = evidence.upper_rule
        why = (
            rule.sentence
            if isinstance(rule, CountingBound)
            else f"{len(rule.vectors)} independent {rule.side} kernel vectors"
            if rule is not None
            else ""
        )
        exact = (
            f"rank {evidence.lower}" if evidence.lower == evidence.upper else f"rank at most {evidence.upper}"
        )
        return f"{size} has {exact}, less than N = {N}: {why}."
    known = f"the rank of {size} lies between {evidence.lower} and {evidence.upper}"
    return f"{known}; {obstacle}." if obstacle else f"{known}; the routes tried decide no more."


def _summary(evidence: RankEvidenceOfLayer) -> dict[str, object]:
    rule = evidence.upper_rule
    return {
        "layer": evidence.layer,
        "samples": evidence.samples,
        "width": evidence.width,
        "lower": evidence.lower,
        "upper": evidence.upper,
        "prime": evidence.minor.minor.prime if isinstance(evidence.minor, FeatureMinor) else None,
        "substitution": None
        if not isinstance(evidence.minor, FeatureMinor) or evidence.minor.substitution is None
        else {
            "denominator": rational_text(evidence.minor.substitution.denominator),
            "root": evidence.minor.substitution.root,
        },
        "precision": evidence.minor.precision if isinstance(evidence.minor, VerifiedMinor) else None,
        "upper_rule": None
        if rule is None
        else rule.kind
        if isinstance(rule, CountingBound)
        else f"{rule.side}-kernel",
        **(evidence.minor.summary() if isinstance(evidence.minor, FloatRank) else {}),
    }
