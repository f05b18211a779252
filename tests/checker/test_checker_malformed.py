"""Hostile and broken input: never a traceback, never VERIFIED unless the claim is still true."""

import contextlib
import copy
import json
import math
import random

import pytest
from broad import good, no_valleys, points, ranks
from handmade import (
    act,
    changed,
    claim,
    conv,
    count,
    dense,
    features,
    inline,
    instance,
    judged,
    kernel,
    minor,
    network,
    rank,
    rational,
    seal,
    seed,
    weight,
)
from verdicts import ask, context, malformed, rejected, verified

from exactcnn.checker import check_certificate, check_file
from exactcnn.checker.certificate import CERTIFICATE, ROWS, RULES
from exactcnn.checker.core.outcome import Rejected
from exactcnn.checker.core.statements import Row

ALL = [good, ranks, points, no_valleys]
OUTCOMES = ("VERIFIED", "REJECTED", "MALFORMED", "NOT CHECKED")


def reseal(certificate):
    digests = seal(certificate["instance"], [], [])["digests"]
    return {**certificate, "digests": {**certificate["digests"], **digests}}


def checked(certificate, **options):
    return check_certificate(certificate, max_seconds=None, **options)


def bytes_outcome(tmp_path, raw):
    path = tmp_path / "certificate.json"
    path.write_bytes(raw)
    verdict = check_file(str(path), max_seconds=None)
    assert verdict.reason
    return verdict.outcome


def test_the_good_ones():
    """Together they have every kind of judgment and every statement."""
    certificates = [make() for make in ALL]
    for certificate in certificates:
        verdict = checked(certificate)
        assert verdict.outcome == "VERIFIED", verdict.reason
    assert {judgment["kind"] for each in certificates for judgment in each["judgments"]} == set(RULES)
    assert {claimed["statement"] for each in certificates for claimed in each["claims"]} == set(ROWS)
    whole = check_certificate(good())  # by way of a child process
    assert whole == checked(good())


TEXT = json.dumps(good())


# fmt: off
@pytest.mark.parametrize("raw", [
    b"", b"{", b"[]", b"null", b"5", b'"x"', b"\xff\xfe", b"{}", b'{"format": "exactcnn-certificate"}',
    TEXT.encode("utf-16"), b"\xef\xbb\xbf" + TEXT.encode(), TEXT.encode() + b"x",
    *(TEXT.replace('"version": 2', f'"version": {v}').encode() for v in (
        "2.0", "2e0", "true", "NaN", "-Infinity", "1", "3", "2, \"version\": 2", "2, \"extra\": 1", "9" * 10**6,
        '"' + "1" * 100_001 + '"', '"' + "1" * 99_999 + '"', "-0", '"2.0"', '"02"', "null", "[2]")),
    b"[" * 10**6, b'{"a":' * 10**5, b"[" * 50_000 + b"]" * 50_000,
    b'{"format": ' + b"[" * 900 + b"]" * 900 + b"}", b'"' + b"\\ud800" * 10 + b'"',
    b'{"a": 1, "a": 1}', b'{"a": {"b": 1, "c": 2, "b": 3}}',
])
def test_broken_text(tmp_path, raw):
    """Attacks the reader of JSON with text that is not JSON, or not the JSON that the format admits."""
    assert bytes_outcome(tmp_path, raw) == "MALFORMED"


def test_no_file(tmp_path):
    assert check_file(str(tmp_path)).outcome == "MALFORMED"
    assert check_file(str(tmp_path / "nothing")).outcome == "MALFORMED"
    assert check_file("\0").outcome == "MALFORMED"
    assert check_certificate({1, 2}).outcome == "MALFORMED"
    assert check_certificate({"format": math.nan}).outcome == "MALFORMED"


