"""Floor 6: exact statements as assertions, for people's own tests.

Conventions.  Every function fails with AssertionError and the finding's own sentence unless the statement
is *proved*; "undecided" fails too and says so.  Input that cannot be read raises MalformedError or MisuseError,
as everywhere.  ``net``: the path of a spec or ONNX file, a Network, a Model, or a PyTorch module in
evaluation mode.  ``data``: as for ``exactcnn.verify``, and PyTorch tensors.  Importing this module is
light: pytest loads it through ``exactcnn.pytest_plugin``, but nothing here needs pytest.

>>> from exactcnn.testing import assert_features_independent
>>> net = {"input": [4], "layers": [{"kind": "conv", "filters": 3, "kernel": 2, "activation": "sigmoid"}]}
>>> assert_features_independent(net, [[1, 2, 0, 3], [0, 1, 1, 2], [5, 4, 4, 0]], layer=1).verdict
'proved'
>>> assert_features_independent(net, [[1, 2, 0, 3], [1, 2, 0, 3]], layer=1)
Traceback (most recent call last):
    ...
AssertionError: rank: refuted. F_1 (2 x 9) has rank 1, less than N = 2: only 1 of the 2 samples are different.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from exactcnn.errors import MisuseError, UndecidedError
from exactcnn.testing.given import Options, rank_of, speaks_of

if TYPE_CHECKING:
    from exactcnn.api import Result
    from exactcnn.checker import Verdict
    from exactcnn.statements import Finding

__all__ = [
    "Options",
    "assert_certificate_valid",
    "assert_critical_point",
    "assert_features_independent",
    "assert_full_rank",
    "assert_proved",
    "assert_zero_loss",
    "keeping",
]


# What a test run does with the certificate of an assertion: (statement, verdict, certificate or None).
Keeper = Callable[[str, str, dict[str, Any] | None], None]
_keeper: Keeper | None = None


@contextmanager
def keeping(keeper: Keeper) -> Iterator[None]:
    """Within the block every assertion hands its certificate to ``keeper``, whether it holds or not."""
    global _keeper
    before, _keeper = _keeper, keeper
    try:
        yield
    finally:
        _keeper = before


def assert_proved(result: Result) -> Result:
    """Every finding of ``exactcnn.verify(..)`` is proved, whatever the statements were."""
    __tracebackhide__ = True
    if not result.findings:
        raise MisuseError("result", "at least one finding", "none")
    for finding in result.findings:
        _keep(result, finding)
    failed = [finding for finding in result.findings if finding.verdict != "proved"]
    if failed:
        notes = [f"Note: {note}" for note in result.notes]
        raise AssertionError("\n".join([*map(str, failed), *notes]))
    return result


def assert_features_independent(
    net: Any, data: Any = None, *, layer: int | str | None = None, **options: Unpack[Options]
) -> Result:
    """rank F_k = N: the features of all samples at layer k are linearly independent over the reals.

    ``layer`` None: the first hidden layer with n_k >= N.  Without data: the embedded digits.
    """
    __tracebackhide__ = True
    return assert_proved(_verify(net, data, "rank", layer, options))


def assert_full_rank(
    matrix_or_net: Any, *, layer: int | str | None = None, generic: bool = False, **options: Unpack[Options]
) -> Result:
    """A matrix of integers and Fractions has full rank, min(rows, columns); or of a network U_k has.

    U_k, the weights of layer k as one n_{k-1} x n_k matrix, at the weights given (``generic``: for almost all
    weights, Lemma 2.5), for ``layer`` or for every convolutional and dense layer.  Floats in a matrix are
    refused, as by ``exactcnn.rank``: Fraction(x) is exactly the float x.
    """
    __tracebackhide__ = True
    from exactcnn.api import Result
    from exactcnn.features.instance import Instance
    from exactcnn.resolve import is_net, model_of, weights_of
    from exactcnn.statements import decide

    if not is_net(matrix_or_net):
        if layer is not None or generic or options:
            raise MisuseError("matrix", "a matrix without options, or a network", "options beside a matrix")
        return assert_proved(rank_of(matrix_or_net))
    model = model_of(matrix_or_net, options.get("input_shape"))
    statement = "lemma-2.5" if generic else "lifted-rank"
    given: dict[str, Any] = {**options}
    drawn = {name: given[name] for name in ("seed", "bits", "distribution") if name in given}
    instance = Instance(model.network, None, weights_of(model, options.get("weights"), **drawn))
    findings = decide(statement, instance, layer)
    if all(finding.layer is None for finding in findings):
        raise MisuseError("net", "a network with a layer that this speaks of", findings[0].reason)
    return assert_proved(Result(instance, tuple(findings), model.notes + model.weight_notes))


def assert_critical_point(
    net: Any,
    data: Any = None,
    *,
    within: Fraction | float | None = None,
    local_minimum: bool = False,
    **options: Unpack[Options],
) -> Result:
    """The weights are a critical point of 1/2 ||F_L - Y||^2: every partial derivative is exactly 0.

    That is rare for floats; ``within`` asks instead for exactly one critical point in a box, no parameter
    of which differs from the weights by more than that (at most 150 parameters).  ``local_minimum``: and it is one.
    """
    __tracebackhide__ = True
    if within is None:
        names = ["critical-point", *(["local-minimum"] if local_minimum else [])]
        return assert_proved(_verify(net, data, names, None, options))
    result = assert_proved(_verify(net, data, "critical-point-nearby", None, options))
    (found,) = result.findings
    reach = found.evidence.moved + found.evidence.inner
    if not reach <= within:  # nor for NaN
        distance = f"at most {float(reach):.3g} from the weights, is not known to lie within {within}"
        raise AssertionError(f"critical-point-nearby: undecided. The critical point, {distance}.")
    if local_minimum and not found.evidence.kind.endswith("minimum"):
        raise AssertionError(f"local-minimum: refuted. The critical point is a {found.evidence.kind}.")
    return result


def assert_zero_loss(
    net: Any, data: Any = None, *, within: float | None = None, **options: Unpack[Options]
) -> Result:
    """The loss 1/2 ||F_L - Y||^2 is exactly 0 at the weights.

    That is rare for floats; ``within`` asks instead for weights of zero loss at most that far, in Frobenius
    norm, from the weights given (statement zero-loss-nearby).
    """
    __tracebackhide__ = True
    if within is not None:
        result = assert_proved(_verify(net, data, "zero-loss-nearby", None, options))
        distance = result.findings[0].summary["distance"]
        if distance is None or not distance <= within:
            known = "beyond float64" if distance is None else f"{distance:g}"
            sentence = f"Weights of zero loss lie within {known} of these, which is more than {within:g}"
            raise AssertionError(f"zero-loss-nearby: undecided. {sentence}.")
        return result
    result = assert_proved(_verify(net, data, "loss", None, options))
    (found,) = result.findings
    verdict = _is_zero(result)
    if verdict != "proved":
        raise AssertionError(f"zero loss: {verdict}. {found.reason}")
    return result


def assert_certificate_valid(
    certificate: str | Path | dict[str, Any],
    *,
    statement: str | None = None,
    net: Any = None,
    input_shape: Sequence[int] | None = None,
    data: str | Path | None = None,
    max_seconds: int | None = None,
    deterministic: bool = False,
) -> Verdict:
    """The independent checker accepts the certificate, a file or what ``Result.certificate()`` returned.

    Valid certificates can say "refuted" as well, and speak of any network: name a ``statement`` to ask for a claim
    that it is proved, and ``net`` to ask that they speak of this network and of the weights that it brings.
    ``data``: where the data file lies that the certificate refers to.
    """
    __tracebackhide__ = True
    from exactcnn.checker import check_certificate, check_file
    from exactcnn.checker.core.grammar import parse_json
    from exactcnn.checker.limits import SECONDS
    from exactcnn.resolve import model_of

    if not isinstance(certificate, (str, Path, dict)):
        raise MisuseError("certificate", "the path of a certificate, or a dict", type(certificate).__name__)
    where = None if data is None else str(data)
    seconds = SECONDS if max_seconds is None else max_seconds
    if isinstance(certificate, dict):
        verdict = check_certificate(certificate, where, max_seconds=seconds, deterministic=deterministic)
        name = "certificate"
    else:
        verdict = check_file(str(certificate), where, max_seconds=seconds, deterministic=deterministic)
        name = str(certificate)
    if verdict.outcome != "VERIFIED":
        raise AssertionError(f"{name}: {verdict.outcome}. {verdict.reason}")
    record = certificate if isinstance(certificate, dict) else parse_json(Path(certificate).read_bytes())
    if _keeper is not None:
        _keeper("certificate", "verified", record)
    claimed = {claim["statement"] for claim in record["claims"] if claim["verdict"] == "proved"}
    if statement is not None and statement not in claimed:
        others = ", ".join(sorted(claimed)) or "nothing"
        raise AssertionError(
            f"{name}: VERIFIED, but it does not say that {statement} is proved ({others} is)"
        )
    if net is not None and not speaks_of(record, model_of(net, input_shape)):
        raise AssertionError(f"{name}: VERIFIED, but it speaks of another network or other weights")
    return verdict


def _verify(
    net: Any, data: Any, statements: str | Sequence[str], layer: int | str | None, options: Options
) -> Result:
    __tracebackhide__ = True
    from exactcnn.api import verify

    name = statements if isinstance(statements, str) else statements[0]
    try:
        return verify(net, data, statements=statements, layer=layer, **options)
    except UndecidedError as error:
        raise AssertionError(f"{name}: undecided. {error}") from None


def _is_zero(result: Result) -> str:
    """Is the loss 0, as the finding `loss` has it exactly or in an enclosure?"""
    from exactcnn.statements.critical_point import EnclosedLoss, ExactPoint

    evidence = result.findings[0].evidence
    if isinstance(evidence, ExactPoint):
        return "proved" if evidence.surface.loss.sign() == 0 else "refuted"
    if not isinstance(evidence, EnclosedLoss):
        return "undecided"
    low, high = evidence.bounds
    return "proved" if high == 0 else "refuted" if low > 0 else "undecided"


def _keep(result: Result, finding: Finding) -> None:
    if _keeper is None:
        return
    from exactcnn.certificates import make_certificate

    try:
        record = make_certificate(result.instance, [finding])
    except UndecidedError:  # nothing in it that the checker could repeat
        record = None
    _keeper(finding.statement, finding.verdict, record)
