"""A whole certificate (FORMAT.md, section 1): digests, the instance, the judgments, and the claims made of them."""

from typing import Any

from . import arrays
from .core import bounds, hypotheses, order, outcome, regular, statements
from .core.grammar import HEX, INDEX, Fields, array, choice, digest, integer, maybe, named, parse_json, record, tagged
from .core.matrices import ALMOST, EVERY, SOMEWHERE, Context, Fact
from .core.instance import MATRIX, WEIGHTS, Instance, check_targets, check_weights
from .core.network import NETWORK, Network
from .core.outcome import Malformed, Rejected, TooMuch, Verdict, require, show
from .files import DATA, load_data
from .landscape import judgments as landscape_judgments
from .landscape import statements as landscape_statements
from .landscape.jets import LogTwo

RULES: dict[str, tuple[dict[str, Any], Any]] = {
    **regular.RULES, **bounds.RULES, **order.RULES, **hypotheses.RULES, **landscape_judgments.RULES}
ROWS = {**statements.ROWS, **landscape_statements.ROWS}
INSTANCE = {"network": NETWORK, "data": maybe(DATA), "targets": maybe(MATRIX), "weights": named(WEIGHTS)}
CERTIFICATE = record({
    "format": choice("exactcnn-certificate"), "version": integer(2, 2), "instance": record(INSTANCE),
    "digests": record({"network": HEX, "data": maybe(HEX), "targets": maybe(HEX), "weights": named(HEX), "instance": HEX}),
    "judgments": array(tagged("kind", {name: fields for name, (fields, _) in RULES.items()}), 1),
    "claims": array(tagged("statement", {
        name: {**statements.VERDICTS, **fields, "by": array(INDEX, 1)} for name, (fields, _) in ROWS.items()}), 1)})


def examine(text: bytes, folder: str, data: str | None = None, *, deterministic: bool = False) -> Verdict:
    """The verdict on a certificate; its content never makes this raise an exception."""
    try:
        return check(parse_json(text), folder, data, deterministic)
    except Malformed as error:
        return Verdict(outcome.MALFORMED, str(error))
    except Rejected as error:
        return Verdict(outcome.REJECTED, str(error))
    except TooMuch as error:
        return Verdict(outcome.NOT_CHECKED, str(error))
    except RecursionError:
        return Verdict(outcome.MALFORMED, "file: nested too deeply")
    except MemoryError:
        return Verdict(outcome.NOT_CHECKED, "file: needs more memory than it may take")
    except Exception as error:  # a fault of this program must not pass for a verdict
        return Verdict(outcome.INTERNAL, f"{type(error).__name__}: {show(str(error))}")


def digests(instance: Fields) -> Fields:
    parts = {key: None if instance[key] is None else digest(instance[key]) for key in ("network", "data", "targets")}
    return {**parts, "weights": {name: digest(each) for name, each in instance["weights"].items()}, "instance": digest(instance)}


def check(raw: Any, folder: str, data: str | None, deterministic: bool) -> Verdict:
    certificate = CERTIFICATE(raw, "certificate")
    spec, found = certificate["instance"], digests(raw["instance"])
    for key, value in found.items():
        require(certificate["digests"][key] == value, f"digests.{key}", f"not that of the {key} in this file")
    network = Network(spec["network"])
    for name, weights in spec["weights"].items():
        check_weights(weights, network, f"instance.weights.{name}")
    if spec["targets"] is not None:
        check_targets(spec["targets"], network, spec["data"]["shape"][0] if spec["data"] else 0)
    count = len(certificate["judgments"])
    for n, claim in enumerate(certificate["claims"]):
        require(max(claim["by"]) < count, f"claims[{n}].by", f"expected judgments below {count}")
    samples = None if spec["data"] is None else load_data(spec["data"], network, folder, data)
    context = Context(Instance(network, samples, spec["targets"], spec["weights"], arrays), raw["instance"], deterministic)
    try:
        sentences = established(context, certificate, raw["judgments"])
    except Rejected:
        if arrays.NUMPY not in context.assumptions:
            raise
        # NumPy's enclosures are wider: what they do not show may be so all the same.
        context = Context(Instance(network, samples, spec["targets"], spec["weights"]), raw["instance"], deterministic)
        sentences = established(context, certificate, raw["judgments"])
    error_bound = None
    if context.error_bits:  # the errors of several judgments add up
        error_bound = f"2^-{min(context.error_bits) - (len(context.error_bits) - 1).bit_length()}"
    kind = "none" if spec["data"] is None else spec["data"]["kind"]
    described = {"network": show(spec["network"]["name"]), "digest": found["instance"],
                 "data": f"{kind} {show(spec['data']['name'])}" if kind == "file" else kind}
    if spec["targets"] is not None:
        described["targets"] = f"digest {found['targets'][:16]}"
    for name, weights in spec["weights"].items():
        described[f"weights {name}"] = f"{weights['kind']}, digest {found['weights'][name][:16]}"
    count = len(sentences)
    reason = f"{count} claim{'s' if count > 1 else ''} established"
    return Verdict(outcome.VERIFIED, reason, sentences, sorted(context.assumptions), error_bound, described)


def established(context: Context, certificate: Fields, raw: Any) -> list[str]:
    """The sentences of all claims, from the facts that the judgments show."""
    facts = [RULES[each["kind"]][1](context, each, raw[n], f"judgments[{n}]") for n, each in enumerate(certificate["judgments"])]
    sentences = [ROWS[claim["statement"]][1](statements.Row(context, claim, [facts[i] for i in claim["by"]], f"claims[{n}]"))
                 for n, claim in enumerate(certificate["claims"])]
    consistent(facts)
    return sentences


def consistent(facts: list[Fact]) -> None:
    """Facts of one certificate never contradict each other; if they do, something here is wrong, and nothing is verified."""
    for a, b in ((a, b) for a in facts for b in facts if a.kind == b.kind):
        if a.kind == "rank":
            meet = a.where == b.where or b.where == EVERY or (a.where == ALMOST and b.where == SOMEWHERE)
            same = a.of == b.of and a.of[0] != "U+" and meet
            wrong = same and a.low is not None and b.high is not None and a.low > b.high
        elif a.kind == "loss":
            wrong = a.where == b.where and LogTwo().below(b.more["ends"][1], a.more["ends"][0])
        else:
            about = [(fact.where, fact.more.get("node"), fact.more.get("activation")) for fact in (a, b)]
            wrong = about[0] == about[1] and a.more.get("verdict") != b.more.get("verdict")
        if wrong:
            raise Rejected(f"certificate: contradiction, {a.words}, yet {b.words}")