# fmt: off
@pytest.mark.parametrize("text", [
    "2/4", "+1", "01", "1/1", "1/0", "1/-2", "1 ", " 1", "-0", "0/3", "1.0", "1e3", "", "-", "/", "1/", "0x1", "\u0661", "1_000",
    "1/2/3", "--1", "1\n", "1/02", "9" * 1001,
])
def test_numbers_have_one_form(text):
    """Attacks the canonical form of string numbers, rationals and integers."""
    case = instance(network([1], {"kind": "scale", "factors": [text], "shifts": [0]}), inline([[1]]))
    malformed(case, count(1, "width"), rank(case, 1, weights=None))
    certificate = changed(good(), "claims", 0, "lower", text)
    assert checked(certificate).outcome == "MALFORMED"


def test_string_integers_are_integers():
    for path in (("claims", 0, "lower"), ("claims", 0, "node"), ("claims", 0, "by", 0), ("version",)):
        certificate = good()
        inner = certificate
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = str(inner[path[-1]])
        assert checked(certificate).outcome == "VERIFIED", path


def test_booleans_are_no_numbers():
    case = instance(network([1], dense(1)), inline([[True]]))
    malformed(case, count(1, "width"), rank(case, 1, weights=None))
    case = instance(network([True], dense(1)), inline([[1]]))
    malformed(case, count(1, "width"), claim("rank", "undecided", node=1, weights=None, lower=0, upper=1))


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield from places(entry, (*path, key))


def at(value, path):
    for step in path:
        value = value[step]
    return value


WRONG = [None, True, False, 1.5, -1, 0, 1, 10**15, 2**60, "x", "9" * 1000, "-3/7", [], {}, [[]], [None], {"kind": "width"},
         "relu", "\x1b[31m"]  # fmt: skip
# What may change and leave the claims true: names, numbers of the instance that no claim depends on, and evidence.
HARMLESS = {"name", "rows", "denominator", "values", "seed", "bits", "prime", "root", "W", "b", "transform", "slope", "alpha",
            "vector", "precision", "radius", "preconditioner", "bounds", "loss", "distance", "entries", "pivot", "columns",
            "units", "shared", "partial", "free", "by", "node", "scale", "core", "positions"}  # fmt: skip
MEANING = {"statement", "verdict", "lower", "upper", "than", "critical", "flat", "failing", "activation", "kind", "matrix"}
MEANING |= {"weights"}


def mutants(certificate):
    """Each field with wrong values, for a long certificate with some of them."""
    draw, paths = random.Random(3), [path for path in places(certificate) if path]
    for path in paths:
        for value in WRONG if len(paths) < 500 else draw.sample(WRONG, 5):
            if at(certificate, path) != value or type(at(certificate, path)) is not type(value):
                mutant = changed(certificate, *path, value)
                with contextlib.suppress(KeyError, TypeError, AttributeError):
                    mutant = reseal(mutant) if path[0] != "digests" else mutant
                yield path, value, mutant


@pytest.mark.parametrize("make", ALL)
def test_wrong_values_everywhere(make):
    """Attacks every field with values of every type, digests corrected; survivors must be harmless."""
    for path, value, mutant in mutants(make()):
        verdict = checked(mutant)
        assert verdict.outcome in OUTCOMES, (path, value, verdict.reason)
        assert len(verdict.reason) < 1200
        assert verdict.reason.isascii()
        assert verdict.reason.isprintable()
        if verdict.outcome == "VERIFIED":
            assert HARMLESS.intersection(path), path
            field = next(step for step in reversed(path) if isinstance(step, str))
            assert field not in MEANING, path
            # A claim about another node would be another claim.
            assert path[0] != "claims" or field in ("by", "distance"), path


