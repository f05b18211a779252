"""Asking the checker: every question twice, the second time in batches of two samples, with the same answer."""

from handmade import seal

from exactcnn.checker import check_certificate
from exactcnn.checker.certificate import INSTANCE
from exactcnn.checker.core.grammar import record
from exactcnn.checker.core.instance import Instance
from exactcnn.checker.core.matrices import Context
from exactcnn.checker.core.network import Network
from exactcnn.checker.core.numbers import Vectors
from exactcnn.checker.files import load_data

WHOLE = Vectors.batches


def in_twos(self, samples, units):
    for first in range(0, len(samples), 2):
        yield from WHOLE(self, samples[first : first + 2], units)


def ask(case, judgments, claims, **options):
    """The verdict, in this process."""
    judgments = judgments if isinstance(judgments, list) else [judgments]
    claims = claims if isinstance(claims, list) else [claims]
    return settled(seal(case, judgments, claims), **options)


def settled(certificate, **options):
    verdict = check_certificate(certificate, max_seconds=None, **options)
    try:
        Vectors.batches = in_twos
        again = check_certificate(certificate, max_seconds=None, **options)
    finally:
        Vectors.batches = WHOLE
    assert again.outcome == verdict.outcome, (verdict.reason, again.reason)
    assert again.claims == verdict.claims
    assert (verdict.claims == []) == (verdict.outcome != "VERIFIED")
    assert verdict.reason
    assert verdict.reason.isascii()
    assert verdict.reason.isprintable()
    return verdict


def verified(case, judgments, claims, **options):
    verdict = ask(case, judgments, claims, **options)
    assert verdict.outcome == "VERIFIED", (verdict.outcome, verdict.reason)
    return verdict


def rejected(case, judgments, claims, about="", **options):
    verdict = ask(case, judgments, claims, **options)
    assert verdict.outcome == "REJECTED", (verdict.outcome, verdict.reason)
    assert about in verdict.reason, verdict.reason


def malformed(case, judgments, claims, about=""):
    verdict = ask(case, judgments, claims)
    assert verdict.outcome == "MALFORMED", (verdict.outcome, verdict.reason)
    assert about in verdict.reason, verdict.reason


def context(case):
    """What the rules of the checker work on."""
    spec = record(INSTANCE)(case, "instance")
    network = Network(spec["network"])
    samples = None if spec["data"] is None else load_data(spec["data"], network, "", None)
    return Context(Instance(network, samples, spec["targets"], spec["weights"]), case, False)