@pytest.mark.parametrize("make", ALL)
def test_missing_and_unknown_keys_everywhere(make):
    """Attacks every object by removing each key and adding one."""
    certificate = make()
    for path in places(certificate):
        inner = at(certificate, path)
        if not isinstance(inner, dict):
            continue
        for key in [*inner, "surplus"]:
            mutant = copy.deepcopy(certificate)
            target = at(mutant, path)
            target[key] = 0
            if key != "surplus":
                del target[key]
            named = path in (("instance", "weights"), ("digests", "weights"))
            if path != ("digests",) and not named:
                with contextlib.suppress(KeyError, TypeError, AttributeError):
                    mutant = reseal(mutant)
            outcome = checked(mutant).outcome
            assert outcome == "MALFORMED" or (named and outcome in ("REJECTED", "MALFORMED")), (path, key)


def test_inline_shapes():
    """Attacks the shapes of inline data and weights."""
    case = good()["instance"]
    judgments, claims = good()["judgments"], good()["claims"]
    for path, value in (
        (("data", "shape"), [2, 2]),
        (("data", "shape"), [3, 3]),
        (("data", "shape"), [2]),
        (("data", "rows", 0), [1, 0]),
        (("data", "denominator"), 0),
        (("data", "denominator"), -1),
        (("data", "rows"), []),
        (("weights", "w", "nodes"), []),
        (("weights", "w", "nodes", 1), weight([[1]])),
        (("weights", "w", "nodes", 0, "W", "rows"), [[1, 2]]),
        (("weights", "w", "nodes", 0, "W", "rows", 0), [1]),
        (("weights", "w", "nodes", 0, "W", "rows"), [[], []]),
        (("weights", "w", "nodes", 0, "W", "denominator"), 0),
        (("weights", "w", "nodes", 0, "b"), None),
        (("weights", "w", "nodes", 0, "b", "values"), [1]),
        (("weights", "w"), {"kind": "seed", "seed": 1, "bits": 65}),
        (("weights", "w"), {"kind": "seed", "seed": 1, "bits": 0}),
        (("weights", "w"), {"kind": "seed", "seed": str(2**64), "bits": 8}),
        (("weights", "w"), {"kind": "ln2", "nodes": [{"W": [[[1]]], "b": None}, None]}),
        (("weights", "w"), {"kind": "ln2", "nodes": [{"W": [[[0]], [[1]]], "b": None}, None]}),
        (("weights", "w"), {"kind": "ln2", "nodes": [{"W": [[[1, 0]], [[1]]], "b": None}, None]}),
        (("weights", "w"), None),
        (("weights",), {"W": seed(1, 8)}),
        (("weights",), {"x" * 41: seed(1, 8)}),
        (("weights",), {"": seed(1, 8)}),
        (("weights",), {f"w{n}": seed(1, 8) for n in range(201)}),
        (("targets",), {"denominator": 0, "rows": []}),
    ):
        malformed(changed(case, *path, value), judgments, claims)


@pytest.mark.parametrize(
    "given",
    [
        rational(weight([[1]], [])),
        rational(weight([[1]], [1, 2])),
        {"kind": "ln2", "nodes": [{"W": [[[1]]], "b": []}]},
        {"kind": "ln2", "nodes": [{"W": [[[1]]], "b": [[1], [2]]}]},
    ],
)
def test_biases_that_are_no_list_of_their_length(given):
    case = instance(network([1], dense(1, "unit")), inline([[1]]), given)
    malformed(case, minor(features(1), [0], [0]), rank(case, 1, lower=1))


def test_names_do_not_reach_the_terminal():
    """Attacks the reader of the report with control characters in the network's name."""
    certificate = good()
    certificate["instance"]["network"]["name"] = "\x1b[2J VERIFIED \ud800\n"
    verdict = checked(reseal(certificate))
    assert verdict.outcome == "VERIFIED"
    assert verdict.instance["network"].isprintable()
    for key in ("\x1b[2J", "\ud800"):
        mutant = good()
        mutant[key] = 1
        verdict = checked(mutant)
        assert verdict.outcome == "MALFORMED"
        assert verdict.reason.isprintable()


def test_long_numbers_are_read_and_not_printed():
    """Attacks the conversion limits of Python with numbers of the longest admitted length; a pass over samples of more than
    2^17 bits is refused in words."""
    long = "1" + "0" * 99_999
    net = network([1], conv(1, patches=[[0]]), act("sigmoid"))
    case = instance(net, inline([[long]]), rational(weight([[1]])))
    judgment = minor(features(2), [0], [0], root=2)
    assert ask(case, judgment, rank(case, 2, lower=1)).outcome == "NOT CHECKED"
    verified(case, count(2, "samples"), rank(case, 2, weights=None))
    shorter = {**case, "data": inline([[long[:39_000]]])}
    verified(shorter, judgment, rank(case, 2, lower=1))
    malformed(case, judgment, {**rank(case, 2), "lower": long})
    hole = judged("structure", node=1, uncovered=[long], equal=[])
    malformed(case, hole, claim("structure", "refuted", node=1))
    rejected(shorter, {**judgment, "divisor": long}, rank(case, 2, lower=1), "divisor")
    malformed(case, {**judgment, "root": long}, rank(case, 2, lower=1))
    malformed(case, {**judgment, "prime": long}, rank(case, 2, lower=1))
    too_long = {**case, "data": inline([[long + "0"]])}
    malformed(too_long, judgment, rank(case, 2, lower=1))
    wide = kernel(features(2), "left", (0, [[0, long]]))
    rejected(shorter, wide, rank(case, 2, upper=0), "product")


def test_long_numbers_in_the_claim_of_a_point():
    certificate = ranks()
    n = next(n for n, each in enumerate(certificate["claims"]) if each["statement"] == "point")
    for value in (["9" * 5000], ["9" * 600, "8" * 600], ["1/" + "7" * 99_000]):
        verdict = checked(changed(certificate, "claims", n, "loss", value))
        assert verdict.outcome == "REJECTED", verdict.reason
        assert len(verdict.reason) < 1000


@pytest.mark.parametrize("kind", sorted(RULES))
def test_judgments_about_an_instance_that_lacks_everything(kind):
    """Each judgment of the broad certificate on a network without data, targets and weights: a sentence."""
    for certificate, judgment in ((c, j) for c in (ranks(), points()) for j in c["judgments"] if j["kind"] == kind):
        for part, empty in (("data", None), ("targets", None), ("weights", {})):
            case = {**certificate["instance"], part: empty}
            if part == "data":
                case["targets"] = None
            outcome = ask(case, judgment, claim("rank", "undecided", node=1, weights=None, lower=0, upper=1)).outcome
            assert outcome in ("REJECTED", "MALFORMED", "VERIFIED")


@pytest.mark.parametrize("make", ALL)
def test_each_claim_with_each_judgment(make):
    """The judgments that a claim names are replaced by any one of the others: where it is established still, that one is
    among those that were named, or shows the same."""
    raw = make()
    certificate, on = CERTIFICATE(raw, ""), context(raw["instance"])
    facts = [
        RULES[each["kind"]][1](on, each, raw["judgments"][n], "") for n, each in enumerate(certificate["judgments"])
    ]
    for claimed in certificate["claims"]:
        for n, (judgment, fact) in enumerate(zip(raw["judgments"], facts, strict=True)):
            try:
                ROWS[claimed["statement"]][1](Row(on, claimed, [fact], ""))
            except Rejected:
                continue
            if n not in claimed["by"]:
                assert claimed["verdict"] == "undecided" or (claimed["statement"], judgment["kind"]) in SAME


# Statements that another judgment of these certificates shows as well.
ALMOST = ("theorem-3.5", "extension-a", "lemma-4.2", "no-bad-valley")
SAME = {(statement, kind) for statement in ALMOST for kind in ("order", "general-position", "minor-enclosed")}
SAME |= {("corollary-3.6", "minor-enclosed"), ("local-minimum", "slope-enclosed"), ("loss", "loss-exact")}
